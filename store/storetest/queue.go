package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// submission is one for two hosts, by ann.
func submission(priority int) store.Submission {
	return store.Submission{
		Plan:     plan("api", 2),
		Info:     store.RunInfo{User: "ann", Principal: "token:ci", Via: "token", Note: "from afar"},
		Request:  store.QueuedRequest{Keys: map[string][]string{"timeout": {"30s"}}, Selector: "web", Command: "uptime"},
		Priority: priority, Now: noon,
	}
}

func (b *bed) submit(s store.Submission) int64 {
	b.Helper()
	done, err := b.Queue().Submit(b.Context(), s)
	b.must(err)
	return done.Run
}

// claimQueued claims runs as a daemon does.
func (w *worker) claimQueued(most int) []store.ClaimedRun {
	w.Helper()
	claimed, err := w.Queue().Claim(w.bed.Context(), w.Daemon, most)
	w.must(err)
	return claimed
}

// beginQueued begins what was claimed, on the hosts it is for.
func (w *worker) beginQueued(c *store.ClaimedRun) (*store.Recorder, error) {
	info := store.RunInfo{User: c.Run.User, Owner: w.Daemon, Claimed: c.QueueEntry}
	return w.Begin(w.bed.Context(), plan("api", len(c.Hosts)), info)
}

// waitingRuns are the runs that wait: their numbers, places, and what they wait for.
func (b *bed) waitingRuns() (lines []string) {
	b.Helper()
	waiting, err := b.Queue().Waiting(b.Context())
	b.must(err)
	for _, w := range waiting {
		if w.Run.State != store.Queued || w.QueueEntry.Run != w.Run.ID {
			b.Errorf("got %+v in the queue", w.Run)
		}
		lines = append(lines, fmt.Sprintf("%d place %d for %s", w.Run.ID, w.Place, w.For))
	}
	return lines
}

// byNumber returns the run of that number.
func (b *bed) byNumber(id int64) store.Run {
	b.Helper()
	run, err := b.Run(b.Context(), fmt.Sprint(id), "")
	b.must(err)
	return run
}

// A run that was submitted waits, is claimed, begins and ends.
func testQueue(t *testing.T, b *bed) {
	low, high, next := b.submit(submission(0)), b.submit(submission(5)), b.submit(submission(0))
	checkSaid(t, "without a daemon", b.waitingRuns(),
		fmt.Sprintf("%d place 1 for daemon", high), fmt.Sprintf("%d place 2 for daemon", low), fmt.Sprintf("%d place 3 for daemon", next))
	run := b.byNumber(low)
	if run.State != store.Queued || run.Principal != "token:ci" || run.Via != "token" || run.Summary.Hosts != 2 || !run.Summary.Ended.IsZero() {
		t.Errorf("got %+v, want it to wait", run)
	}
	w := b.join()
	claimed := w.claimQueued(2)
	if len(claimed) != 2 || claimed[0].Run.ID != high || claimed[1].Run.ID != low {
		t.Fatalf("got %+v, want the first two", claimed)
	}
	c := claimed[1]
	if c.Request.Command != "uptime" || c.Request.Keys["timeout"][0] != "30s" || strings.Join(c.Hosts, " ") != "web00 web01" || c.Run.Note != "from afar" {
		t.Errorf("got %+v, want what was submitted", c)
	}
	checkSaid(t, "claimed", b.waitingRuns(),
		fmt.Sprintf("%d place 0 for start", high), fmt.Sprintf("%d place 0 for start", low), fmt.Sprintf("%d place 1 for turn", next))
	if _, err := w.Begin(t.Context(), plan("api", 3), store.RunInfo{Owner: w.Daemon, Claimed: c.QueueEntry}); !errors.As(err, new(*store.HostsChangedError)) {
		t.Errorf("on other hosts: got %v", err)
	}
	r, err := w.beginQueued(&c)
	b.must(err)
	if run := b.byNumber(low); r.RunID() != low || run.State != store.Running || run.Daemon != w.ID() {
		t.Errorf("got %+v, want it to run", run)
	}
	w.finish(r, plan("api", 2), 0, 3)
	if run := b.byNumber(low); run.State != store.Finished || run.Summary.Counts[fanout.OK] != 1 || run.Summary.Counts[fanout.Failed] != 1 {
		t.Errorf("got %+v, want it finished", run)
	}
	if _, err := w.beginQueued(&c); !errors.Is(err, store.ErrTaken) {
		t.Errorf("twice: got %v, want %v", err, store.ErrTaken)
	}
	b.must(b.Queue().Release(t.Context(), claimed[0].QueueEntry))
	if err := b.Queue().Release(t.Context(), claimed[0].QueueEntry); !errors.Is(err, store.ErrTaken) {
		t.Errorf("released twice: got %v", err)
	}
	again := w.claimQueued(1)
	if len(again) != 1 || again[0].Run.ID != high || again[0].Deaths != 0 || again[0].Claim != 2 {
		t.Fatalf("got %+v, want the one that was given back", again)
	}
	if _, err := w.beginQueued(&claimed[0]); !errors.Is(err, store.ErrTaken) {
		t.Errorf("by the claim before: got %v", err)
	}
	b.must(b.Queue().Fail(t.Context(), again[0].QueueEntry, "no host matches web", minute(1)))
	if run := b.byNumber(high); run.State != store.Finished || run.Summary.Stopped != fanout.StoppedRefused || run.Reason != "no host matches web" ||
		run.Summary.Counts[fanout.Skipped] != 2 {
		t.Errorf("got %+v, want it refused", run)
	}
	checkSaid(t, "at the end", b.waitingRuns(), fmt.Sprintf("%d place 1 for turn", next))
}

