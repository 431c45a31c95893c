package sqlite

import (
	"maps"
	"strings"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// unreadable is what may be wrong with what the ledger has of a job.
var unreadable = map[string]string{
	"cursor":        "UPDATE jobs SET cursor = 'x'",
	"failing since": "UPDATE jobs SET failing_since = 'x'",
	"ahead":         "UPDATE job_states SET ahead = 'x'",
	"firing":        "UPDATE firings SET decided_at = 'x'",
}

// damage is what a hand, or a disk, may do to the rows of the job with number 1, which has
// an open firing: bad JSON, JSON of another shape, an unknown word, NULL, a wrong type.
var damage = map[string]string{
	"spec, no JSON":          "UPDATE jobs SET spec = '{' WHERE id = 1",
	"spec, another shape":    "UPDATE jobs SET spec = '[1]' WHERE id = 1",
	"paused, no truth":       "UPDATE jobs SET paused = 7 WHERE id = 1",
	"failures, no number":    "UPDATE jobs SET failures = 9223372036854775807, updated_at = 'x' WHERE id = 1",
	"since, no time":         "UPDATE job_states SET since = 'x' WHERE job_id = 1",
	"since, a number":        "UPDATE job_states SET since = 7 WHERE job_id = 1",
	"ahead, no JSON":         "UPDATE job_states SET ahead = '[{' WHERE job_id = 1",
	"ahead, another shape":   "UPDATE job_states SET ahead = '{\"from\": 1}' WHERE job_id = 1",
	"ahead, no time":         "UPDATE job_states SET ahead = '[{\"from\": \"x\"}]' WHERE job_id = 1",
	"firing, no time":        "UPDATE firings SET decided_at = '' || id WHERE job_id = 1",
	"firing, unknown word":   "UPDATE firings SET decision = 'perhaps' WHERE job_id = 1",
	"firing, no truth":       "UPDATE firings SET waited = 7 WHERE job_id = 1",
	"firing, end, no JSON":   "UPDATE firings SET ended = '{' WHERE job_id = 1",
	"firing, end, a version": "UPDATE firings SET ended = '{\"run\": \"one\"}' WHERE job_id = 1",
}

// pokeAny is poke for what the checks of the schema refuse.
func pokeAny(tb testing.TB, s *Store, query string) {
	tb.Helper()
	poke(tb, s, "PRAGMA ignore_check_constraints = ON")
	poke(tb, s, query)
	poke(tb, s, "PRAGMA ignore_check_constraints = OFF")
}

// A job whose rows are damaged is broken, and shown as that. The others go on, and it
// can be removed.
func TestDamagedJobKeepsNoOtherFromFiring(t *testing.T) {
	for name, query := range damage {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			addJob(t, s, testJob("backup"))
			addJob(t, s, testJob("sweep"))
			first := joinTest(t, s)
			decide(t, first, "backup", 1)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			pokeAny(t, s, query)

			d := joinTest(t, s)
			checkStrings(t, "decided", decide(t, d, "sweep", 2), "2 run")
			for _, assignment := range claim(t, d, minute(2)) {
				if assignment.Decision == scheduler.Run && assignment.Job.Name != "sweep" {
					t.Errorf("got %+v, want nothing of the damaged job", assignment)
				}
			}
			if _, err := d.desk.Settle(t.Context(), minute(2)); err != nil {
				t.Error(err)
			}
			all, err := s.ListJobs(t.Context())
			if err != nil || len(all) != 2 || all[0].Name != "backup" || all[0].Broken == nil || all[1].Broken != nil {
				t.Errorf("got %+v, %v, want backup broken, and only that", all, err)
			}
			if one, err := s.Job(t.Context(), "backup"); err != nil || one.Broken == nil || one.ID != 1 {
				t.Errorf("got %+v, %v, want it broken", one, err)
			}
			if _, err := s.Request(t.Context(), d, "backup", "ann", minute(2)); err == nil {
				t.Error("it was run manually")
			}
			if _, err := s.KillRuns(t.Context(), store.KillRef{Job: "backup"}, "ann", minute(2)); err != nil {
				t.Errorf("kill: %v", err)
			}
			if _, err := s.Prune(t.Context(), store.Retention{KeepRuns: 1}); err != nil {
				t.Errorf("prune: %v", err)
			}
			if err := s.RemoveJob(t.Context(), "backup", 0, "ann", minute(3)); err != nil {
				t.Errorf("remove: %v", err)
			}
			checkInt(t, s.r, "SELECT count(*) FROM job_states WHERE job_id = 1", 0)
			checkInt(t, s.r, "SELECT count(*) FROM firings WHERE job_id = 1 AND settled_at IS NULL", 0)
		})
	}
}

