package runner

import (
	"context"
	"fmt"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// heedAfter is how long a run goes on before it looks for a request to stop
// it: most are over by then. It is also how soon it looks again if the history
// could not be read.
const heedAfter = time.Second

// heedStops watches for requests by other processes to stop a run of this one. The
// returned context ends with the cause fanout.ErrKill once its commands are to be stopped,
// and halt is closed once no more hosts are to be started. heeded stops watching, and
// waits for that.
func (l *Launch) heedStops(ctx context.Context, run int64) (running context.Context, halt <-chan struct{}, heeded func()) {
	running, cancel := context.WithCancelCause(ctx)
	halted, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		halt := func(by string) {
			close(halted)
			l.Warn(fmt.Sprintf("run %d was halted by %s: no more hosts are started, and running commands go on", run, by))
		}
		if awaitStop(running, l.History.store, run, halt) {
			cancel(fanout.ErrKill)
		}
	}()
	return running, halted, func() {
		cancel(nil)
		<-done
	}
}

// awaitStop waits for a request to stop the commands of the run, and reports whether there
// was one; false once ctx is done. It calls halt once, after a request that only halts it.
func awaitStop(ctx context.Context, s store.Store, run int64, halt func(by string)) bool {
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
		switch {
		case err != nil:
			timer.Reset(heedAfter)
		case len(stops) > 0 && !stops[0].Halt:
			return true
		case len(stops) > 0 && halt != nil:
			halt(stops[0].By)
			halt = nil
		}
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
}
