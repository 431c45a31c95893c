package sqlite

import (
	"slices"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// agedRun records a finished run that says so many bytes and began so many days
// ago.
func agedRun(tb testing.TB, s *Store, info store.RunInfo, days, bytes int) int64 {
	tb.Helper()
	p := testPlan("a")
	r := begin(tb, s, p, info)
	start := time.Now().AddDate(0, 0, -days)
	handle(tb, r, fanout.Event{Kind: fanout.RunStarted, Time: start, Plan: &p},
		fanout.Event{Kind: fanout.Output, Time: start, Target: &p.Targets[0], Attempt: 1, Data: noise(bytes)},
		fanout.Event{Kind: fanout.RunFinished, Time: start, Summary: &fanout.Summary{Started: start, Hosts: 1}})
	closeRecorder(tb, r)
	return r.RunID()
}

// The limits of a job apply to its runs in place of those of the history.
func TestPruneByJob(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name string
		job  scheduler.Keep
		keep store.Retention
		want []int64 // of the job's runs 1 to 4, which are 40, 30, 20 and 0 days old, and run 5 without a job, of 40 days
	}{
		{"nothing of its own", scheduler.Keep{}, store.Retention{Keep: 25 * day}, []int64{3, 4}},
		{"longer", scheduler.Keep{Age: 35 * day}, store.Retention{Keep: 25 * day}, []int64{2, 3, 4}},
		{"shorter", scheduler.Keep{Age: 10 * day}, store.Retention{Keep: 45 * day}, []int64{4, 5}},
		{"a number in place of an age", scheduler.Keep{Runs: 3}, store.Retention{Keep: 10 * day}, []int64{2, 3, 4}},
		{"a number in place of a number", scheduler.Keep{Runs: 3}, store.Retention{KeepRuns: 1}, []int64{2, 3, 4, 5}},
		{"both", scheduler.Keep{Runs: 3, Age: 25 * day}, store.Retention{}, []int64{3, 4, 5}},
		{"a size", scheduler.Keep{Size: 25_000}, store.Retention{}, []int64{3, 4, 5}},
		{"a size that no run fits", scheduler.Keep{Size: 1}, store.Retention{}, []int64{4, 5}},
		{"a size and an age", scheduler.Keep{Size: 35_000}, store.Retention{Keep: 25 * day}, []int64{3, 4}},
		{"the size of all", scheduler.Keep{Runs: 9}, store.Retention{MaxSize: 1}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			j := testJob("backup")
			j.Keep = tt.job
			info := store.RunInfo{Job: "backup", JobID: addJob(t, s, j).ID}
			for _, days := range []int{40, 30, 20, 0} {
				agedRun(t, s, info, days, 10_000)
			}
			agedRun(t, s, store.RunInfo{}, 40, 10_000)
			for range 2 {
				if _, err := s.Prune(t.Context(), tt.keep); err != nil {
					t.Fatal(err)
				}
				stored, err := column[int64](t.Context(), s.r, "SELECT id FROM runs ORDER BY id")
				if err != nil || !slices.Equal(stored, tt.want) {
					t.Errorf("got runs %d, %v, want %d", stored, err, tt.want)
				}
			}
		})
	}
}

// A job that cannot be read may have limits of its own.
func TestPruneSparesBrokenJobs(t *testing.T) {
	s := openTest(t, tempPath(t))
	agedRun(t, s, store.RunInfo{Job: "backup", JobID: addJob(t, s, testJob("backup")).ID}, 40, 10)
	if _, err := s.w.Exec("UPDATE jobs SET spec = '{'"); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Prune(t.Context(), store.Retention{Keep: time.Hour, KeepRuns: 1}); err != nil || p.Runs != 0 {
		t.Errorf("got %+v, %v, want nothing pruned", p, err)
	}
}

// A run stays until a daemon has done with it.
func TestPruneSparesWhatIsUnsettled(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	finish(t, runMinute(t, d, "backup", 1), 0, 0)
	all := store.Retention{MaxSize: 1}
	if p, err := s.Prune(t.Context(), all); err != nil || p.Runs != 0 {
		t.Errorf("unsettled: got %+v, %v, want nothing pruned", p, err)
	}
	checkStrings(t, "settled", settle(t, d, minute(1)), "run 1 ok=true streak=0")
	if p, err := s.Prune(t.Context(), all); err != nil || p.Runs != 1 {
		t.Errorf("settled: got %+v, %v, want one run", p, err)
	}
	rows, err := s.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 || rows[0].RunID != 1 || rows[0].Run != nil {
		t.Errorf("got %+v, %v, want the firing of a run that is gone", rows, err)
	}
}

// Firings go with their age, but not while they are what keeps a scheduled time from
// firing again.
func TestPruneFirings(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	today := time.Now().UTC().Truncate(time.Hour)
	daysAgo := func(n int) time.Time { return today.AddDate(0, 0, -n) }
	fire := func(job string, days ...int) {
		t.Helper()
		j := testJob(job)
		j.Schedules = []string{"@hourly"}
		k, err := s.AddJob(t.Context(), j, "ann", daysAgo(60))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range days {
			at := daysAgo(n)
			d.tick(at)
			_, err := d.Decide(t.Context(), scheduler.Decisions{
				Job: k, Firings: []scheduler.Firing{{ScheduledTime: scheduler.ScheduledTime{At: at}, Due: at}}, Cursor: at,
				Missed: scheduler.Gap{Count: 1, First: at.Add(-time.Hour), Last: at.Add(-time.Hour)},
			})
			if err != nil {
				t.Fatal(err)
			}
			k.Cursor = at
			for _, x := range claim(t, d, at) {
				if err := d.Fail(t.Context(), x, scheduler.Missed, "late"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	fire("daily", 50, 40, 9, 5, 0)
	fire("stopped", 50, 47, 40)
	fire("removed", 50, 1)
	if err := s.RemoveJob(t.Context(), "removed", 0, "ann", today); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), store.Retention{Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for job, want := range map[string]int{
		"daily":   2 * 2, // those of the last 8 days
		"stopped": 2 * 2, // those of 8 days before its last
		"removed": 0,
	} {
		rows, err := s.Firings(t.Context(), store.FiringQuery{Job: job})
		if err != nil || len(rows) != want {
			t.Errorf("%s: got %d, %v, want %d", job, len(rows), err, want)
		}
	}
}
