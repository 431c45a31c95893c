package sqlite

import (
	"errors"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

func TestDecideConflicts(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	old := addJob(t, s, testJob("backup"))
	checkStrings(t, "decided", decide(t, d, "backup", 1, 2), "1 run", "2 skipped")
	for name, k := range map[string]scheduler.StoredJob{
		"another cursor":  old,
		"another version": {Job: scheduler.Job{Name: "backup", Version: 2}, ID: old.ID, Cursor: minute(2)},
		"no such job":     {ID: 77},
	} {
		_, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Firings: firingsAt(3), Cursor: minute(3)})
		if !errors.Is(err, scheduler.ErrConflict) {
			t.Errorf("%s: got %v, want %v", name, err, scheduler.ErrConflict)
		}
	}
	rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup"})
	if err != nil || len(rows) != 2 {
		t.Errorf("got %d firings, %v, want 2", len(rows), err)
	}
	if k, err := s.Job(t.Context(), "backup"); err != nil || !k.Cursor.Equal(minute(2)) {
		t.Errorf("cursor: got %s, %v, want %s", k.Cursor, err, minute(2))
	}
}

// After the clock was set back the history is left as it is.
func TestKnownTimesDoNotFireAgain(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	k := addJob(t, s, testJob("backup"))
	gap := scheduler.Gap{Count: 3, First: minute(1), Last: minute(3)}
	if _, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Missed: gap, MissedReason: "late", Firings: firingsAt(4), Cursor: minute(4)}); err != nil {
		t.Fatal(err)
	}
	k.Cursor = minute(4)
	_, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Cursor: noon, Alarm: "the clock was put back"})
	if err != nil {
		t.Fatal(err)
	}
	if k, err = s.Job(t.Context(), "backup"); err != nil || k.Alarm == "" || !k.Cursor.Equal(noon) {
		t.Fatalf("got %+v, %v, want an alarm and the cursor at noon", k, err)
	}
	checkStrings(t, "again", decide(t, d, "backup", 1, 2, 3, 4, 5), "5 skipped")
	k.Cursor = minute(5)
	gap.Last, gap.Count = minute(7), 7
	if _, err := d.Decide(t.Context(), scheduler.Decisions{Job: k, Missed: gap, Cursor: minute(7)}); err != nil {
		t.Fatal(err)
	}
	var missed int
	if err := s.r.QueryRow("SELECT sum(count) FROM firings WHERE decision = 'missed'").Scan(&missed); err != nil || missed != 5 {
		t.Errorf("got %d missed, %v, want 5: minutes 1 to 3, 6 and 7", missed, err)
	}
	k, err = s.Job(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	k.Command = "df"
	if k, err = s.ChangeJob(t.Context(), k.Job, "ann", minute(8)); err != nil || k.Alarm != "" {
		t.Errorf("changed: got alarm %q, %v, want none", k.Alarm, err)
	}
}

func TestOverlap(t *testing.T) {
	tests := []struct {
		overlap scheduler.Overlap
		want    []string
		after   []string // what may begin when the first has ended
	}{
		{scheduler.OverlapSkip, []string{"2 skipped", "3 skipped"}, nil},
		{scheduler.OverlapQueue, []string{"2 queued", "3 skipped"}, []string{"2 run"}},
		{scheduler.OverlapAllow, []string{"2 run", "3 skipped"}, nil},
		{scheduler.OverlapReplace, []string{"2 queued", "3 skipped"}, []string{"2 run"}},
	}
	for _, tt := range tests {
		t.Run(tt.overlap.String(), func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			j := testJob("backup")
			j.Overlap, j.MaxRunning = tt.overlap, 2
			addJob(t, s, j)
			checkStrings(t, "first", decide(t, d, "backup", 1), "1 run")
			first := claim(t, d, minute(1))
			checkStrings(t, "claimed", told(first), "1 run")
			r := beginAssigned(t, d, first[0])
			checkStrings(t, "decided", decide(t, d, "backup", 2, 3), tt.want...)
			killed, err := d.Killed(t.Context(), []int64{r.RunID()})
			if wantKill := tt.overlap == scheduler.OverlapReplace; err != nil || (len(killed) > 0) != wantKill {
				t.Errorf("killed: got %v, %v, want some: %v", killed, err, wantKill)
			}
			if tt.overlap == scheduler.OverlapAllow {
				checkStrings(t, "alongside", told(claim(t, d, minute(2))), "2 run")
			}
			checkStrings(t, "while it runs", told(claim(t, d, minute(2))))
			finish(t, r, 0, 0)
			second := claim(t, d, minute(2))
			checkStrings(t, "afterwards", told(second), tt.after...)
			for _, x := range second {
				if !x.Waited {
					t.Errorf("got a assignment that did not wait: %+v", x)
				}
			}
		})
	}
}

