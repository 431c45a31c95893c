package sqlite

import (
	"fmt"
	"testing"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// finishCut is finish for a run that was cut short on its second host.
func finishCut(tb testing.TB, r *store.Recorder, why fanout.Stopped) {
	tb.Helper()
	p := jobPlan("a", "b")
	for i, o := range []fanout.Outcome{fanout.OK, fanout.Canceled} {
		res := finished(p.Targets[i], 1, 0, 0, 0)
		res.Outcome = o
		handle(tb, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[i], Attempt: 1, Result: res})
	}
	s := &fanout.Summary{Hosts: 2, Stopped: why, Started: at(0), Ended: at(100)}
	s.Counts[fanout.OK], s.Counts[fanout.Canceled] = 1, 1
	handle(tb, r, fanout.Event{Kind: fanout.RunFinished, Time: at(100), Summary: s})
	closeRecorder(tb, r)
}

// A run that a user stopped says nothing about the job; its deadline and its budget do.
func TestEndOnRequest(t *testing.T) {
	kill := func(t *testing.T, s *Store, run int64) {
		if _, err := s.KillRuns(t.Context(), store.KillRef{Run: run}, "ann", minute(3)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		stopped fanout.Stopped
		before  func(t *testing.T, s *Store, run int64)
		want    string
		failure bool // it is notified as a failure
	}{
		{"killed", fanout.StoppedKill, kill, "streak=1 killed by ann", false},
		{"for no known reason", fanout.StoppedKill, nil, "streak=2", true},
		{"the daemon stopped", fanout.StoppedSignal, nil, "streak=1 the daemon was stopped", false},
		{"its deadline", fanout.StoppedDeadline, nil, "streak=2", true},
		{"its deadline, and killed", fanout.StoppedDeadline, kill, "streak=2", true},
		{"its budget", fanout.StoppedBudget, nil, "streak=2", true},
		{"a daemon that cannot report", fanout.StoppedSink, nil, "streak=2", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			addJob(t, s, notified(scheduler.OnAlways))
			finish(t, runMinute(t, d, "backup", 1), 0, 1)
			settle(t, d, minute(1))
			deliver(t, d, minute(1))
			r := runMinute(t, d, "backup", 3)
			if tt.before != nil {
				tt.before(t, s, r.RunID())
			}
			finishCut(t, r, tt.stopped)
			checkStrings(t, "ended", settle(t, d, minute(3)), "run 2 ok=false "+tt.want)
			rows, err := s.Firings(t.Context(), store.FiringQuery{Limit: 1})
			if err != nil || (rows[0].Reason != "") == tt.failure {
				t.Errorf("got the reason %q, %v, want one: %v", rows[0].Reason, err, !tt.failure)
			}
			event := scheduler.OnAlways
			if tt.failure {
				event = scheduler.OnFailure
			}
			for _, x := range newest(t, d, 2) {
				if m := x.Message; m.Type != event.String() || m.Reason != rows[0].Reason {
					t.Errorf("message: got %s, %q, want %s, %q", m.Type, m.Reason, event, rows[0].Reason)
				}
			}
		})
	}
}

// newest are the messages about a run.
func newest(tb testing.TB, d *seat, run int64) []scheduler.Delivery {
	tb.Helper()
	all, _ := deliver(tb, d, minute(9))
	var out []scheduler.Delivery
	for _, x := range all {
		if x.Message.Run == run {
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		tb.Fatalf("no receiver is notified of run %d", run)
	}
	return out
}

// A stopped run is notified only to those that want every result.
func TestEndOnRequestIsNoFailure(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnFailure, scheduler.OnRecovery))
	finishCut(t, runMinute(t, d, "backup", 1), fanout.StoppedSignal)
	settle(t, d, minute(1))
	_, said := deliver(t, d, minute(2))
	checkStrings(t, "messages", said)
}

func TestReplacedRunIsNoFailure(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	j := notified(scheduler.OnFailure)
	j.Overlap = scheduler.OverlapReplace
	addJob(t, s, j)
	r := runMinute(t, d, "backup", 1)
	checkStrings(t, "decided", decide(t, d, "backup", 2), "2 queued")
	finishCut(t, r, fanout.StoppedKill)
	checkStrings(t, "ended", settle(t, d, minute(2)), "run 1 ok=false streak=0 replaced by the firing of 13:02:00 CET")
}

// A user who runs a job at a terminal and goes away is no failure of the job.
func TestAttachedRunIsInterrupted(t *testing.T) {
	for _, why := range []fanout.Stopped{fanout.StoppedSignal, fanout.StoppedSink} {
		t.Run(why.String(), func(t *testing.T) {
			s := openTest(t, tempPath(t))
			addJob(t, s, notified(scheduler.OnFailure))
			asker := joinOnce(t, s)
			assignment, err := asker.Request(t.Context(), "backup", "bob", minute(1))
			if err != nil {
				t.Fatal(err)
			}
			finishCut(t, beginAssigned(t, asker, assignment), why)
			if err := asker.Close(); err != nil {
				t.Fatal(err)
			}
			d := joinTest(t, s)
			checkStrings(t, "ended", settle(t, d, minute(2)), "run 1 ok=false streak=0 interrupted by bob")
		})
	}
}

// Messages of a removed job are given up, and recorded as such.
func TestRemovedJobHasNoMessages(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnFailure))
	finish(t, runMinute(t, d, "backup", 1), 0, 1)
	settle(t, d, minute(1))
	if err := s.RemoveJob(t.Context(), "backup", 0, "ann", minute(2)); err != nil {
		t.Fatal(err)
	}
	_, said := deliver(t, d, minute(3))
	checkStrings(t, "messages", said)
	rows, err := s.Firings(t.Context(), store.FiringQuery{Job: "backup"})
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %d firings, %v, want 1", len(rows), err)
	}
	var notes []string
	for _, n := range rows[0].Notifications {
		notes = append(notes, fmt.Sprintf("%s %s %s %d %s", n.Event, n.Kind, n.Target, n.Attempt, n.Error))
	}
	checkStrings(t, "on record", notes,
		"failure webhook https://example.com/… 0 the job was removed", "failure command mail 0 the job was removed")
}

// Messages have the exit code that the process of a run ended with, unless they were sent
// before that; also those of a daemon that has read the earlier one.
func TestExitCodeIsTold(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, notified(scheduler.OnAlways))
	r := runMinute(t, d, "backup", 1)
	finish(t, r, 0, 1)
	if _, err := d.desk.Sync(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.SetExitCode(t.Context(), r.RunID(), 42); err != nil {
		t.Fatal(err)
	}
	endings, err := d.desk.Settle(t.Context(), minute(1))
	if err != nil || len(endings) != 1 {
		t.Fatalf("got %d ends, %v, want one", len(endings), err)
	}
	for _, x := range newest(t, d, r.RunID()) {
		if m := x.Message; m.ExitCode == nil || *m.ExitCode != 42 {
			t.Errorf("got %v, want 42", m.ExitCode)
		}
	}
	if err := s.SetExitCode(t.Context(), r.RunID(), 7); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}