// A waiting run is found, is not pruned, and is never the last run of its user.
func testQueuedRuns(t *testing.T, b *bed) {
	waits := b.submit(submission(0))
	if runs, err := b.Runs(t.Context(), store.Query{States: []store.State{store.Queued}}); err != nil || len(runs) != 1 || runs[0].ID != waits {
		t.Errorf("got %+v, %v, want the one that waits", runs, err)
	}
	if run, err := b.Run(t.Context(), "last", "ann"); err == nil {
		t.Errorf("got %+v as the last run", run)
	}
	if pruned, err := b.Prune(t.Context(), store.Retention{Keep: time.Nanosecond}); err != nil || pruned.Runs != 0 {
		t.Errorf("got %+v, %v, want nothing pruned", pruned, err)
	}
	if ends, err := b.Ends(t.Context(), []int64{waits}); err != nil || len(ends) > 0 {
		t.Errorf("got %+v, %v, want no end", ends, err)
	}
	groups, err := b.Groups(t.Context(), waits, nil)
	if err != nil || len(groups) != 1 || groups[0].Phase != store.HostWaiting || len(groups[0].Hosts) != 2 {
		t.Errorf("got %+v, %v, want two that wait", groups, err)
	}
	mine := submission(0)
	mine.Plan.Source, mine.Info.ByHand = "cli", true
	here := b.submit(mine)
	b.must(b.StopRun(t.Context(), scheduler.Stop{Run: here, By: "ann", At: minute(1)}))
	if run, err := b.Run(t.Context(), "last", "ann"); err != nil || run.ID != here {
		t.Errorf("got %+v, %v, want run %d as the last", run, err, here)
	}
	if pruned, err := b.Prune(t.Context(), store.Retention{Keep: time.Nanosecond}); err != nil || pruned.Runs != 1 {
		t.Errorf("got %+v, %v, want the one that was stopped pruned", pruned, err)
	}
}

