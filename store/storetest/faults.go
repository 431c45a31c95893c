package storetest

import (
	"errors"
	"slices"
	"testing"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// Faults are the faults that an engine can inject. Tests of a nil fault are left out.
type Faults struct {
	// Cut makes the next write of a store fail as if its connection broke: before the
	// engine has it, or, if applied, when it is durable and only the answer is lost. No
	// other write of the store may be under way.
	Cut func(tb testing.TB, s store.Store, applied bool)
	// Lose makes a member lose its position in the changes: they were compacted, or the
	// connection that reports them broke.
	Lose func(tb testing.TB, d store.Daemon)
	// Evict ends a registration as other processes do that have not heard of the member
	// for too long.
	Evict func(tb testing.TB, s store.Store, d store.Daemon)
	// BreakAudit makes every entry of the audit fail to be written, until mend is called.
	BreakAudit func(tb testing.TB, s store.Store) (mend func())
}

func (f *Faults) tests() map[string]func(*testing.T, *bed) {
	tests := map[string]func(*testing.T, *bed){}
	if f.Cut != nil {
		for name, applied := range map[string]bool{"Refused": false, "Applied": true} {
			tests["Cut"+name] = func(t *testing.T, b *bed) { testCut(t, b, applied) }
			tests["QueueCut"+name] = func(t *testing.T, b *bed) { testQueueCut(t, b, applied) }
			tests["AuditedCut"+name] = func(t *testing.T, b *bed) { testAuditedCut(t, b, applied) }
		}
	}
	if f.BreakAudit != nil {
		tests["AuditBroken"] = testAuditBroken
	}
	if f.Lose != nil {
		tests["Gap"] = testGap
	}
	if f.Evict != nil {
		tests["Evicted"] = testEvicted
		tests["QueueDeaths"] = testQueueDeaths
		tests["QueueCutOff"] = testQueueCutOff
		tests["QueueMarkedAndCutOff"] = testQueueMarkedAndCutOff
		tests["QueueStoppedAndCutOff"] = testQueueStoppedAndCutOff
	}
	return tests
}

// It is unknown whether a write whose answer was lost was applied. A caller that loads
// the state and applies the rule again has applied it once in either case.
func testCut(t *testing.T, b *bed, applied bool) {
	w := b.join()
	cut := func(what string, s store.Store, do func() error) {
		t.Helper()
		b.faults.Cut(b, s, applied)
		if err := do(); err == nil || isNamed(err) {
			t.Errorf("%s: got %v, want an error that leaves it open", what, err)
		}
	}
	job := scheduler.NewJob("backup", "UTC")
	job.Schedules, job.Selector, job.Command = []string{"* * * * *"}, "web", "uptime"
	create := func() error {
		_, err := b.Create(t.Context(), job, "ann", noon)
		return err
	}
	cut("create", b.Store, create)
	if err := create(); errors.Is(err, scheduler.ErrConflict) != applied || err != nil && !applied {
		t.Errorf("create again: got %v, applied before: %t", err, applied)
	}
	found, err := b.Find(t.Context(), "backup")
	if err != nil || len(found) != 1 {
		t.Fatalf("got %+v, %v, want one job", found, err)
	}
	id := found[0].State.ID

	w.sync()
	k, decisions := w.load(id).State.StoredJob, func(k scheduler.StoredJob) []scheduler.Decisions {
		firing := scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: minute(1)}, Due: minute(1)}
		return []scheduler.Decisions{{Job: k, Firings: []scheduler.Firing{firing}, Cursor: minute(1)}}
	}
	cut("decide", w.Store, func() error {
		_, _, err := w.desk.Decide(t.Context(), minute(1), decisions(k))
		return err
	})
	_, errs, err := w.desk.Decide(t.Context(), minute(1), decisions(k))
	if b.must(err); errors.Is(errs[0], scheduler.ErrConflict) != applied || errs[0] != nil && !applied {
		t.Errorf("decide again: got %v, applied before: %t", errs[0], applied)
	}
	cut("claim", w.Store, func() error {
		w.sync()
		_, err := w.desk.Claim(t.Context(), w.Daemon, minute(1), func(id int64) bool { return w.has[id] })
		return err
	})
	assignments := w.claim(1)
	if len(assignments) != 1 || len(w.claim(1)) > 0 {
		t.Fatalf("got %+v, want the firing, once", assignments)
	}
	testCutRun(t, b, w, assignments[0], applied, cut)
}

