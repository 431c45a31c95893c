package scheduler

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tutti/fanout"
)

// decideAt decides firings of these minutes past noon.
func decideAt(change func(*Decisions), minutes ...int) func(JobState, Moment) (Transition, error) {
	return func(s JobState, at Moment) (Transition, error) {
		d := Decisions{Job: s.StoredJob, Cursor: clock(60)}
		for _, m := range minutes {
			d.Firings = append(d.Firings, Firing{ScheduledTime: ScheduledTime{At: clock(m)}, Due: clock(m)})
		}
		if change != nil {
			change(&d)
		}
		return s.Decide(d, at)
	}
}

func TestRuleDecide(t *testing.T) {
	busy := runs(1, 1, runRunning)
	unbegun := firing(1, Run, daemon(1))
	// The clock was set back behind a scheduled time.
	ahead := func(minute int) func(*JobState) {
		return func(s *JobState) { s.Ahead = []Span{{clock(minute - 1), clock(minute)}} }
	}
	caughtUp := func(d *Decisions) { d.CaughtUp, d.Firings = d.Firings, nil }
	missed := func(count int) func(*Decisions) {
		return func(d *Decisions) {
			d.Missed, d.MissedReason = Gap{Count: count, First: clock(10), Last: clock(20)}, MissedDeadline
		}
	}
	checkRules(t, []ruleCase{
		{"another version", stateOf(), decideAt(func(d *Decisions) { d.Job.Version = 2 }, 5), "", ErrConflict},
		{"another cursor", stateOf(), decideAt(func(d *Decisions) { d.Job.Cursor = clock(1) }, 5), "", ErrConflict},
		{"a cursor as the history has it", stateOf(), decideAt(func(d *Decisions) { d.Job.Cursor = clock(0).Add(time.Microsecond) }), "", nil},
		{"removed", stateOf(func(s *JobState) { s.Removed = true }), decideAt(nil, 5), "", ErrConflict},
		{"nothing runs", stateOf(), decideAt(nil, 5, 10), `
			firing 11 run
			firing 12 skipped (an earlier firing is running) settled
			assignment 11 run
			assignment 12 skipped`, nil},
		{"known, or twice", stateOf(overlap(OverlapAllow), ahead(50)), decideAt(nil, 5, 50, 5), `
			firing 11 run
			assignment 11 run`, nil},
		{"skip", stateOf(busy), decideAt(nil, 5), `
			firing 11 skipped (an earlier firing is running) settled
			assignment 11 skipped`, nil},
		{"queue", stateOf(busy, overlap(OverlapQueue)), decideAt(nil, 5, 10), `
			firing 11 queued (an earlier firing is running) waited
			firing 12 skipped (another firing is already queued) settled
			assignment 11 queued
			assignment 12 skipped`, nil},
		{"allow", stateOf(busy, overlap(OverlapAllow)), decideAt(nil, 5, 10), `
			firing 11 run
			firing 12 skipped (max_running reached) settled
			assignment 11 run
			assignment 12 skipped`, nil},
		{"replace", stateOf(busy, overlap(OverlapReplace)), decideAt(nil, 5), `
			firing 11 queued (an earlier firing is being stopped) waited
			stop 1 by job job for 11
			assignment 11 queued`, nil},
		{"replace what has not begun", stateOf(unbegun, overlap(OverlapReplace)), decideAt(nil, 5, 10), `
			firing 1 skipped (replaced by a later firing) daemon 1 settled
			firing 11 skipped (replaced by a later firing) settled
			firing 12 run
			assignment 11 skipped
			assignment 12 run`, nil},
		{"what has ended is in no one's way", stateOf(runs(1, 1, runFinished, ends(2, 0, 0)), firing(2, Failed)), decideAt(nil, 5), `
			firing 11 run
			assignment 11 run`, nil},
		{"a run that was deleted is in no one's way", stateOf(busy, deleted), decideAt(nil, 5), `
			firing 11 run
			assignment 11 run`, nil},
		{"caught up", stateOf(overlap(OverlapReplace)), decideAt(caughtUp, 5, 10), `
			firing 11 run
			firing 12 queued (caught up after an earlier one) waited
			assignment 11 run
			assignment 12 queued`, nil},
		{"missed", stateOf(failing(2), ahead(10)), decideAt(missed(3)), `
			firing 11 missed (later than grace and catch_up allow) missed 2 settled
			message missed of 11, failures 2, missed 2, run 0`, nil},
		{"missed and known", stateOf(ahead(10)), decideAt(missed(1)), "", nil},
		{"missed and decided", stateOf(ahead(10)), decideAt(missed(3), 15), `
			firing 11 run
			firing 12 missed (later than grace and catch_up allow) missed 1 settled
			message missed of 12, failures 0, missed 1, run 0
			assignment 11 run`, nil},
		{"missed, and not notified", stateOf(ahead(10), func(s *JobState) { s.Notify.On = nil }), decideAt(missed(3)), `
			firing 11 missed (later than grace and catch_up allow) missed 2 settled`, nil},
	})
	alarmed := decideAt(func(d *Decisions) { d.Alarm = "the clock" })
	got, err := alarmed(stateOf(), Moment{Now: clock(1)})
	if err != nil || !got.Next.Cursor.Equal(clock(60)) || got.Next.Alarm != "the clock" {
		t.Errorf("got %+v, %v, want the cursor and the alarm", got.Next.StoredJob, err)
	}
	if again, err := decideAt(func(d *Decisions) { d.Job = got.Next.StoredJob })(got.Next, Moment{Now: clock(2)}); err != nil || again.Next.Alarm != "the clock" {
		t.Errorf("got %q, %v, want the alarm to stay", again.Next.Alarm, err)
	}
}