// A run that waits is stopped at once, claimed or not, and is moved while it waits.
func testQueueStops(t *testing.T, b *bed) {
	first, second, third := b.submit(submission(0)), b.submit(submission(0)), b.submit(submission(0))
	place, err := b.Queue().Move(t.Context(), third, 1)
	if err != nil || place != 1 {
		t.Errorf("got place %d, %v, want the first", place, err)
	}
	w := b.join()
	claimed := w.claimQueued(1)
	if len(claimed) != 1 || claimed[0].Run.ID != third {
		t.Fatalf("got %+v, want the one that was moved", claimed)
	}
	for _, run := range []int64{second, third} {
		b.must(b.StopRun(t.Context(), scheduler.Stop{Run: run, By: "bob", At: minute(1)}))
		got := b.byNumber(run)
		if got.State != store.Finished || got.Summary.Stopped != fanout.StoppedKill || got.KillBy != "bob" || !got.Summary.Ended.Equal(minute(1)) ||
			got.Summary.Counts[fanout.Skipped] != 2 {
			t.Errorf("got %+v, want it stopped", got)
		}
	}
	if _, err := w.beginQueued(&claimed[0]); !errors.Is(err, store.ErrTaken) {
		t.Errorf("begin: got %v, want %v", err, store.ErrTaken)
	}
	if err := b.StopRun(t.Context(), scheduler.Stop{Run: second, By: "eve", At: minute(2)}); !errors.As(err, new(*store.KillError)) {
		t.Errorf("again: got %v, want a *KillError", err)
	}
	if _, err := b.Queue().Move(t.Context(), second, 9); !errors.As(err, new(*store.NotQueuedError)) {
		t.Errorf("move: got %v, want a *NotQueuedError", err)
	}
	if _, err := b.Queue().Move(t.Context(), 99, 9); !errors.As(err, new(*store.NoRunError)) {
		t.Errorf("move: got %v, want a *NoRunError", err)
	}
	checkSaid(t, "left", b.waitingRuns(), fmt.Sprintf("%d place 1 for turn", first))
	running := w.claimQueued(1)
	r, err := w.beginQueued(&running[0])
	b.must(err)
	b.must(b.StopRun(t.Context(), scheduler.Stop{Run: first, By: "bob", At: minute(3)}))
	if stops, err := w.Daemon.Stops(t.Context(), []int64{first}); err != nil || len(stops) != 1 || b.byNumber(first).State != store.Running {
		t.Errorf("got %+v, %v, want a request to stop the run that goes on", stops, err)
	}
	b.must(r.Close())
}

// The key of a submission is stored with the run, or not at all.
func testQueueKeys(t *testing.T, b *bed) {
	s := submission(0)
	s.Key, s.Body = "k1", []byte("mac of the body")
	run := b.submit(s)
	replayed := func(s store.Submission) error {
		t.Helper()
		_, err := b.Queue().Submit(t.Context(), s)
		return err
	}
	if x, ok := errors.AsType[*store.ReplayedError](replayed(s)); !ok || x.Run != run {
		t.Errorf("the same: got %+v, want run %d", x, run)
	}
	other := s
	other.Body = []byte("mac of another")
	if x, ok := errors.AsType[*store.KeyReusedError](replayed(other)); !ok || x.Run != run || x.Key != "k1" {
		t.Errorf("another body: got %+v, want that the key was used", x)
	}
	other.Info.Principal = "token:other"
	b.must(replayed(other)) // another principal has its own keys
	later := s
	later.Now = noon.Add(store.KeptKeys + time.Second)
	b.must(replayed(later))
	full := submission(0)
	full.Key, full.Most = "k2", 3
	if err := replayed(full); !errors.As(err, new(*store.QueueFullError)) {
		t.Errorf("got %v, want a *QueueFullError", err)
	}
	full.Most = 4
	b.must(replayed(full)) // a refusal does not store the key
}

// testQueueCut: a client whose answer was lost gets it by sending the same again.
func testQueueCut(t *testing.T, b *bed, applied bool) {
	s := submission(0)
	s.Key, s.Body = "k", []byte("mac")
	b.faults.Cut(b, b.Store, applied)
	if _, err := b.Queue().Submit(t.Context(), s); err == nil {
		t.Fatal("got no error of a write that broke")
	}
	_, err := b.Queue().Submit(t.Context(), s)
	if again := errors.As(err, new(*store.ReplayedError)); again != applied || err != nil && !again {
		t.Errorf("got %v, want it taken before: %t", err, applied)
	}
	if n := len(b.waitingRuns()); n != 1 {
		t.Errorf("got %d runs, want one", n)
	}
}

