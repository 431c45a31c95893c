package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
)

// An auditedChange is a change of runs or jobs of which the audit has to tell.
type auditedChange struct {
	action string
	// entry returns, once it is made, the object and outcome that the engine gives its
	// entry.
	entry func() string
	do    func(ctx context.Context) error
	// done reports whether the history has the change.
	done func() bool
}

// auditedChanges are one change of each kind; each can be made once.
func (b *bed) auditedChanges() []auditedChange {
	b.Helper()
	submitted, low, stopped := b.submit(submission(0)), b.submit(submission(0)), b.submit(submission(0))
	w := b.join()
	claimed := w.claimQueued(1)
	if len(claimed) != 1 || claimed[0].Run.ID != submitted {
		b.Fatalf("got %+v, want run %d", claimed, submitted)
	}
	running, err := b.Begin(b.Context(), plan("cli", 1), store.RunInfo{User: "ann"})
	b.must(err)
	b.Cleanup(func() { _ = running.Close() }) // nothing ran
	ended := b.ended()
	b.ended() // for prune
	job := b.add("backup").State.ID
	ofJob := w.begin(job, 1)
	b.Cleanup(func() { _ = ofJob.Close() }) // nothing ran
	state := func(run int64) store.State { return b.byNumber(run).State }
	runs := func() []store.Run {
		all, err := b.Runs(b.Context(), store.Query{})
		b.must(err)
		return all
	}
	there := func(run int64) bool {
		return slices.ContainsFunc(runs(), func(r store.Run) bool { return r.ID == run })
	}
	before, count := 0, func() int { return len(runs()) }
	asked := func(run int64) bool {
		stops, err := b.Stops(b.Context(), []int64{run})
		b.must(err)
		return len(stops) > 0
	}
	runOf := func(run int64) string { return fmt.Sprintf("run:%d", run) }
	says := func(entry string) func() string { return func() string { return entry } }
	return []auditedChange{
		{"submit", func() string { return runOf(runs()[0].ID) + " done" }, func(ctx context.Context) error {
			_, err := b.Queue().Submit(ctx, submission(0))
			return err
		}, func() bool { return runs()[0].ID > ofJob.RunID() }}, // numbers may have gaps
		{"kill waiting", says(runOf(stopped) + " done"), func(ctx context.Context) error {
			return b.StopRun(ctx, scheduler.Stop{Run: stopped, By: "ann", At: minute(1)})
		}, func() bool { return state(stopped).Ended() }},
		{"kill running", says(runOf(running.RunID()) + " done"), func(ctx context.Context) error {
			return b.StopRun(ctx, scheduler.Stop{Run: running.RunID(), By: "ann", At: minute(1)})
		}, func() bool { return asked(running.RunID()) }},
		{"kill job", says("job:backup done"), func(ctx context.Context) error {
			_, err := b.KillRuns(ctx, store.KillRef{Job: "backup"}, "ann", minute(1))
			return err
		}, func() bool { return asked(ofJob.RunID()) }},
		{"move", says(runOf(low) + " done"), func(ctx context.Context) error {
			_, err := b.Queue().Move(ctx, low, 7)
			return err
		}, func() bool {
			waiting, err := b.Queue().Waiting(b.Context())
			b.must(err)
			return slices.ContainsFunc(waiting, func(x store.WaitingRun) bool { return x.Run.ID == low && x.Priority == 7 })
		}},
		{"refuse", says(runOf(submitted) + " done"), func(ctx context.Context) error {
			return b.Queue().Fail(ctx, claimed[0].QueueEntry, "the user is not valid", minute(1))
		}, func() bool { return state(submitted).Ended() }},
		{"delete", says(runOf(ended) + " done"), func(ctx context.Context) error { return b.Delete(ctx, ended) }, func() bool { return !there(ended) }},
		{"prune", says("history done"), func(ctx context.Context) error {
			before = count()
			_, err := b.Prune(ctx, store.Retention{Keep: time.Nanosecond})
			return err
		}, func() bool { return count() < before }},
		{"remove job", says("job:backup done"), func(ctx context.Context) error {
			return b.RemoveJob(ctx, "backup", 0, "ann", minute(2))
		}, func() bool {
			jobs, err := b.ListJobs(b.Context())
			b.must(err)
			return len(jobs) == 0
		}},
	}
}