func TestRuleRequest(t *testing.T) {
	request := func(s JobState, at Moment) (Transition, error) { return s.Request("ann", 4, at), nil }
	checkRules(t, []ruleCase{
		{"nothing runs, and the job is paused", stateOf(func(s *JobState) { s.Paused = true }), request, `
			firing 11 run daemon 4
			assignment 11 run`, nil},
		{"one runs", stateOf(runs(1, 1, runRunning)), request, `
			firing 11 skipped (an earlier firing is running) daemon 4 settled
			assignment 11 skipped`, nil},
	})
}

// claimAs claims as daemon 2, which knows of firing 5; daemon 3 is alive, and 4 was a
// process that requested a firing.
func claimAs(s JobState, at Moment) (Transition, error) {
	return s.Claim(Claimant{
		ID: 2, Has: func(id int64) bool { return id == 5 },
		Alive: func(id int64) bool { return id == 3 },
	}, at), nil
}

func attached(f *FiringRecord) { f.Attached = true }

func TestRuleClaim(t *testing.T) {
	const taken = `
		firing 1 run daemon 2
		assignment 1 run`
	const waited = `
		firing 1 run daemon 2 waited
		assignment 1 run`
	replace := overlap(OverlapReplace)
	gone := func(s *JobState) { s.StoredJob, s.Removed = StoredJob{Job: Job{Name: "job"}, ID: 7}, true }
	old := decidedAt(clock(1).Add(-freshTime - 1))
	checkRules(t, []ruleCase{
		{"new", stateOf(firing(1, Run)), claimAs, taken, nil},
		{"of a daemon that ended", stateOf(firing(1, Run, daemon(1))), claimAs, taken, nil},
		{"of a daemon that is alive", stateOf(firing(1, Run, daemon(3))), claimAs, "", nil},
		{"its own", stateOf(firing(5, Run, daemon(2))), claimAs, "", nil},
		{"its own, of which it does not know", stateOf(firing(1, Run, daemon(2))), claimAs, taken, nil},
		{"of a requester that is gone", stateOf(firing(1, Run, daemon(4), manual("ann"), attached)), claimAs, `
			firing 1 skipped (the process that requested it is gone) daemon 4 settled
			assignment 1 skipped`, nil},
		{"begun, failed", stateOf(runs(1, 1, runRunning), firing(2, Failed)), claimAs, "", nil},
		{"of a job that was removed", stateOf(firing(1, Run), gone), claimAs, `
			firing 1 skipped (the job was removed) settled
			assignment 1 skipped`, nil},
		{"of a job that cannot be read", stateOf(firing(1, Run), func(s *JobState) { s.Broken = errors.New("no JSON") }), claimAs, `
			firing 1 failed (no JSON)
			assignment 1 failed`, nil},
		{"of a job that is paused", stateOf(firing(1, Run), firing(2, Run, manual("ann")), func(s *JobState) { s.Paused = true }), claimAs, `
			firing 1 skipped (the job was paused) settled
			firing 2 run daemon 2
			assignment 1 skipped
			assignment 2 run`, nil},
		{"requested too long ago", stateOf(firing(1, Run, manual("ann"), old)), claimAs, `
			firing 1 missed (not started within a day) settled
			message missed of 1, failures 0, missed 1, run 0
			assignment 1 missed`, nil},
		{"decided long ago, and nothing to wait for", stateOf(firing(1, Run, old)), claimAs, taken, nil},
		{"queued, and one runs", stateOf(runs(1, 1, runRunning), firing(2, Queued)), claimAs, "", nil},
		{"queued, and it has ended", stateOf(runs(9, 1, runFinished, ends(2, 0, 0)), firing(1, Queued)), claimAs, waited, nil},
		{"two are queued", stateOf(firing(1, Queued), firing(2, Queued)), claimAs, waited, nil},
		{"two are queued and allowed", stateOf(firing(1, Queued), firing(2, Queued), firing(3, Queued), overlap(OverlapAllow)), claimAs, `
			firing 1 run daemon 2 waited
			firing 2 run daemon 2 waited
			assignment 1 run
			assignment 2 run`, nil},
		{"the replaced one runs", stateOf(runs(1, 1, runRunning, replacedBy(2)), firing(2, Queued), replace), claimAs, "", nil},
		{"the replaced one runs for too long", stateOf(runs(1, 1, runRunning, replacedBy(2)), firing(2, Queued, decidedAt(clock(0).Add(-1))), replace), claimAs, `
			firing 2 skipped (the end of the earlier firing is not confirmed) waited settled
			assignment 2 skipped`, nil},
		{"the replaced one has ended", stateOf(runs(9, 1, runFinished, replacedBy(1)), firing(1, Queued), replace), claimAs, waited, nil},
		{"the replaced one has ended without proof", stateOf(runs(9, 1, runFinished, replacedBy(1), func(r *testRun) { r.Unproved = true }), firing(1, Queued), replace), claimAs, `
			firing 1 skipped (the end of the earlier firing is not confirmed) waited settled
			assignment 1 skipped`, nil},
	})
}

