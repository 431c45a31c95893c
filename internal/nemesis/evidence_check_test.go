package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// innocent is evidence of no mistake: a job that was run twice on two hosts,
// the second time after a while in which scheduled times were missed.
func innocent() *evidence {
	begin := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	j := scheduler.NewJob("tick", "UTC")
	j.Schedules = []string{"* * * * *"}
	e := &evidence{
		jobs: []kept{{StoredJob: scheduler.StoredJob{Job: j, ID: 1, Cursor: at(4)}, since: at(0), steady: true}},
		firings: []store.FiringRow{
			{ID: 1, Job: "tick", JobID: 1, ScheduledAt: at(1), Decision: scheduler.Run, RunID: 1},
			{ID: 2, Job: "tick", JobID: 1, Decision: scheduler.Missed, Missed: scheduler.Gap{Count: 2, First: at(2), Last: at(3)}},
			{ID: 3, Job: "tick", JobID: 1, ScheduledAt: at(4), Decision: scheduler.Run, RunID: 2},
		},
		runs: map[int64]ran{},
	}
	for run, minute := range map[int64]int{1: 1, 2: 4} {
		r := ran{Run: store.Run{ID: run, Job: "tick", JobID: 1, ScheduledAt: at(minute), State: store.Finished}, hosts: map[string]store.HostResult{}}
		for _, host := range []string{"a", "b"} {
			r.hosts[host] = result(fanout.OK, true)
			e.sessions = append(e.sessions, session{
				host: host, job: "tick", run: run, at: at(minute).Format(time.RFC3339),
				started: at(minute), ended: at(minute).Add(10 * time.Second), ok: true,
			})
		}
		e.runs[run] = r
	}
	slices.SortFunc(e.sessions, func(a, b session) int { return strings.Compare(a.at+a.host, b.at+b.host) })
	return e
}

func result(o fanout.Outcome, started bool) store.HostResult {
	return store.HostResult{Result: fanout.Result{Outcome: o, Report: fanout.Report{Started: started}}}
}

// again adds a run of the first scheduled time on host a: that of a firing of its own.
func (e *evidence) again(repeats int64) {
	first := e.runs[1]
	r := ran{Run: first.Run, hosts: map[string]store.HostResult{"a": result(fanout.OK, true)}}
	r.ID = 3
	e.runs[3] = r
	e.firings = append(e.firings, store.FiringRow{ID: 4, Job: "tick", JobID: 1, Decision: scheduler.Run, RunID: 3, Repeats: repeats})
	s := e.sessions[0]
	s.run, s.started, s.ended = 3, s.started.Add(20*time.Second), s.ended.Add(20*time.Second)
	e.sessions = append(e.sessions, s)
}

