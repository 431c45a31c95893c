package scheduler

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
)

// A ruleCase is a rule, the state it is applied to, and the transition.
type ruleCase struct {
	name  string
	state JobState
	rule  func(s JobState, at Moment) (Transition, error)
	want  string
	err   error
}

// checkRules applies each rule a minute past noon, and checks that it does not change
// the state that it was given.
func checkRules(t *testing.T, tests []ruleCase) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := copyState(test.state)
			got, err := test.rule(test.state, Moment{Now: clock(1), NextID: 11})
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("got the error %v, want %v", err, test.err)
			}
			var want []string
			for line := range strings.Lines(test.want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			if lines := linesOf(&got); !slices.Equal(lines, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
			}
			if !reflect.DeepEqual(test.state, before) {
				t.Errorf("the state has changed to %+v", test.state)
			}
			for _, f := range got.Next.Open {
				if !f.Settled.IsZero() {
					t.Errorf("firing %d is settled and open", f.ID)
				}
			}
		})
	}
}

func copyState(s JobState) JobState {
	s.Open, s.Ahead = slices.Clone(s.Open), slices.Clone(s.Ahead)
	return s
}

// clock returns the time that many minutes past noon.
func clock(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, minutes, 0, 0, time.UTC)
}

// stateOf returns a job that fires every five minutes and notifies of everything,
// decided up to noon.
func stateOf(change ...func(*JobState)) JobState {
	j := NewJob("job", "UTC")
	j.Version, j.Schedules = 1, []string{"*/5 * * * *"}
	j.Notify = Notify{On: []NotifyEvent{OnFailure, OnRecovery, OnMissed}, Command: "mail"}
	s := JobState{StoredJob: StoredJob{Job: j, ID: 7, Cursor: clock(0)}, Since: clock(0)}
	for _, f := range change {
		f(&s)
	}
	return s
}

// firing adds an open firing of that number, of noon.
func firing(id int64, d Decision, change ...func(*FiringRecord)) func(*JobState) {
	return func(s *JobState) {
		f := FiringRecord{ID: id, JobID: 7, Job: "job", At: clock(0), Due: clock(0), Decided: clock(0), Decision: d, Waited: d == Queued}
		for _, c := range change {
			c(&f)
		}
		s.Open = append(s.Open, f)
	}
}

func daemon(id int64) func(*FiringRecord) { return func(f *FiringRecord) { f.Daemon = id } }
func manual(by string) func(*FiringRecord) {
	return func(f *FiringRecord) { f.RequestedBy, f.At = by, time.Time{} }
}
func decidedAt(at time.Time) func(*FiringRecord) { return func(f *FiringRecord) { f.Decided = at } }

// A testRun is the run of a firing: its request to stop, and how it ended unless it is
// running.
type testRun struct {
	Ended
	stop Stop
}

// runs adds an open firing and its run, of daemon 1.
func runs(id, run int64, state string, change ...func(*testRun)) func(*JobState) {
	return func(s *JobState) {
		r := testRun{Ended: Ended{Run: run, State: state, Summary: fanout.Summary{Hosts: 2, Started: clock(0)}}}
		if state != runRunning {
			r.Summary.Ended = clock(0).Add(time.Second)
		}
		for _, c := range change {
			c(&r)
		}
		firing(id, Run, daemon(1), func(f *FiringRecord) {
			f.Run, f.Stop = run, r.stop
			if state != runRunning {
				f.Ended = &r.Ended
			}
		})(s)
	}
}

// deleted marks runs as deleted from the history.
func deleted(s *JobState) {
	for i := range s.Open {
		if f := &s.Open[i]; f.Run != 0 {
			f.Ended = &Ended{Run: f.Run}
		}
	}
}

func ends(ok, failed, lost int) func(*testRun) {
	return func(r *testRun) {
		r.Summary.Counts[fanout.OK], r.Summary.Counts[fanout.Failed], r.Summary.Counts[fanout.Lost] = ok, failed, lost
	}
}
func cut(why fanout.Stopped) func(*testRun) { return func(r *testRun) { r.Summary.Stopped = why } }
func killedBy(who string) func(*testRun)    { return func(r *testRun) { r.stop.By = who } }
func replacedBy(id int64) func(*testRun) {
	return func(r *testRun) { r.stop = Stop{By: "job job", ReplacedBy: id, ReplacedAt: clock(5)} }
}

func overlap(o Overlap) func(*JobState) {
	return func(s *JobState) { s.Overlap, s.MaxRunning = o, 2 }
}
func idempotent(s *JobState) { s.Idempotent = true }
func failing(n int) func(*JobState) {
	return func(s *JobState) { s.ConsecutiveFailures = ConsecutiveFailures{n, clock(0)} }
}

// linesOf returns a transition as lines.
func linesOf(t *Transition) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, f := range t.Firings {
		say("firing %s", lineOf(&f))
	}
	for _, x := range t.Stops {
		say("stop %d by %s for %d", x.Run, x.By, x.ReplacedBy)
	}
	for _, m := range t.Messages {
		say("message %s of %d, failures %d, missed %d, run %d", m.Type, m.Firing, m.Failures, m.Missed, m.Run)
	}
	for _, x := range t.Assignments {
		say("assignment %d %s", x.ID, x.Decision)
	}
	for _, e := range t.Completions {
		say("ending %d run %d ok=%t on_request=%t cut=%t failures=%d", e.ID, e.Run, e.OK, e.OnRequest, e.Interrupted, e.ConsecutiveFailures.Count)
	}
	return lines
}

func lineOf(f *FiringRecord) string {
	line := fmt.Sprintf("%d %s", f.ID, f.Decision)
	if f.Reason != "" {
		line += " (" + f.Reason + ")"
	}
	for _, x := range []struct {
		word string
		n    int64
	}{{"run", f.Run}, {"daemon", f.Daemon}, {"repeats", f.Repeats}, {"missed", int64(f.Gap.Count)}} {
		if x.n != 0 {
			line += fmt.Sprintf(" %s %d", x.word, x.n)
		}
	}
	if f.Waited {
		line += " waited"
	}
	if !f.Settled.IsZero() {
		line += " settled"
	}
	return line
}