// A job whose rows are damaged works again once it is applied again: what was damaged is
// replaced, and a firing that cannot be read is settled as failed.
func TestDamagedJobIsReplaced(t *testing.T) {
	all := map[string]string{"failing since, failing": "UPDATE jobs SET failures = 2, failing_since = 'x' WHERE id = 1"}
	maps.Copy(all, damage)
	maps.Copy(all, unreadable)
	for name, query := range all {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			addJob(t, s, testJob("backup"))
			d := joinTest(t, s)
			decide(t, d, "backup", 1)
			pokeAny(t, s, query)
			old, err := s.Job(t.Context(), "backup")
			if err != nil || old.Broken == nil {
				t.Fatalf("got %+v, %v, want it broken", old, err)
			}
			job := testJob("backup")
			job.Version = old.Version
			if _, err := s.ChangeJob(t.Context(), job, "ann", minute(3)); err != nil {
				t.Fatal(err)
			}
			if now, err := s.Job(t.Context(), "backup"); err != nil || now.Broken != nil {
				t.Errorf("got %+v, %v, want it readable", now, err)
			}
			if got := decide(t, d, "backup", 5); len(got) != 1 {
				t.Errorf("decided %q", got)
			}
			failed := 0
			if strings.HasPrefix(name, "firing") {
				failed = 1
			}
			checkInt(t, s.r, "SELECT count(*) FROM firings WHERE decision = 'failed' AND reason = '"+scheduler.ReasonUnreadable+"' AND settled_at IS NOT NULL", failed)
		})
	}
}