func TestRuleTakeBeginFail(t *testing.T) {
	take := func(id int64) func(JobState, Moment) (Transition, error) {
		return func(s JobState, at Moment) (Transition, error) { return s.Take(id, 4, at) }
	}
	begin := func(by int64) func(JobState, Moment) (Transition, error) {
		return func(s JobState, at Moment) (Transition, error) { return s.Begin(1, 9, by, at) }
	}
	fail := func(by int64, d Decision) func(JobState, Moment) (Transition, error) {
		return func(s JobState, at Moment) (Transition, error) { return s.Fail(1, by, d, "why", at) }
	}
	claimed := stateOf(firing(1, Run, daemon(1)))
	begun := stateOf(runs(1, 1, runRunning))
	checkRules(t, []ruleCase{
		{"take from a daemon", claimed, take(1), `
			firing 1 run daemon 4
			assignment 1 run`, nil},
		{"take what waits", stateOf(runs(1, 1, runRunning), firing(2, Queued, manual("ann"))), take(2), `
			firing 2 queued daemon 4 waited
			assignment 2 queued`, nil},
		{"take again what waits", stateOf(runs(1, 1, runRunning), firing(2, Queued, manual("ann"), daemon(4), attached)), take(2), "assignment 2 queued", nil},
		{"take what has failed", stateOf(firing(1, Failed)), take(1), "assignment 1 failed", nil},
		{"take what has begun", begun, take(1), "", ErrTaken},
		{"take what is settled", begun, take(3), "", ErrTaken},
		{"begin", claimed, begin(1), "firing 1 run run 9 daemon 1", nil},
		{"begin what another has", claimed, begin(2), "", ErrTaken},
		{"begin again", begun, begin(1), "", ErrTaken},
		{"begin what waits", stateOf(firing(1, Queued, daemon(1))), begin(1), "", ErrTaken},
		{"begin what is closed", stateOf(), begin(1), "", ErrTaken},
		{"fail", claimed, fail(1, Failed), "firing 1 failed (why) daemon 1", nil},
		{"refuse", claimed, fail(1, Refused), "firing 1 refused (why) daemon 1", nil},
		{"refuse again", stateOf(firing(1, Refused, daemon(1))), fail(1, Refused), "", ErrConflict},
		{"skip", claimed, fail(1, Skipped), "firing 1 skipped (why) daemon 1 settled", nil},
		{"miss", claimed, fail(1, Missed), `
			firing 1 missed (why) daemon 1 settled
			message missed of 1, failures 0, missed 1, run 0`, nil},
		{"fail what another has", claimed, fail(2, Failed), "", ErrConflict},
		{"fail what has begun", begun, fail(1, Failed), "", ErrConflict},
		{"fail again", stateOf(firing(1, Failed, daemon(1))), fail(1, Failed), "", ErrConflict},
	})
}

