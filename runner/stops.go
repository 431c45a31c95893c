package runner

import (
	"context"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// heedAfter is how long a run goes on before it looks for a request to stop
// it: most are over by then. It is also how soon it looks again if the history
// could not be read.
const heedAfter = time.Second

// heedStops returns a context that ends with the cause fanout.ErrKill once another
// process has asked to stop a run of this one. heeded stops watching, and waits for
// that.
func heedStops(ctx context.Context, s store.Store, run int64) (running context.Context, heeded func()) {
	running, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if awaitStop(running, s, run) {
			cancel(fanout.ErrKill)
		}
	}()
	return running, func() {
		cancel(nil)
		<-done
	}
}

// awaitStop waits for a request to stop the run, and reports whether there was one;
// false once ctx is done.
func awaitStop(ctx context.Context, s store.Store, run int64) bool {
	timer := time.NewTimer(heedAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	wake, end := s.Wake()
	defer end()
	for {
		stops, err := s.Stops(ctx, []int64{run})
		if err != nil {
			timer.Reset(heedAfter)
		}
		if len(stops) > 0 {
			return true
		}
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
}