// A firing that cannot be read is listed as failed, with the others, and so is one whose
// run or notification cannot be read.
func TestFiringsBesideAnUnreadableOne(t *testing.T) {
	tests := map[string]struct{ query, reason string }{
		"time":            {"UPDATE firings SET decided_at = 'x' WHERE id = 1", "firing 1: "},
		"word":            {"UPDATE firings SET decision = 'perhaps' WHERE id = 1", "firing 1: "},
		"type":            {"UPDATE firings SET waited = 7 WHERE id = 1", "firing 1: "},
		"run":             {"UPDATE runs SET started_at = 'x' WHERE id = 1", "run 1: "},
		"run, a word":     {"UPDATE runs SET stopped = 'perhaps' WHERE id = 1", "run 1: "},
		"notification":    {"UPDATE notifications SET at = 'x' WHERE firing_id = 1", ""},
		"all at one time": {"UPDATE firings SET decided_at = 'x', due_at = 'y' WHERE id = 1", "firing 1: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			addJob(t, s, notified(scheduler.OnAlways))
			for n := 1; n <= 2; n++ {
				finish(t, runMinute(t, d, "backup", n), 0, 0)
				if _, err := d.Settle(t.Context(), minute(n)); err != nil {
					t.Fatal(err)
				}
			}
			sent, err := d.Lease(t.Context(), minute(3), minute(4), 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range sent {
				if err := d.Delivered(t.Context(), m, minute(3), nil, time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			pokeAny(t, s, tt.query)
			rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup"})
			if err != nil || len(rows) != 2 || rows[0].Run == nil || rows[0].Reason != "" || rows[1].ID != 1 || rows[1].JobID == 0 {
				t.Fatalf("got %+v, %v, want both firings", rows, err)
			}
			if len(rows[0].Notifications) == 0 || len(rows[0].Notifications) != len(rows[1].Notifications) {
				t.Errorf("got the notifications %+v and %+v, want as many of each", rows[0].Notifications, rows[1].Notifications)
			}
			if !strings.HasPrefix(rows[1].Reason, tt.reason) || (tt.reason == "") != (rows[1].Reason == "") {
				t.Errorf("got the reason %q, want %q…", rows[1].Reason, tt.reason)
			}
			if broken := strings.HasPrefix(tt.reason, "firing"); broken != (rows[1].Decision == scheduler.Failed) {
				t.Errorf("got the decision %s", rows[1].Decision)
			}
		})
	}
}

// A run whose start cannot be read keeps the firings of its job, and of no other.
func TestPruneBesideAnUnreadableRun(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	addJob(t, s, testJob("sweep"))
	for n := 1; n <= 2; n++ {
		for _, name := range []string{"backup", "sweep"} {
			finish(t, runMinute(t, d, name, n), 0, 0)
			if _, err := d.Settle(t.Context(), minute(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	poke(t, s, "UPDATE jobs SET cursor = '2027-01-01T00:00:00.000Z'")
	poke(t, s, "UPDATE runs SET due_at = 'x' WHERE id = 3")
	_, err := s.Prune(t.Context(), store.Retention{KeepRuns: 2})
	if err == nil || !strings.Contains(err.Error(), "run 3: ") {
		t.Errorf("got %v, want an error that names run 3", err)
	}
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE job = 'backup'", 2)
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE job = 'sweep'", 1)
}

// A daemon notices a repair by hand, though that changes no revision.
func TestMendedJobFires(t *testing.T) {
	s := openTest(t, tempPath(t))
	addJob(t, s, testJob("backup"))
	poke(t, s, "UPDATE job_states SET ahead = 'x'")
	d := joinTest(t, s)
	if _, err := d.desk.Sync(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if stored := d.desk.ListJobs(); len(stored) != 1 || !stored[0].Damaged() {
		t.Fatalf("got %+v, want it damaged", stored)
	}
	poke(t, s, "UPDATE job_states SET ahead = NULL")
	checkStrings(t, "decided", decide(t, d, "backup", 1), "1 run")
}

// Unreadable values of a job are not overwritten by runs and kills.
func TestDamagedStateIsKept(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	r := runMinute(t, d, "backup", 1)
	poke(t, s, "UPDATE job_states SET ahead = 'x', since = 'y'")
	if _, err := s.KillRuns(t.Context(), store.KillRef{Job: "backup"}, "ann", minute(2)); err != nil {
		t.Fatal(err)
	}
	finish(t, r, 0, 0)
	checkInt(t, s.r, "SELECT count(*) FROM job_states WHERE ahead = 'x' AND since = 'y'", 1)
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE ended IS NOT NULL", 1)
}

// A message that cannot be read is given up, on record, and the next ones are delivered.
func TestDamagedMessageKeepsNoOtherWaiting(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnAlways))
	for n := 1; n <= 2; n++ {
		finish(t, runMinute(t, d, "backup", n), 0, 0)
		if _, err := d.Settle(t.Context(), minute(n)); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	if err := s.r.QueryRow("SELECT count(*) FROM outbox").Scan(&total); err != nil || total < 2 {
		t.Fatal(total, err)
	}
	poke(t, s, "UPDATE outbox SET message = '{' WHERE id = 1")
	got, err := d.Lease(t.Context(), minute(9), minute(10), 10)
	if err != nil || len(got) != total-1 {
		t.Errorf("got %d, %v, want the other %d", len(got), err, total-1)
	}
	checkInt(t, s.r, "SELECT count(*) FROM notifications WHERE error LIKE 'the message cannot be read%'", 1)
}

// A run that cannot be read does not hide the ends of others.
func TestEndsBesideAnUnreadableRun(t *testing.T) {
	s := openTest(t, tempPath(t))
	for range 2 {
		finish(t, begin(t, s, jobPlan("a", "b"), store.RunInfo{}), 0, 0)
	}
	poke(t, s, "UPDATE runs SET ended_at = 'x' WHERE id = 1")
	ends, err := s.Ends(t.Context(), []int64{1, 2})
	if err == nil || len(ends) != 1 || ends[0].Run != 2 {
		t.Errorf("got %+v, %v, want the end of run 2, and what is wrong with run 1", ends, err)
	}
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

// A history in which a job cannot be read is opened, and a run of it that was cut off
// is interrupted; once it can be read the ledger gets the end.
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
