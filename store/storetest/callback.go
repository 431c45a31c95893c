package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// withCallback is a submission with a callback.
func withCallback(task string) store.Submission {
	s := submission(0)
	s.Callback = &store.Callback{Task: task, URL: "https://hooks.example/secret", By: "user:3"}
	return s
}

// leaseCallbacks takes what is due then, for a minute.
func (b *bed) leaseCallbacks(at int) (cs []store.Callback, lines []string) {
	b.Helper()
	cs, err := b.Callbacks().Lease(b.Context(), minute(at), minute(at+1), 10)
	b.must(err)
	for _, c := range cs {
		lines = append(lines, fmt.Sprintf("run %d task %s to %s by %s attempt %d", c.Run, c.Task, c.URL, c.By, c.Attempt))
	}
	return cs, lines
}

// pendingCallbacks are those after a run that have not arrived.
func (b *bed) pendingCallbacks(after int64, limit int) (lines []string) {
	b.Helper()
	all, err := b.Callbacks().Pending(b.Context(), after, limit)
	b.must(err)
	for _, c := range all {
		lines = append(lines, fmt.Sprintf("run %d on %s to %s due %d attempts %d %s", c.Run, c.On, c.Target, int(c.Due.Sub(minute(0))/time.Minute), c.Attempts, c.Error))
		if c.Ended.IsZero() {
			b.Errorf("run %d: it is not said when it ended", c.Run)
		}
	}
	return lines
}

// testCallbacks: whatever ends a run makes its callback due, and it is kept until it
// has arrived or is given up.
func testCallbacks(t *testing.T, b *bed) {
	w := b.join()
	onFailure := withCallback("b")
	onFailure.Callback.On = "failure"
	failed, stopped, ran, plain := b.submit(withCallback("a")), b.submit(onFailure), b.submit(withCallback("c")), b.submit(submission(0))
	_, lines := b.leaseCallbacks(1)
	checkSaid(t, "before the end", lines)

	claimed := w.claimQueued(1)
	b.must(b.Queue().Fail(t.Context(), claimed[0].QueueEntry, "no host", minute(1)))
	b.must(b.StopRun(t.Context(), scheduler.Stop{Run: stopped, By: "ann", At: minute(1)}))
	for _, c := range w.claimQueued(2) {
		r, err := w.beginQueued(&c)
		b.must(err)
		w.finish(r, plan("api", len(c.Hosts)), 0, 0)
	}
	const late = 1 << 20 // minutes: it is after every end
	cs, lines := b.leaseCallbacks(late)
	for _, c := range cs {
		if want := map[int64]string{stopped: "failure"}[c.Run]; c.On != want {
			b.Errorf("run %d: got %q, want %q", c.Run, c.On, want)
		}
	}
	to := " to https://hooks.example/secret by user:3 attempt 1"
	checkSaid(t, "all ends", lines, fmt.Sprintf("run %d task a%s", failed, to), fmt.Sprintf("run %d task b%s", stopped, to), fmt.Sprintf("run %d task c%s", ran, to))
	if _, ok, err := b.Callbacks().Callback(t.Context(), plain); ok || err != nil {
		b.Errorf("got a callback of a run without one, %v", err)
	}
	if _, lines := b.leaseCallbacks(late); len(lines) > 0 {
		b.Errorf("got %q, want nothing: they are leased", lines)
	}

	down := errors.New("connection refused")
	checkSaid(t, "pending, leased", b.pendingCallbacks(0, 10),
		fmt.Sprintf("run %d on  to https://hooks.example/… due %d attempts 1 ", failed, late+1),
		fmt.Sprintf("run %d on failure to https://hooks.example/… due %d attempts 1 ", stopped, late+1),
		fmt.Sprintf("run %d on  to https://hooks.example/… due %d attempts 1 ", ran, late+1))
	if got := b.pendingCallbacks(failed, 1); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("run %d ", stopped)) {
		b.Errorf("the page after the first: got %q", got)
	}
	b.must(b.Callbacks().Delivered(t.Context(), cs[0], minute(late), nil, time.Time{}))
	b.must(b.Callbacks().Delivered(t.Context(), cs[1], minute(late), down, minute(late+5)))
	b.must(b.Callbacks().Release(t.Context(), cs[2:], minute(late+5)))
	checkSaid(t, "pending, tried", b.pendingCallbacks(0, 10),
		fmt.Sprintf("run %d on failure to https://hooks.example/… due %d attempts 1 connection refused", stopped, late+5),
		fmt.Sprintf("run %d on  to https://hooks.example/… due %d attempts 0 ", ran, late+5))
	again, lines := b.leaseCallbacks(late + 5)
	checkSaid(t, "again", lines, fmt.Sprintf("run %d task b to https://hooks.example/secret by user:3 attempt 2", stopped), fmt.Sprintf("run %d task c%s", ran, to))
	// The first attempt is over, whatever is said of it now.
	b.must(b.Callbacks().Delivered(t.Context(), cs[1], minute(late+5), nil, time.Time{}))
	b.must(b.Callbacks().Delivered(t.Context(), again[0], minute(late+6), down, time.Time{}))
	b.must(b.Callbacks().Delivered(t.Context(), again[1], minute(late+6), nil, time.Time{}))
	if _, lines := b.leaseCallbacks(late + 100); len(lines) > 0 {
		b.Errorf("got %q, want nothing: all are done with", lines)
	}
	for run, want := range map[int64]store.CallbackState{
		failed:  {Attempts: 1, Done: minute(late)},
		stopped: {Attempts: 2, Error: "connection refused", Done: minute(late + 6)},
		ran:     {Attempts: 1, Done: minute(late + 6)},
	} {
		if got, ok, err := b.Callbacks().Callback(t.Context(), run); !ok || err != nil || got.Attempts != want.Attempts || got.Error != want.Error || !got.Done.Equal(want.Done) {
			b.Errorf("run %d: got %+v, %t, %v, want %+v", run, got, ok, err, want)
		}
	}
}

// testFind: a submission is found by its key, for a day and for who submitted it.
func testFind(t *testing.T, b *bed) {
	s := submission(0)
	s.Key, s.Body = "task 7", []byte("mac")
	run := b.submit(s)
	for _, x := range []struct {
		principal, key string
		at             int
		want           int64
	}{
		{"token:ci", "task 7", 1, run},
		{"token:ci", "task 8", 1, 0},
		{"token:other", "task 7", 1, 0},
		{"token:ci", "task 7", 25 * 60, 0},
	} {
		if got, err := b.Queue().Find(t.Context(), x.principal, x.key, minute(x.at)); got != x.want || err != nil {
			b.Errorf("%+v: got run %d, %v", x, got, err)
		}
	}
}
