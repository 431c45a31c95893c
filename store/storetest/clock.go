package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// skew is how far a clock is off, in minutes.
const skew = 60

// decideAt decides a minute of a job by a clock that shows another.
func (w *worker) decideAt(job int64, n, now int) error {
	w.Helper()
	w.sync()
	k := w.load(job).State.StoredJob
	firing := scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: minute(n)}, Due: minute(n)}
	_, errs, err := w.desk.Decide(w.bed.Context(), minute(now), []scheduler.Decisions{{Job: k, Firings: []scheduler.Firing{firing}, Cursor: minute(n)}})
	w.must(err)
	return errs[0]
}

// A member whose clock is off by an hour decides no scheduled time twice, takes nothing
// from a live member, and settles nothing twice.
func testClocks(t *testing.T, b *bed) {
	for what, off := range map[string]int{"ahead": skew, "behind": -skew} {
		job := b.add(what, func(j *scheduler.Job) { j.Overlap, j.MaxRunning = scheduler.OverlapAllow, 9 }).State.ID
		right, wrong := b.join(), b.join()
		const minutes = 4
		for n := 1; n <= minutes; n++ {
			order := []func() error{
				func() error { return right.decideAt(job, n, n) },
				func() error { return wrong.decideAt(job, n, n+off) },
			}
			if n%2 == 0 {
				slices.Reverse(order)
			}
			b.must(order[0]())
			_ = order[1]() // the other was faster, whatever it says
		}
		rows, err := b.Firings(t.Context(), store.FiringQuery{Job: what})
		if err != nil || len(rows) != minutes {
			t.Fatalf("%s: got %d firings, %v, want %d", what, len(rows), err, minutes)
		}
		claimed := map[*worker][]scheduler.Assignment{right: right.claim(minutes), wrong: wrong.claim(minutes + off)}
		if len(claimed[right])+len(claimed[wrong]) != minutes || len(right.claim(minutes))+len(wrong.claim(minutes+off)) > 0 {
			t.Fatalf("%s: got %+v, want each firing once", what, claimed)
		}
		recorders := map[*worker][]*store.Recorder{}
		for w, assignments := range claimed {
			for _, x := range assignments {
				r := w.beginAssigned(x)
				claim := scheduler.Claim{Run: r.RunID(), Firing: x.ID, Fence: w.Fence()}
				b.must(w.Mark(t.Context(), claim, []int{0}))
				other := claim
				if other.Fence = right.Fence(); w == right {
					other.Fence = wrong.Fence()
				}
				if err := w.Mark(t.Context(), other, []int{1}); !errors.Is(err, store.ErrTaken) {
					t.Errorf("%s: a mark by the other: got %v, want %v", what, err, store.ErrTaken)
				}
				recorders[w] = append(recorders[w], r)
			}
		}
		for w, all := range recorders {
			for _, r := range all {
				w.finish(r, plan("job", 2), 1, 0)
			}
		}
		if got := append(wrong.settle(minutes+off), right.settle(minutes)...); len(got) != minutes || b.load(job).State.ConsecutiveFailures.Count != minutes {
			t.Errorf("%s: got %+v, want %d failures", what, got, minutes)
		}
		checkDeliveredOnce(t, what, right, wrong, minutes, off)
		if len(right.claim(minutes))+len(wrong.claim(minutes+off)) > 0 {
			t.Errorf("%s: a firing was claimed that is settled", what)
		}
		b.must(right.Leave(t.Context()))
		b.must(wrong.Leave(t.Context()))
	}
}

// checkDeliveredOnce delivers all messages: a member whose clock is ahead may try what
// another is trying, and no message is lost or comes back by that.
func checkDeliveredOnce(t *testing.T, what string, right, wrong *worker, n, off int) {
	t.Helper()
	now := n + skew // those that the other settled are due
	mine, err := right.Lease(t.Context(), minute(now), minute(now+1), 99)
	if right.must(err); len(mine) != n {
		t.Fatalf("%s: got %d messages, want %d", what, len(mine), n)
	}
	theirs, err := wrong.Lease(t.Context(), minute(now+off), minute(now+off+1), 99)
	wrong.must(err)
	if off < 0 && len(theirs) > 0 {
		t.Errorf("%s: got %+v, which are not due by that clock", what, theirs)
	}
	for _, x := range mine { // the attempts that were overtaken
		failure := errors.New("refused")
		if off < 0 {
			failure = nil
		}
		right.must(right.Daemon.Delivered(t.Context(), x, minute(now), failure, time.Time{}))
	}
	for _, x := range theirs {
		if i := slices.IndexFunc(mine, func(m scheduler.Delivery) bool { return m.ID == x.ID }); i < 0 || x.Attempt != 2 || x.Message.ID != mine[i].Message.ID {
			t.Errorf("%s: got %+v, want the second attempt of the same message", what, x)
		}
		wrong.must(wrong.Daemon.Delivered(t.Context(), x, minute(now+off), errors.New("refused"), minute(now+off+2)))
	}
	again, err := wrong.Lease(t.Context(), minute(now+off+2), minute(now+off+3), 99)
	if wrong.must(err); len(again) != len(theirs) {
		t.Errorf("%s: got %d messages again, want the %d that were refused", what, len(again), len(theirs))
	}
	for _, x := range again {
		wrong.must(wrong.Daemon.Delivered(t.Context(), x, minute(now+off+2), nil, time.Time{}))
	}
	if left, err := right.Lease(t.Context(), minute(9*skew), minute(9*skew), 99); err != nil || len(left) > 0 {
		t.Errorf("%s: got %+v, %v, want no message left", what, left, err)
	}
}

// A submission that is sent again is known to a server whose clock is off, and a claimed
// run is not taken from a live member.
func testQueueClocks(t *testing.T, b *bed) {
	s := submission(0)
	s.Key, s.Body = "k1", []byte("mac")
	run := b.submit(s)
	for _, off := range []int{skew, -skew} {
		s.Now = minute(off)
		var replayed *store.ReplayedError
		if _, err := b.Queue().Submit(t.Context(), s); !errors.As(err, &replayed) || replayed.Run != run {
			t.Errorf("%d minutes off: got %v, want run %d again", off, err, run)
		}
	}
	right, wrong := b.join(), b.join()
	claimed := right.claimQueued(1)
	if got := wrong.claimQueued(1); len(claimed) != 1 || len(got) > 0 {
		t.Fatalf("got %+v, then %+v, want the first to have it", claimed, got)
	}
	if _, err := b.Ends(t.Context(), []int64{run}); err != nil {
		t.Fatal(err)
	}
	r, err := right.beginQueued(&claimed[0])
	b.must(err)
	right.finish(r, plan("api", 2), 0, 0)
}