func settleOf(s JobState, at Moment) (Transition, error) { return s.Settle(at), nil }

func TestRuleSettle(t *testing.T) {
	requested := func(by int64) func(*JobState) {
		return func(s *JobState) {
			s.Open[0].RequestedBy, s.Open[0].At, s.Open[0].Daemon, s.Open[0].Attached = "ann", time.Time{}, by, by == 4
		}
	}
	stopped := func(why fanout.Stopped, change ...func(*testRun)) func(*JobState) {
		return runs(1, 1, runFinished, append(change, ends(1, 0, 0), cut(why))...)
	}
	lost := runs(1, 1, runInterrupted, ends(1, 0, 1))
	const stop = `
			ending 1 run 1 ok=false on_request=true cut=false failures=2`
	const cutOff = `
			firing 1 run run 1 daemon 1 settled%s
			message failure of 1, failures 1, missed 0, run 1
			ending 1 run 1 ok=false on_request=false cut=true failures=1`
	repeated := fmt.Sprintf(cutOff, "\n\t\t\tfiring 11 run repeats 1")
	alone := fmt.Sprintf(cutOff, "")
	checkRules(t, []ruleCase{
		{"nothing has ended", stateOf(runs(1, 1, runRunning), firing(2, Run), firing(3, Queued)), settleOf, "", nil},
		{"ok", stateOf(runs(1, 1, runFinished, ends(2, 0, 0))), settleOf, `
			firing 1 run run 1 daemon 1 settled
			ending 1 run 1 ok=true on_request=false cut=false failures=0`, nil},
		{"ok again", stateOf(runs(1, 1, runFinished, ends(2, 0, 0)), failing(3)), settleOf, `
			firing 1 run run 1 daemon 1 settled
			message recovery of 1, failures 3, missed 0, run 1
			ending 1 run 1 ok=true on_request=false cut=false failures=0`, nil},
		{"not ok", stateOf(runs(1, 1, runFinished, ends(1, 1, 0))), settleOf, `
			firing 1 run run 1 daemon 1 settled
			message failure of 1, failures 1, missed 0, run 1
			ending 1 run 1 ok=false on_request=false cut=false failures=1`, nil},
		{"not ok again", stateOf(runs(1, 1, runFinished, ends(1, 1, 0)), failing(2)), settleOf, `
			firing 1 run run 1 daemon 1 settled
			ending 1 run 1 ok=false on_request=false cut=false failures=3`, nil},
		{"not begun", stateOf(firing(1, Failed, func(f *FiringRecord) { f.Reason = "no host" })), settleOf, `
			firing 1 failed (no host) settled
			message failure of 1, failures 1, missed 0, run 0
			ending 1 run 0 ok=false on_request=false cut=false failures=1`, nil},
		{"refused", stateOf(firing(1, Refused, func(f *FiringRecord) { f.Reason = "outside the scope" })), settleOf, `
			firing 1 refused (outside the scope) settled
			message failure of 1, failures 1, missed 0, run 0
			ending 1 run 0 ok=false on_request=false cut=false failures=1`, nil},
		{"in the order in which they ended", stateOf(runs(1, 1, runFinished, ends(2, 0, 0), func(r *testRun) { r.Summary.Ended = clock(3) }), runs(2, 2, runFinished, ends(0, 2, 0))), settleOf, `
			firing 1 run run 1 daemon 1 settled
			firing 2 run run 2 daemon 1 settled
			message failure of 2, failures 1, missed 0, run 2
			message recovery of 1, failures 1, missed 0, run 1
			ending 2 run 2 ok=false on_request=false cut=false failures=1
			ending 1 run 1 ok=true on_request=false cut=false failures=0`, nil},
		{"a run that was deleted", stateOf(lost, deleted), settleOf, `
			firing 1 run run 1 daemon 1 settled`, nil},
		{"a job that was removed", stateOf(runs(1, 1, runFinished, ends(1, 1, 0)), func(s *JobState) { s.Removed = true }), settleOf, `
			firing 1 run run 1 daemon 1 settled
			ending 1 run 1 ok=false on_request=false cut=false failures=0`, nil},
		{"killed", stateOf(stopped(fanout.StoppedKill, killedBy("bob")), failing(2)), settleOf, `
			firing 1 run (killed by bob) run 1 daemon 1 settled` + stop, nil},
		{"killed, and ok nevertheless", stateOf(runs(1, 1, runFinished, ends(2, 0, 0), cut(fanout.StoppedKill), killedBy("bob"))), settleOf, `
			firing 1 run run 1 daemon 1 settled
			ending 1 run 1 ok=true on_request=false cut=false failures=0`, nil},
		{"replaced", stateOf(stopped(fanout.StoppedKill, replacedBy(2)), failing(2)), settleOf, `
			firing 1 run (replaced by the firing of 12:05:00 UTC) run 1 daemon 1 settled` + stop, nil},
		{"replaced by one that was deleted", stateOf(stopped(fanout.StoppedKill, killedBy("job job")), failing(2)), settleOf, `
			firing 1 run (replaced by a later firing) run 1 daemon 1 settled` + stop, nil},
		{"the daemon was stopped", stateOf(stopped(fanout.StoppedSignal), failing(2)), settleOf, `
			firing 1 run (the daemon was stopped) run 1 daemon 1 settled` + stop, nil},
		{"the requester was stopped", stateOf(stopped(fanout.StoppedSink), requested(4), failing(2)), settleOf, `
			firing 1 run (interrupted by ann) run 1 daemon 4 settled` + stop, nil},
		{"the daemon of a requester was stopped", stateOf(stopped(fanout.StoppedSignal), requested(1), failing(2)), settleOf, `
			firing 1 run (the daemon was stopped) run 1 daemon 1 settled` + stop, nil},
		{"cut off", stateOf(lost), settleOf, alone, nil},
		{"cut off, and repeated", stateOf(lost, idempotent), settleOf, repeated, nil},
		{"cut off, and every host had ended", stateOf(runs(1, 1, runInterrupted, ends(1, 1, 0)), idempotent), settleOf, alone, nil},
		{"cut off, and was to be stopped", stateOf(runs(1, 1, runInterrupted, ends(1, 0, 1), killedBy("bob")), idempotent), settleOf, alone, nil},
		{"cut off, and paused", stateOf(lost, idempotent, func(s *JobState) { s.Paused = true }), settleOf, alone, nil},
		{"cut off too long ago", stateOf(lost, idempotent, func(s *JobState) { s.Open[0].Due = clock(1).Add(-5*time.Minute - 1) }), settleOf, alone, nil},
		{
			"cut off, and a newer one runs", stateOf(lost, runs(2, 2, runRunning), idempotent), settleOf,
			fmt.Sprintf(cutOff, "\n\t\t\tfiring 11 skipped (an earlier firing is running) repeats 1 settled"), nil,
		},
		{"cut off, and a newer one is not stopped for it", stateOf(lost, runs(2, 2, runRunning), idempotent, overlap(OverlapReplace)), settleOf, alone, nil},
	})
}