func (e *evidence) interrupt(run int64, host string, o fanout.Outcome) {
	r := e.runs[run]
	r.State = store.Interrupted
	e.runs[run] = r
	r.hosts[host] = result(o, o == fanout.Lost)
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		do   func(*evidence)
		want string // part of what is said; empty: nothing is
	}{
		{"innocent", func(*evidence) {}, ""},
		{"no run", func(e *evidence) { delete(e.runs, 2) }, "the history has no such run"},
		{"another job", func(e *evidence) { e.sessions[0].job = "tock" }, "the history has the run for job tick"},
		{"another scheduled time", func(e *evidence) { e.sessions[0].at = "" }, "the history has the run for job tick"},
		{"a host without a row", func(e *evidence) { delete(e.runs[1].hosts, "b") }, "does not say that it was begun there"},
		{"begun in secret", func(e *evidence) { e.runs[1].hosts["a"] = result(fanout.Skipped, false) }, "does not say that it was begun there"},
		{"a false ok", func(e *evidence) { e.sessions[0].ok = false }, "ok in the history, and it was not"},
		{"an ok of nothing", func(e *evidence) { e.sessions = e.sessions[1:] }, "the host knows nothing of it"},
		{"twice in a run", func(e *evidence) { e.sessions = append(e.sessions, e.sessions[0]) }, ": twice"},
		{"twice for a scheduled time", func(e *evidence) { e.again(0) }, "was run there already, by run 1"},
		{"a repetition", func(e *evidence) {
			e.interrupt(1, "a", fanout.Lost)
			e.again(1)
		}, ""},
		{"a repetition of what is known", func(e *evidence) {
			e.interrupt(1, "b", fanout.Lost)
			e.again(1)
		}, "repeats run 1, which was interrupted and ok there"},
		{"a repetition of a whole run", func(e *evidence) { e.again(1) }, "repeats run 1, which was finished"},
		{"still waiting", func(e *evidence) { e.firings[0].Decision = scheduler.Queued }, "firing 1 of job tick still waits"},
		{"run, and no run", func(e *evidence) { e.firings[0].RunID = 0 }, "firing 1 of job tick: run, and its run is 0"},
		{"skipped, and a run", func(e *evidence) { e.firings[0].Decision = scheduler.Skipped }, "skipped, and its run is 1"},
		{"two firings, one run", func(e *evidence) { e.firings[2].RunID = 1 }, "run 1 is of the firings 1 and 3"},
		{"caught up, and left out", func(e *evidence) {
			f := store.FiringRow{ID: 4, Job: "tick", JobID: 1, Decision: scheduler.Skipped, CaughtUp: true}
			f.Reason = scheduler.OverlapSkip.Decide(1, 0, 1).Reason
			e.firings = append(e.firings, f)
		}, "firing 4 of job tick is caught up, and was skipped: an earlier firing is running"},
		{"no end", func(e *evidence) {
			r := e.runs[2]
			r.State = store.Running
			e.runs[2] = r
		}, "run 2 has not ended"},
		{"overlap", func(e *evidence) { e.sessions[0].ended = e.sessions[2].started.Add(time.Second) }, "2 at once under overlap skip"},
		{"overlap with what was cut off", func(e *evidence) {
			e.interrupt(1, "a", fanout.Lost)
			e.sessions[0].ended = e.sessions[2].started.Add(time.Second)
		}, ""},
		{"overlap that is allowed", func(e *evidence) {
			e.jobs[0].Overlap = scheduler.OverlapAllow
			e.sessions[0].ended = e.sessions[2].started.Add(time.Second)
		}, ""},
		{"a scheduled time that vanished", func(e *evidence) { e.firings[1].Missed.Last = e.firings[1].Missed.First }, "nothing has become of 2026-11-21T10:03:00Z"},
		{"a scheduled time too many", func(e *evidence) {
			e.firings[1].Missed, e.firings[1].ScheduledAt = scheduler.Gap{}, e.jobs[0].since.Add(90*time.Second)
			e.jobs[0].Cursor = e.jobs[0].since
		}, "2026-11-21T10:01:30Z is no scheduled time"},
		{"a schedule that was changed", func(e *evidence) {
			e.firings[1].Missed.Last = e.firings[1].Missed.First
			e.jobs[0].steady = false
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := innocent()
			test.do(e)
			got := e.judge()
			found := slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, test.want) })
			if test.want == "" && len(got) > 0 || test.want != "" && !found {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestUndo: what a move could not undo while the history was locked is undone once, when
// it is not.
func TestUndo(t *testing.T) {
	n := &nemesis{}
	paused, locked := true, true
	half := func() error {
		if locked {
			return fmt.Errorf("resume: %w", store.ErrBusy)
		}
		paused = false
		return nil
	}
	if err := n.undoing(half); !errors.Is(err, store.ErrBusy) || !paused {
		t.Fatalf("got %v, paused %t", err, paused)
	}
	locked = false
	if err := n.undo(); err != nil || paused || n.undoing(half) != nil || len(n.halves) > 0 {
		t.Errorf("got %v, paused %t, %d halves left", err, paused, len(n.halves))
	}
}
