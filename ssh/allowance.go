package ssh

import (
	"context"
	"sync"
	"time"

	"tutti/fanout"
)

// allowedMore is how much later than an allowance ends its context says that it does.
const allowedMore = 100 * time.Millisecond

// An allowance is the time that a login may take. It can be paused while it is not
// the host that is waited for, which the deadline of a context cannot.
type allowance struct {
	cancel context.CancelCauseFunc

	mu     sync.Mutex    // guards what follows
	left   time.Duration // when it was last resumed
	since  time.Time     // of that
	timer  *fanout.Timer // nil: there is no limit
	ended  bool
	paused int
}

// allow returns a context that ends with errConnectTimeout when limit, if that is
// not 0, has passed. The caller cancels the allowance.
func allow(ctx context.Context, limit time.Duration) (context.Context, *allowance) {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &allowance{cancel: cancel, left: limit, since: time.Now()}
	if limit > 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.timer = fanout.AfterFunc(limit, a.end)
	}
	return allowed{ctx, a}, a
}

// allowed is a context with the deadline of an allowance: who dials divides the time
// that is left among the addresses of a name.
type allowed struct {
	context.Context
	allowance *allowance
}

// Deadline is a little later than the end, so that the end comes first and says why.
func (c allowed) Deadline() (time.Time, bool) {
	a := c.allowance
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil || a.paused > 0 {
		return c.Context.Deadline()
	}
	end := a.since.Add(a.left + allowedMore)
	if d, ok := c.Context.Deadline(); ok && d.Before(end) {
		return d, true
	}
	return end, true
}

// undated is a context without a deadline: where there is nothing to divide, it is
// the end of the allowance alone that ends it, which waits for a program that was
// stopped.
type undated struct{ context.Context }

// Deadline says that there is none.
func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

func (a *allowance) end() {
	a.mu.Lock()
	if a.paused > 0 {
		a.mu.Unlock()
		return // it was stopped too late
	}
	a.ended = true
	a.mu.Unlock()
	a.cancel(errConnectTimeout)
}

// over reports whether it has run out.
func (a *allowance) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

func (a *allowance) pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused++; a.paused == 1 && a.timer != nil {
		a.timer.Stop()
		a.left -= time.Since(a.since)
	}
}

func (a *allowance) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused--; a.paused == 0 && a.timer != nil && !a.ended {
		a.since = time.Now()
		a.timer.Reset(max(0, a.left))
	}
}