// Several daemons claim at once: each run is claimed once, the first ones first.
func testQueueRace(t *testing.T, b *bed) {
	const members, runs = 3, 30
	for i := range runs {
		b.submit(submission(i % 2))
	}
	var mu sync.Mutex // guards claimed
	claimed := map[int64]int{}
	var wg sync.WaitGroup
	for range members {
		w := b.join()
		wg.Go(func() {
			last := store.QueueEntry{Priority: 1}
			for {
				some, err := w.Queue().Claim(t.Context(), w.Daemon, 2)
				if err != nil {
					t.Error(err)
				}
				if len(some) == 0 {
					return
				}
				mu.Lock()
				for _, c := range some {
					if claimed[c.Run.ID]++; store.InOrder(last, c.QueueEntry) > 0 {
						t.Errorf("got run %d after %d", c.Run.ID, last.Run)
					}
					last = c.QueueEntry
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for run, n := range claimed {
		if n != 1 {
			t.Errorf("run %d was claimed %d times", run, n)
		}
	}
	if len(claimed) != runs {
		t.Errorf("got %d runs, want %d", len(claimed), runs)
	}
}

// A claimed run that has not begun is claimed by another daemon once its own died; the
// third time it is set aside. A daemon that leaves releases it.
func testQueueDeaths(t *testing.T, b *bed) {
	run := b.submit(submission(0))
	leaving := b.join()
	leaving.claimQueued(1)
	b.must(leaving.Close())
	for death := 1; death <= store.MaxDeaths; death++ {
		w := b.join()
		claimed := w.claimQueued(9)
		if len(claimed) != 1 || claimed[0].Run.ID != run || claimed[0].Deaths != death-1 {
			t.Fatalf("before death %d: got %+v", death, claimed)
		}
		b.faults.Evict(b, b.Store, w.Daemon)
		if _, err := w.beginQueued(&claimed[0]); !errors.Is(err, store.ErrTaken) {
			t.Errorf("who is gone begins it: got %v", err)
		}
	}
	if _, err := b.Ends(t.Context(), nil); err != nil {
		t.Error(err)
	}
	got := b.byNumber(run)
	if got.State != store.Finished || got.Summary.Stopped != fanout.StoppedPoisoned || !strings.Contains(got.Reason, "3 daemons") || got.Summary.Counts[fanout.Skipped] != 2 {
		t.Errorf("got %+v, want it set aside", got)
	}
	if left := b.waitingRuns(); len(left) > 0 {
		t.Errorf("got %q in the queue", left)
	}
}

// A run that has begun without a record of any host is queued again; one with a started
// host is interrupted, since a command may be running.
func testQueueCutOff(t *testing.T, b *bed) {
	first, second := b.submit(withCallback("a")), b.submit(withCallback("b"))
	w := b.join()
	claimed := w.claimQueued(2)
	var rs []*store.Recorder
	for i := range claimed {
		r, err := w.beginQueued(&claimed[i])
		b.must(err)
		rs = append(rs, r)
	}
	b.must(rs[1].Starting(t.Context(), plan("api", 2).Targets[0], 1, ""))
	b.faults.Evict(b, b.Store, w.Daemon)
	for _, r := range rs {
		_ = r.Close() // the run is interrupted by this
	}
	if got := b.byNumber(first); got.State != store.Queued || got.Daemon != 0 {
		t.Errorf("got %+v, want it queued again", got)
	}
	if got := b.byNumber(second); got.State != store.Interrupted || got.Summary.Counts[fanout.Lost] != 1 || got.Summary.Counts[fanout.Skipped] != 1 {
		t.Errorf("got %+v, want it interrupted", got)
	}
	const late = 1 << 20 // minutes: it is after every end
	if cs, _ := b.leaseCallbacks(late); len(cs) != 1 || cs[0].Run != second {
		t.Errorf("got %+v, want the callback of run %d", cs, second)
	}
	other := b.join()
	again := other.claimQueued(2)
	if len(again) != 1 || again[0].Run.ID != first || again[0].Deaths != 1 {
		t.Fatalf("got %+v, want the first after one death", again)
	}
	r, err := other.beginQueued(&again[0])
	b.must(err)
	other.finish(r, plan("api", 2), 0, 0)
	if got := b.byNumber(first); got.State != store.Finished || got.Daemon != other.ID() {
		t.Errorf("got %+v, want it finished", got)
	}
}

// A run that was to be stopped when its daemon died does not start again.
func testQueueStoppedAndCutOff(t *testing.T, b *bed) {
	run := b.submit(withCallback("a"))
	w := b.join()
	claimed := w.claimQueued(1)
	r, err := w.beginQueued(&claimed[0])
	b.must(err)
	b.must(b.StopRun(t.Context(), scheduler.Stop{Run: run, By: "bob", At: minute(1)}))
	b.faults.Evict(b, b.Store, w.Daemon)
	_ = r.Close() // the run is interrupted by this
	got := b.byNumber(run)
	if got.State != store.Finished || got.Summary.Stopped != fanout.StoppedKill || got.KillBy != "bob" || got.Summary.Counts[fanout.Skipped] != 2 {
		t.Errorf("got %+v, want it stopped", got)
	}
	if again := b.join().claimQueued(1); len(again) > 0 {
		t.Errorf("got %+v to start, which was to be stopped", again)
	}
	const late = 1 << 20 // minutes: it is after every end
	if cs, _ := b.leaseCallbacks(late); len(cs) != 1 || cs[0].Run != run {
		t.Errorf("got %+v, want the callback of run %d", cs, run)
	}
}

// A run whose secrets are in a daemon's memory can be claimed by that daemon only, and
// ends with it.
func testQueueSecrets(t *testing.T, b *bed) {
	holder, other := b.join(), b.join()
	s := submission(0)
	s.Secrets = holder
	first, second := b.submit(s), b.submit(s)
	plain := b.submit(submission(0))
	if claimed := other.claimQueued(9); len(claimed) != 1 || claimed[0].Run.ID != plain {
		t.Errorf("got %+v, want the one without secrets", claimed)
	}
	waiting := b.waitingRuns()
	if !slices.Contains(waiting, fmt.Sprintf("%d place 1 for secrets", first)) {
		t.Errorf("got %q, want the first to wait for its daemon", waiting)
	}
	mine := holder.claimQueued(1)
	if len(mine) != 1 || mine[0].Run.ID != first {
		t.Fatalf("got %+v, want the first", mine)
	}
	r, err := holder.beginQueued(&mine[0])
	b.must(err)
	holder.finish(r, plan("api", 2), 0, 0)
	b.must(holder.Close())
	if claimed := other.claimQueued(9); len(claimed) > 0 {
		t.Errorf("got %+v, whose secrets are gone", claimed)
	}
	got := b.byNumber(second)
	if got.State != store.Interrupted || got.Summary.Stopped != fanout.StoppedSecretsGone || !strings.Contains(got.Reason, "secrets") {
		t.Errorf("got %+v, want it interrupted", got)
	}
	if b.byNumber(first).State != store.Finished {
		t.Error("what had ended is another thing now")
	}
}

// A waiting run is followed from its start on.
func testQueueFollowed(t *testing.T, b *bed) {
	run := b.submit(submission(0))
	w := b.join()
	heard, done := make(chan fanout.Kind, 100), make(chan error, 1)
	go func() {
		done <- b.Follow(t.Context(), run, store.Filter{}, sink(func(e fanout.Event) { heard <- e.Kind }))
	}()
	claimed := w.claimQueued(1)
	r, err := w.beginQueued(&claimed[0])
	b.must(err)
	w.finish(r, plan("api", 2), 0, 0)
	b.must(<-done)
	close(heard)
	var kinds []fanout.Kind
	for k := range heard {
		kinds = append(kinds, k)
	}
	if len(kinds) < 4 || kinds[0] != fanout.RunStarted || kinds[len(kinds)-1] != fanout.RunFinished {
		t.Errorf("got %v, want the run from its start to its end", kinds)
	}
}