// ended returns a run that has ended.
func (b *bed) ended() int64 {
	b.Helper()
	p := plan("cli", 1)
	r, err := b.Begin(b.Context(), p, store.RunInfo{User: "ann"})
	b.must(err)
	b.finish(r, p, 0)
	return r.RunID()
}

// audited is a context whose change is in the audit as that action.
func (b *bed) audited(action string) context.Context {
	return store.Audited(b.Context(), access.Entry{By: access.By{Actor: "ann", At: noon}, Action: action})
}

// entriesOf returns the objects and outcomes of the entries about an action.
func (b *bed) entriesOf(action string) (lines []string) {
	b.Helper()
	entries, err := b.Access().Audit(b.Context(), access.AuditQuery{Action: action})
	b.must(err)
	for _, e := range slices.Backward(entries) {
		lines = append(lines, e.Object+" "+string(e.Outcome))
	}
	return lines
}

// A change and its entry in the audit are written together; a change that is refused, or
// changes nothing, has none.
func testAuditedRuns(t *testing.T, b *bed) {
	for _, x := range b.auditedChanges() {
		if err := x.do(b.audited(x.action)); err != nil || !x.done() {
			t.Errorf("%s: got %v, done: %t", x.action, err, x.done())
		}
		checkSaid(t, x.action, b.entriesOf(x.action), x.entry())
		if slices.Contains([]string{"submit", "move", "kill running", "kill job"}, x.action) {
			continue // they can be repeated
		}
		_ = x.do(b.audited(x.action)) // most are refused
		checkSaid(t, x.action+" again", b.entriesOf(x.action), x.entry())
	}
	// What the caller says stays.
	run := b.ended()
	e := access.Entry{By: access.By{Actor: "ann", At: noon}, Action: "said", Object: "x:1", Outcome: access.Failed, After: access.Details{"a": 1}.JSON()}
	b.must(b.Delete(store.Audited(t.Context(), e), run))
	entries, err := b.Access().Audit(t.Context(), access.AuditQuery{Action: "said"})
	if err != nil || len(entries) != 1 || entries[0].Object != "x:1" || entries[0].Outcome != access.Failed || string(entries[0].After) != `{"a":1}` {
		t.Errorf("got %+v, %v, want the entry as it was given", entries, err)
	}
}

// If the write of a change is cut off, the audit has its entry if and only if the history
// has the change.
func testAuditedCut(t *testing.T, b *bed, applied bool) {
	for _, x := range b.auditedChanges() {
		b.faults.Cut(b, b.Store, applied)
		if err := x.do(b.audited(x.action)); err == nil {
			t.Errorf("%s: got no error, want one", x.action)
		}
		var want []string
		if applied {
			want = append(want, x.entry())
		}
		if checkSaid(t, x.action, b.entriesOf(x.action), want...); x.done() != applied {
			t.Errorf("%s: done: %t, want %t", x.action, x.done(), applied)
		}
	}
}

// Nothing is changed whose entry cannot be written.
func testAuditBroken(t *testing.T, b *bed) {
	changes := b.auditedChanges()
	mend := b.faults.BreakAudit(b, b.Store)
	for _, x := range changes {
		if err := x.do(b.audited(x.action)); err == nil || x.done() {
			t.Errorf("%s: got %v, done: %t, want an error and no change", x.action, err, x.done())
		}
	}
	mend()
	for _, x := range changes {
		if err := x.do(b.audited(x.action)); err != nil || !x.done() {
			t.Errorf("%s: got %v, done: %t", x.action, err, x.done())
		}
		checkSaid(t, x.action, b.entriesOf(x.action), x.entry())
	}
}