func TestRuleEnd(t *testing.T) {
	end := func(run int64, unproved bool) func(JobState, Moment) (Transition, error) {
		return func(s JobState, at Moment) (Transition, error) {
			return s.End(Ended{Run: run, State: runFinished, Unproved: unproved}, at)
		}
	}
	replaced := stateOf(runs(1, 1, runRunning, replacedBy(2)), firing(2, Queued), overlap(OverlapReplace))
	checkRules(t, []ruleCase{
		{"a run", stateOf(runs(1, 1, runRunning)), end(1, true), "firing 1 run run 1 daemon 1", nil},
		{"known already", stateOf(runs(1, 1, runFinished)), end(1, false), "", ErrConflict},
		{"not of the job", stateOf(runs(1, 1, runRunning)), end(2, false), "", ErrConflict},
		{"replaced", replaced, end(1, false), "firing 1 run run 1 daemon 1", nil},
		{"replaced, without proof", replaced, end(1, true), `
			firing 1 run run 1 daemon 1
			firing 2 queued waited`, nil},
	})
	// A missing proof is remembered after the end was settled.
	s := replaced
	for _, rule := range []Rule{end(1, true), settleOf} {
		next, err := rule(s, Moment{Now: clock(1), NextID: 11})
		if err != nil {
			t.Fatal(err)
		}
		s = next.Next
	}
	checkRules(t, []ruleCase{{"claimed then", s, claimAs, `
		firing 2 skipped (the end of the earlier firing is not confirmed) waited settled
		assignment 2 skipped`, nil}})
}

