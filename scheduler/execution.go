package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"tutti/fanout"
)

// An execution is a claimed firing under way.
type execution struct {
	ticket Assignment
	by     Membership // has claimed it
	cancel context.CancelCauseFunc
	// run is the number of the run; 0: it has none yet. executions.mu guards it.
	run int64
	// stopped: there was a request to stop the run, and it was passed on. It belongs
	// to Run's goroutine.
	stopped bool
	// err is what went wrong, and stack where, if it was a panic. They are set
	// before the execution has finished.
	err   error
	stack []byte
}

// executions are what is under way. They belong to Run's goroutine, except what says
// otherwise.
type executions struct {
	reporter
	// execute is Daemon.Execute.
	execute func(ctx context.Context, by Membership, t Assignment, begun func(run int64)) error
	// now reads the wall clock, from any goroutine.
	now func() time.Time
	// finished takes those that have finished. Each is waited for.
	finished chan *execution
	// running are the others.
	running map[*execution]bool
	// mu guards the numbers of the runs.
	mu sync.Mutex
}

// runOf is the number of the execution's run.
func (e *executions) runOf(x *execution) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return x.run
}

// has reports whether the firing is under way, claimed by that registration.
func (e *executions) has(by Membership, firing int64) bool {
	for x := range e.running {
		if x.ticket.ID == firing && x.by == by {
			return true
		}
	}
	return false
}

// start runs a firing in a goroutine of its own, which is waited for at finished.
func (e *executions) start(ctx context.Context, by Membership, t Assignment) {
	ctx, cancel := context.WithCancelCause(ctx)
	x := &execution{ticket: t, by: by, cancel: cancel}
	e.running[x] = true
	go func() {
		defer func() { e.finished <- x }()
		defer cancel(nil)
		defer func() {
			if r := recover(); r != nil {
				x.err, x.stack = fmt.Errorf("panic: %v", r), debug.Stack()
			}
		}()
		x.err = e.execute(ctx, by, t, func(run int64) { e.begun(x, run) })
	}()
}

// begun notes the number of a run; the goroutine of the firing calls it.
func (e *executions) begun(x *execution, run int64) {
	e.mu.Lock()
	x.run = run
	e.mu.Unlock()
	var lag time.Duration
	attrs := append(ticketAttrs(x.ticket), "run", run)
	if due := x.ticket.Firing.Due; !due.IsZero() && x.ticket.Repeats == 0 {
		lag = max(0, e.now().Sub(due))
		attrs = append(attrs, "lag_ms", lag.Milliseconds())
	}
	e.log.Info("job started", attrs...)
	e.observer.Begun(x.ticket, run, lag)
}

// finish takes in an execution that has finished. If it never had a run, its firing is
// to be closed, and ok is true.
func (e *executions) finish(x *execution) (u unstarted, ok bool) {
	delete(e.running, x)
	run := e.runOf(x)
	attrs := append(ticketAttrs(x.ticket), "run", run, "error", x.err)
	if x.stack != nil {
		e.log.Error("firing panicked", append(attrs, "stack", string(x.stack))...)
	}
	switch {
	case run == 0:
		if x.err == nil {
			x.err = errors.New("not started (unknown reason)")
		}
		return unstarted{x.ticket, NotStarted(x.err), x.err.Error()}, true
	case x.err != nil && x.stack == nil:
		e.log.Error("job failed with an error", attrs...)
	}
	return unstarted{}, false
}

// stop stops those of the runs that are under way, once each.
func (e *executions) stop(runs map[int64]bool) {
	for x := range e.running {
		run := e.runOf(x)
		if x.stopped || !runs[run] {
			continue
		}
		x.stopped = true
		e.log.Warn("stopping a run on request", append(ticketAttrs(x.ticket), "run", run)...)
		x.cancel(fanout.ErrKill)
	}
}

// cancelAll stops everything.
func (e *executions) cancelAll(cause error) {
	for x := range e.running {
		x.cancel(cause)
	}
}
