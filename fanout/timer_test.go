package fanout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// stopProcess keeps t from firing for d, as SIGSTOP and SIGCONT would.
func stopProcess(t *Timer, d time.Duration) {
	t.mu.Lock()
	t.inner.Stop()
	t.mu.Unlock()
	time.Sleep(d)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inner.Reset(time.Until(t.look))
}

func TestTimerOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{time.Millisecond, stretch, time.Second, time.Hour} {
			began := time.Now()
			timer := NewTimer(d, nil)
			<-timer.C
			if got := time.Since(began); got != d {
				t.Errorf("fired after %s, want %s", got, d)
			}
			timer.Stop()
		}
	})
}

// TestTimerAfterAStop: whatever the process missed the end of the time by, it
// runs for a moment before the time is up.
func TestTimerAfterAStop(t *testing.T) {
	for _, stop := range []struct{ from, till time.Duration }{
		{time.Second / 2, time.Hour},
		{time.Second / 2, time.Second},
		{time.Second / 2, time.Second + time.Millisecond},
		{time.Second - time.Millisecond, time.Minute},
		{time.Second - stretch/2, time.Second + stretch},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			timer := NewTimer(time.Second, nil)
			defer timer.Stop()
			time.Sleep(stop.from)
			stopProcess(timer, stop.till-stop.from)
			<-timer.C
			if ran := time.Since(began) - stop.till; ran < stretch/2 || ran > 2*stretch {
				t.Errorf("stopped from %s till %s: fired %s after that, want about %s", stop.from, stop.till, ran, stretch)
			}
		})
	}
}

// TestTimerResetWhenLate: an event that is taken before the timer is looked at
// does not hide that it is late.
func TestTimerResetWhenLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := NewTimer(time.Second, nil)
		defer timer.Stop()
		stopProcess(timer, time.Minute)
		timer.Reset(-59 * time.Second)
		began := time.Now()
		<-timer.C
		if got := time.Since(began); got != stretch {
			t.Errorf("fired %s after it was late, want %s", got, stretch)
		}
	})
}

// TestTimerWhileMoreComes: a late timer waits as long as more comes in, but not
// for ever.
func TestTimerWhileMoreComes(t *testing.T) {
	for _, parts := range []int64{0, 5, 1000} {
		synctest.Test(t, func(t *testing.T) {
			var heard int64
			timer := NewTimer(time.Second, func() int64 {
				heard = min(heard+1, parts)
				return heard
			})
			defer timer.Stop()
			stopProcess(timer, time.Minute)
			began := time.Now()
			<-timer.C
			want := max(1, min(time.Duration(parts), maxGraces)) * stretch
			if got := time.Since(began); got != want {
				t.Errorf("%d parts: fired after %s, want %s", parts, got, want)
			}
		})
	}
}

func TestWithLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("time is up")
		began := time.Now()
		ctx, cancel := WithLimit(t.Context(), time.Minute, cause)
		defer cancel()
		<-ctx.Done()
		if got := time.Since(began); got != time.Minute || !errors.Is(context.Cause(ctx), cause) {
			t.Errorf("done after %s with %v, want %s with %v", got, context.Cause(ctx), time.Minute, cause)
		}
		ctx, cancel = WithLimit(t.Context(), time.Minute, cause)
		cancel()
		if got := context.Cause(ctx); !errors.Is(got, context.Canceled) {
			t.Errorf("got cause %v, want canceled", got)
		}
	})
}