func TestRuleKillRun(t *testing.T) {
	kill := func(s JobState, at Moment) (Transition, error) { return s.KillRun(Stop{Run: 1, By: "ann"}, at) }
	checkRules(t, []ruleCase{
		{"it runs", stateOf(runs(1, 1, runRunning), runs(2, 2, runRunning)), kill, "stop 1 by ann for 0", nil},
		{"it has finished", stateOf(runs(1, 1, runFinished), runs(2, 2, runRunning)), kill, "", ErrConflict},
	})
}

// After the clock was set back, even twice, exactly the decided times are known.
func TestRuleClockPutBack(t *testing.T) {
	s := stateOf(overlap(OverlapAllow), func(s *JobState) { s.MaxRunning = 100 })
	move := func(to int, decided ...int) (ids []int64) {
		t.Helper()
		rule := decideAt(func(d *Decisions) { d.Cursor = clock(to) }, decided...)
		next, err := rule(s, Moment{Now: clock(to), NextID: int64(len(s.Open) + 1)})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range next.Assignments {
			ids = append(ids, int64(x.Firing.At.Sub(clock(0)).Minutes()))
		}
		s = next.Next
		return ids
	}
	for i, step := range []struct {
		to            int
		decided, want []int
	}{
		{20, []int{5, 10, 15, 20}, []int{5, 10, 15, 20}},
		{-30, nil, nil}, // back
		{-20, []int{-25, -20}, []int{-25, -20}},
		{-60, nil, nil}, // back again
		{-10, []int{-30, -25, -20, -15, -10}, []int{-30, -15, -10}},
		{25, []int{-5, 0, 5, 10, 15, 20, 25}, []int{-5, 0, 25}},
	} {
		got := move(step.to, step.decided...)
		if fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
	}
	if len(s.Ahead) > 0 || !s.Since.Equal(clock(-60)) {
		t.Errorf("got %v since %s, want one span of decided times", s.Ahead, s.Since)
	}
}