// testCutRun goes on at the start of the firing. A run that may have been written and
// has no process is interrupted.
func testCutRun(t *testing.T, b *bed, w *worker, assignment scheduler.Assignment, applied bool, cut func(string, store.Store, func() error)) {
	begin := func() error {
		r, err := w.Begin(t.Context(), plan("job", 2), w.infoOf(assignment))
		if err == nil {
			b.must(w.Mark(t.Context(), scheduler.Claim{Run: r.RunID(), Firing: assignment.ID, Fence: w.Fence()}, []int{0}))
			b.must(r.Close())
		}
		return err
	}
	cut("begin", w.Store, begin)
	if err := begin(); errors.Is(err, store.ErrTaken) != applied || err != nil && !applied {
		t.Errorf("begin again: got %v, applied before: %t", err, applied)
	}
	runs, err := b.Runs(t.Context(), store.Query{})
	if err != nil || len(runs) != 1 {
		t.Fatalf("got %+v, %v, want one run", runs, err)
	}
	if _, err = b.Ends(t.Context(), []int64{runs[0].ID}); err != nil {
		t.Fatal(err)
	}
	cut("settle", w.Store, func() error {
		w.sync()
		_, err := w.desk.Settle(t.Context(), minute(2))
		return err
	})
	w.settle(2)
	if s := b.load(assignment.Job.ID).State; len(s.Open) > 0 || s.ConsecutiveFailures.Count != 1 {
		t.Errorf("got %+v, want one failure and nothing open", s)
	}
	marks, err := w.Marks(t.Context(), runs[0].ID)
	if err != nil || len(marks) > 0 == applied {
		t.Errorf("got the marks %v, %v, want them if the run was begun", marks, err)
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 || rows[0].RunID != runs[0].ID {
		t.Errorf("got %+v, %v, want one firing with that run", rows, err)
	}
}

// isNamed reports whether err says that a write was refused.
func isNamed(err error) bool {
	return slices.ContainsFunc([]error{scheduler.ErrConflict, scheduler.ErrKnown, scheduler.ErrFenced, scheduler.ErrTaken, scheduler.ErrBusy},
		func(named error) bool { return errors.Is(err, named) })
}

// A member that lost its position lists everything again, and learns which jobs are
// gone.
func testGap(t *testing.T, b *bed) {
	removed, changed := b.add("removed"), b.add("changed")
	b.add("untouched")
	w := b.join()
	w.sync()
	b.must(b.RemoveJob(t.Context(), "removed", 0, "ann", minute(1)))
	b.commit(b.request(changed, "ann"))
	added := b.add("added")
	if _, err := b.Prune(t.Context(), store.Retention{KeepRuns: 1}); err != nil {
		t.Fatal(err)
	}
	b.faults.Lose(b, w.Daemon)
	var got scheduler.Changes
	for try := 0; ; try++ { // the first call may only report the lost position
		var err error
		if got, err = w.Sync(t.Context()); err == nil {
			break
		}
		if try == 3 {
			t.Fatal(err)
		}
	}
	has := map[int64]bool{}
	for _, s := range got.Subjects {
		has[s.State.ID] = true
	}
	if !has[changed.State.ID] || !has[added.State.ID] || has[removed.State.ID] {
		t.Errorf("got %v, want what has changed and what is new", has)
	}
	if !slices.Equal(got.Gone, []int64{removed.State.ID}) {
		t.Errorf("got %v gone, want the job that was removed", got.Gone)
	}
	b.must(b.RemoveJob(t.Context(), "changed", 0, "ann", minute(1)))
	if got, err := w.Sync(t.Context()); err != nil || len(got.Subjects)+len(got.Gone) != 1 {
		t.Errorf("got %+v, %v, want the one job that has changed since", got, err)
	}
}

// The ledger accepts nothing from a registration that others ended. Its process
// registers again, under a higher number, and can claim what no other has claimed.
func testEvicted(t *testing.T, b *bed) {
	job := b.add("backup", func(j *scheduler.Job) { j.Overlap = scheduler.OverlapAllow; j.MaxRunning = 9 }).State.ID
	first := b.join()
	r := first.begin(job, 1)
	claim := scheduler.Claim{Run: r.RunID(), Firing: b.load(job).State.Open[0].ID, Fence: first.Fence()}
	b.must(first.Mark(t.Context(), claim, []int{0}))
	b.must(first.decide(job, 2))
	unbegun := first.claim(2)[0]
	stale := b.load(job)
	b.faults.Evict(b, first.Store, first.Daemon)

	done, err := first.Daemon.Commit(t.Context(), []scheduler.Move{b.request(stale, "ann")})
	if err != nil || len(done) != 1 || !errors.Is(done[0].Err, scheduler.ErrFenced) {
		t.Errorf("commit: got %+v, %v, want %v", done, err, scheduler.ErrFenced)
	}
	select {
	case <-first.Lost():
	default:
		t.Error("it does not know that its registration is over")
	}
	if _, err := first.Sync(t.Context()); !errors.Is(err, scheduler.ErrFenced) {
		t.Errorf("sync: got %v, want %v", err, scheduler.ErrFenced)
	}
	if err := first.Mark(t.Context(), claim, []int{1}); !errors.Is(err, scheduler.ErrTaken) {
		t.Errorf("mark: got %v, want %v", err, scheduler.ErrTaken)
	}
	if _, err := first.Begin(t.Context(), plan("job", 2), first.infoOf(unbegun)); !errors.Is(err, scheduler.ErrTaken) {
		t.Errorf("begin: got %v, want %v", err, scheduler.ErrTaken)
	}
	if all, err := b.Controllers(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("got %+v, %v, want none", all, err)
	}

	again, err := first.Store.JoinDaemons(t.Context(), minute(3))
	b.must(err)
	b.must(first.Leave(t.Context()))
	second := &worker{Daemon: again, bed: first.bed, desk: scheduler.NewDesk(again), has: map[int64]bool{}}
	defer again.Close() //nolint:errcheck // the test is over
	if again.Fence() <= first.Fence() {
		t.Errorf("got the fence %d after %d", again.Fence(), first.Fence())
	}
	assignments := second.claim(3)
	if len(assignments) != 1 || assignments[0].ID != unbegun.ID {
		t.Fatalf("got %+v, want what was claimed and not begun", assignments)
	}
	second.finish(second.beginAssigned(assignments[0]), plan("job", 2), 0, 0)
	if marks, err := again.Marks(t.Context(), r.RunID()); err != nil || !slices.Equal(marks, []int{0}) {
		t.Errorf("got the marks %v, %v, want the one from before", marks, err)
	}
	b.must(r.Close())
	if endings := second.settle(4); len(endings) != 2 {
		t.Errorf("got %+v, want the ends of both", endings)
	}
}

// A submitted run of which a host is marked does not start again when its daemon dies: its
// command may have been sent, although nothing else is on record.
func testQueueMarkedAndCutOff(t *testing.T, b *bed) {
	run := b.submit(submission(0))
	w := b.join()
	claimed := w.claimQueued(1)
	r, err := w.beginQueued(&claimed[0])
	b.must(err)
	b.must(w.Mark(t.Context(), scheduler.Claim{Run: run, Fence: w.Fence()}, []int{1}))
	b.faults.Evict(b, b.Store, w.Daemon)
	_ = r.Close() // the run is interrupted by this
	if got := b.byNumber(run); got.State != store.Interrupted || got.Summary.Counts[fanout.Lost] != 1 || got.Summary.Counts[fanout.Skipped] != 1 {
		t.Errorf("got %+v, want it interrupted", got)
	}
	if again := b.join().claimQueued(1); len(again) > 0 {
		t.Errorf("got %+v to start, which may have started", again)
	}
}
