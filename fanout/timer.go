package fanout

import (
	"context"
	"sync"
	"time"
)

const (
	// lateness is how much later than asked for a timer may fire in a process
	// that runs. One that is later was stopped, or starved.
	lateness = 25 * time.Millisecond
	// stretch is how long a process must have run on time before a limit is up.
	stretch = 50 * time.Millisecond
	// maxGrace is the longest that a late process gets to catch up at a time, and
	// maxGraces how often it gets that in a row.
	maxGrace  = time.Second
	maxGraces = 20
)

// A Timer is for limits that decide an outcome. Like a time.Timer it sends the time on
// C when its time is up. If this process did not run then, because it was stopped,
// starved or suspended, what the hosts sent in the meantime is read first: the time is
// up only once the process has run on time for a moment, and no more comes in. All of
// that is bounded.
type Timer struct {
	C <-chan time.Time

	sent  chan time.Time // C
	do    func()         // called when the time is up; nil: the time is sent on C
	heard func() int64   // changes with what comes in
	grace time.Duration

	mu     sync.Mutex  // guards what follows
	inner  *time.Timer // calls fire
	armed  bool
	fired  bool      // since it was last set
	end    time.Time // when the time is up
	look   time.Time // when inner should fire
	until  time.Time // the time is not up before
	graces int       // in a row
	seen   int64     // of heard
}

// NewTimer returns a timer that fires after d. Heard changes with what comes in;
// nil: nothing does. Stop must be called.
func NewTimer(d time.Duration, heard func() int64) *Timer {
	t := &Timer{sent: make(chan time.Time, 1), heard: heard, grace: stretch}
	t.C = t.sent
	t.start(d)
	return t
}

// AfterFunc returns a timer that calls do, in its own goroutine, after d. A
// dialogue that was held up gets an eighth of d to go on, up to a second.
func AfterFunc(d time.Duration, do func()) *Timer {
	t := &Timer{do: do, grace: min(maxGrace, max(stretch, d/8))}
	t.start(d)
	return t
}

func (t *Timer) start(d time.Duration) {
	if t.heard == nil {
		t.heard = func() int64 { return 0 }
	}
	t.inner = time.AfterFunc(time.Hour, t.fire)
	t.Reset(d)
}

// Reset makes t fire after d from now, and at once if d is not positive.
func (t *Timer) Reset(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.notice(now)
	t.drain()
	t.armed, t.fired, t.end = true, false, now.Add(d)
	t.arm(now)
}

// Stop keeps t from firing.
func (t *Timer) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed, t.fired, t.look = false, false, time.Time{}
	t.inner.Stop()
	t.drain()
}

// Up reports whether the time is up: t has fired since it was last set.
func (t *Timer) Up() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fired
}

func (t *Timer) drain() {
	select {
	case <-t.C:
	default:
	}
}

func (t *Timer) fire() {
	t.mu.Lock()
	if !t.armed {
		t.mu.Unlock()
		return
	}
	now := time.Now()
	t.notice(now)
	up := !now.Before(t.due())
	if up {
		t.armed, t.fired, t.look, t.graces = false, true, time.Time{}, 0
		select {
		case t.sent <- now:
		default: // one is enough
		}
	} else {
		t.arm(now)
	}
	t.mu.Unlock()
	if up && t.do != nil {
		t.do()
	}
}

// due is when the time is up as things stand.
func (t *Timer) due() time.Time {
	if t.until.After(t.end) {
		return t.until
	}
	return t.end
}

// notice grants more time if it is late, or was and more comes in.
func (t *Timer) notice(now time.Time) {
	late := !t.look.IsZero() && now.Sub(t.look) > lateness
	if !late && (t.graces == 0 || now.Before(t.until)) {
		return
	}
	heard := t.heard()
	switch {
	case t.graces == maxGraces:
	case late, heard != t.seen:
		t.graces++
		t.until, t.seen = now.Add(t.grace), heard
	default:
		t.graces = 0
	}
}

// arm waits for the next look at the time. The last look but one comes a moment
// before the end, so that the process is known to have run.
func (t *Timer) arm(now time.Time) {
	left := max(0, t.due().Sub(now))
	if left > stretch {
		left -= stretch
	}
	t.look = now.Add(left)
	t.inner.Reset(left)
}

// WithLimit is context.WithTimeoutCause for a limit that decides an outcome; see
// AfterFunc.
func WithLimit(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancelCause(ctx)
	last := time.Now().Add(d + (maxGraces+1)*maxGrace)
	t := AfterFunc(d, func() { cancel(cause) })
	if outer, ok := ctx.Deadline(); ok && outer.Before(last) {
		last = outer
	}
	return &limited{inner, last}, func() {
		t.Stop()
		cancel(context.Canceled)
	}
}

// limited is a context whose limit may be put off.
type limited struct {
	context.Context
	last time.Time // by then it is done
}

// Deadline is the latest end, so that nothing gives up on its own before.
func (l *limited) Deadline() (time.Time, bool) { return l.last, true }