// A firing that has not started is replaced by closing it.
func TestReplaceUnbegun(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	j := testJob("backup")
	j.Overlap = scheduler.OverlapReplace
	addJob(t, s, j)
	checkStrings(t, "decided", decide(t, d, "backup", 1, 2), "1 skipped", "2 run")
	second := claim(t, d, minute(2))
	checkStrings(t, "claimed", told(second), "2 run")
	checkStrings(t, "decided", decide(t, d, "backup", 3), "3 run")
	if _, err := s.Begin(t.Context(), jobPlan("a"), runInfoOf(d, second[0])); !errors.Is(err, store.ErrTaken) {
		t.Errorf("got %v, want %v", err, store.ErrTaken)
	}
	if err := d.Fail(t.Context(), second[0], scheduler.Failed, "x"); !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("fail: got %v, want %v", err, scheduler.ErrConflict)
	}
	checkStrings(t, "claimed", told(claim(t, d, minute(3))), "3 run")
}

// The earlier firing has ended when that is proved on every host, and in time.
func TestReplaceNeedsProof(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, r *store.Recorder)
		at   time.Time
		want []string
	}{
		{"still running", func(*testing.T, *store.Recorder) {}, minute(3), nil},
		{"not in time", func(*testing.T, *store.Recorder) {}, minute(3).Add(time.Second), []string{"2 skipped"}},
		{"a host whose end is unknown", func(t *testing.T, r *store.Recorder) {
			p := jobPlan("a", "b")
			res := finished(p.Targets[0], 1, 0, 0, 0)
			res.Report.Exit, res.Outcome = nil, fanout.Canceled
			res.Report.Failure = &fanout.Failure{Op: fanout.OpCanceled, Message: "stopped", Remote: fanout.RemoteUnknown}
			handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[0], Attempt: 1, Result: res})
			finish(t, r)
		}, minute(2), []string{"2 skipped"}},
		{"cut off", func(t *testing.T, r *store.Recorder) {
			if err := r.Starting(t.Context(), jobPlan("a", "b").Targets[0], 1, ""); err != nil {
				t.Fatal(err)
			}
			closeRecorder(t, r)
		}, minute(2), []string{"2 skipped"}},
		{"proved", func(t *testing.T, r *store.Recorder) {
			p := jobPlan("a", "b")
			res := finished(p.Targets[0], 1, 0, 0, 0)
			res.Report.Exit, res.Outcome = nil, fanout.Canceled
			res.Report.Failure = &fanout.Failure{Op: fanout.OpCanceled, Message: "stopped", Remote: fanout.RemoteEnded}
			handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[0], Attempt: 1, Result: res})
			finish(t, r)
		}, minute(4), []string{"2 run"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			j := testJob("backup")
			j.Overlap = scheduler.OverlapReplace
			addJob(t, s, j)
			decide(t, d, "backup", 1)
			r := beginAssigned(t, d, claim(t, d, minute(1))[0])
			checkStrings(t, "decided", decide(t, d, "backup", 2), "2 queued")
			tt.end(t, r)
			checkStrings(t, "claimed", told(claim(t, d, tt.at)), tt.want...)
		})
	}
}