// An ended firing counts before it is settled, and from the time of its end.
func TestRuleCountEnded(t *testing.T) {
	s := stateOf(runs(1, 1, runFinished, ends(1, 1, 0)), firing(2, Failed, decidedAt(clock(1))), runs(3, 3, runRunning),
		runs(4, 4, runFinished, cut(fanout.StoppedKill), killedBy("bob")), firing(5, Run, func(f *FiringRecord) { f.Run, f.Ended = 5, &Ended{Run: 5} }))
	got := s.CountEnded()
	if want := (ConsecutiveFailures{2, clock(0).Add(time.Second)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRuleKillAndRemove(t *testing.T) {
	busy := stateOf(runs(1, 1, runRunning), runs(2, 2, runRunning, killedBy("bob")), runs(3, 3, runFinished), firing(4, Run, daemon(1)), firing(5, Queued))
	checkRules(t, []ruleCase{
		{"kill", busy, func(s JobState, at Moment) (Transition, error) { return s.Kill(Stop{By: "ann"}, at), nil }, `
			firing 4 skipped (killed by ann) daemon 1 settled
			firing 5 skipped (killed by ann) waited settled
			stop 1 by ann for 0
			stop 2 by ann for 0`, nil},
		{"remove", busy, func(s JobState, at Moment) (Transition, error) { return s.Remove("ann", at), nil }, `
			firing 4 skipped (the job was removed) daemon 1 settled
			firing 5 skipped (the job was removed) waited settled`, nil},
	})
	killed := busy.Kill(Stop{By: "ann"}, Moment{Now: clock(1)})
	if got := killed.Next.Open; got[0].Stop.By != "ann" || got[1].Stop.By != "bob" || got[2].Stop.By != "" {
		t.Errorf("got %+v, want who asked first, of those that run", got)
	}
	halted := busy.Kill(Stop{By: "ann", Halt: true}, Moment{Now: clock(1)})
	if got := halted.Next.Open; !got[0].Stop.Halt || got[0].Stop.By != "ann" || got[1].Stop.Halt || got[1].Stop.By != "bob" || len(halted.Firings) != 2 {
		t.Errorf("got %+v, want the first halted, and the second stopped as before", got)
	}
	removed := busy.Remove("ann", Moment{Now: clock(1)}).Next
	if !removed.Removed || removed.Version != 2 || removed.UpdatedBy != "ann" || len(removed.Open) != 3 {
		t.Errorf("got %+v, want what runs to go on", removed)
	}
}

// The first request is in force, unless a later one stops the commands of a run that was
// halted.
func TestStopThen(t *testing.T) {
	end := func(by string, n int) Stop { return Stop{Run: 1, By: by, At: clock(n)} }
	halt := func(by string, n int) Stop { return Stop{Run: 1, By: by, At: clock(n), Halt: true} }
	for _, tt := range []struct{ first, next, want Stop }{
		{Stop{}, end("ann", 1), end("ann", 1)},
		{Stop{}, halt("ann", 1), halt("ann", 1)},
		{end("ann", 1), end("bob", 2), end("ann", 1)},
		{end("ann", 1), halt("bob", 2), end("ann", 1)},
		{halt("ann", 1), halt("bob", 2), halt("ann", 1)},
		{halt("ann", 1), end("bob", 2), end("bob", 2)},
	} {
		if got := tt.first.Then(tt.next); got != tt.want {
			t.Errorf("%+v, then %+v: got %+v, want %+v", tt.first, tt.next, got, tt.want)
		}
	}
}

func TestRuleEdit(t *testing.T) {
	paused := func(s *JobState) { s.Paused = true }
	edit := func(now time.Time, change func(*Job)) func(JobState, Moment) (Transition, error) {
		return func(s JobState, at Moment) (Transition, error) {
			next := s.Job
			change(&next)
			return s.Edit(next, s.Leave(&next, now), "ann", at)
		}
	}
	checkRules(t, []ruleCase{
		{"another command", stateOf(), edit(clock(21), func(j *Job) { j.Command = "df" }), "", nil},
		{"another schedule", stateOf(), edit(clock(21), func(j *Job) { j.Schedules = []string{"@hourly"} }), "firing 11 missed (the job was changed) missed 4 settled", nil},
		{"nothing has passed", stateOf(), edit(clock(0), func(j *Job) { j.Schedules = []string{"@hourly"} }), "", nil},
		{"resumed", stateOf(paused), edit(clock(21), func(j *Job) { j.Paused = false }), "firing 11 missed (the job was paused) missed 4 settled", nil},
		{"paused", stateOf(), edit(clock(21), func(j *Job) { j.Paused = true }), "", nil},
		{"it has moved on", stateOf(), func(s JobState, at Moment) (Transition, error) {
			left := s.Leave(&s.Job, clock(1))
			left.Job.Cursor = clock(1)
			return s.Edit(s.Job, left, "ann", at)
		}, "", ErrConflict},
	})
	s := stateOf(paused, func(s *JobState) { s.Alarm = "the clock" })
	got, err := edit(clock(21), func(j *Job) { j.Paused = false })(s, Moment{Now: clock(21), NextID: 1})
	if k := got.Next.StoredJob; err != nil || k.Version != 2 || k.Alarm != "" || !k.Cursor.Equal(clock(21)) || k.Paused || k.UpdatedBy != "ann" {
		t.Errorf("got %+v, %v, want the next version, at now", k, err)
	}
}

// A repetition has the scheduled time of the run that it repeats, in its assignment as
// in the history.
func TestRuleMessage(t *testing.T) {
	code := 1
	s := stateOf(runs(1, 2, runFinished, ends(1, 1, 0), func(r *testRun) {
		r.ExitCode, r.Selector, r.Command = &code, "web", "true"
	}), func(s *JobState) {
		s.Open[0].At, s.Open[0].Repeats, s.Open[0].Due = time.Time{}, 1, clock(0).Add(time.Microsecond)
		s.Open[0].RepeatsAt = clock(-5)
	})
	got, _ := settleOf(s, Moment{Now: clock(1)})
	if len(got.Messages) != 1 || len(got.Completions) != 1 {
		t.Fatalf("got %+v, want a message and an ending", got)
	}
	at, due, started, ended := clock(-5), clock(0), clock(0), clock(0).Add(time.Second)
	want := Message{
		Schema: 1, Type: "failure", Time: ended, Job: "job", Firing: 1, Decision: "run", ScheduledAt: &at, DueAt: &due,
		Run: 2, State: "finished", Stopped: "none", ExitCode: &code, StartedAt: &started, EndedAt: &ended, DurationMS: 1000,
		Selector: "web", Command: "true", Hosts: 2, Counts: map[string]int{"ok": 1, "failed": 1}, Failures: 1,
	}
	if !reflect.DeepEqual(got.Messages[0], want) {
		t.Errorf("got\n%+v, want\n%+v", got.Messages[0], want)
	}
	if e := got.Completions[0]; !e.Firing.At.Equal(at) || e.Repeats != 1 || !got.Firings[0].At.IsZero() {
		t.Errorf("got %+v, want the scheduled time that is repeated", e.Assignment)
	}
}
