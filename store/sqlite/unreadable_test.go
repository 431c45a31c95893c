package sqlite

import (
	"testing"

	"tutti/store"
)

// unreadable is what may be wrong with what the ledger has of a job.
var unreadable = map[string]string{
	"cursor":        "UPDATE jobs SET cursor = 'x'",
	"failing since": "UPDATE jobs SET failing_since = 'x'",
	"ahead":         "UPDATE job_states SET ahead = 'x'",
	"firing":        "UPDATE firings SET decided_at = 'x'",
}

// A run ends also if its job cannot be read, and what cannot be read stays as it is.
func TestRunOfAnUnreadableJobEnds(t *testing.T) {
	for name, query := range unreadable {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			addJob(t, s, testJob("backup"))
			r := runMinute(t, d, "backup", 1)
			poke(t, s, query)
			finish(t, r, 0, 0)
			checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'finished'", 1)
			checkInt(t, s.r, "SELECT count(*) FROM jobs WHERE cursor IS NULL", 0)
		})
	}
}

// A history in which a job cannot be read is opened, and a run of it that was cut off is
// interrupted; once it can be read the ledger is told.
func TestHistoryWithAnUnreadableJobOpens(t *testing.T) {
	for name, query := range unreadable {
		t.Run(name, func(t *testing.T) {
			path := tempPath(t)
			s := openTest(t, path)
			d := joinTest(t, s)
			addJob(t, s, testJob("backup"))
			finish(t, runMinute(t, d, "backup", 1), 0, 0)
			poke(t, s, "UPDATE firings SET ended = NULL")
			poke(t, s, "UPDATE runs SET state = 'running', ended_at = NULL")
			poke(t, s, query)
			again, err := Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = again.Close() }() // it has written what it has
			checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'interrupted'", 1)
			ends, err := again.Ends(t.Context(), []int64{1})
			if err != nil || len(ends) != 1 || ends[0].State != string(store.Interrupted) {
				t.Errorf("got %+v, %v, want that the run was interrupted", ends, err)
			}
		})
	}
}

// A run that cannot be marked as interrupted keeps no other from that, nor the history
// from being opened.
func TestRunThatCannotBeRepaired(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	for range 2 {
		finish(t, begin(t, s, jobPlan("a", "b"), store.RunInfo{}), 0, 0)
	}
	poke(t, s, "UPDATE results SET started_at = 'x' WHERE run_id = 1")
	poke(t, s, "UPDATE runs SET state = 'running', ended_at = NULL")
	again, err := Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }() // it has written what it has
	checkInt(t, s.r, "SELECT count(*) FROM runs WHERE id = 2 AND state = 'interrupted'", 1)
	run, err := again.Run(t.Context(), "1", "")
	if err != nil || run.State != store.Interrupted {
		t.Errorf("got %+v, %v, want a run that was cut off", run.State, err)
	}
	if ends, err := again.Ends(t.Context(), []int64{1, 2}); err == nil || len(ends) != 2 {
		t.Errorf("got %+v, %v, want the ends of both, and what is wrong with one", ends, err)
	}
}
