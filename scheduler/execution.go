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
	assignment Assignment
	by         Membership // has claimed it
	cancel     context.CancelCauseFunc
	// halt is closed by a request to start no more hosts.
	halt chan struct{}
	// run is the number of the run; 0: it has none yet. Guarded by executions.mu.
	run int64
	// stopped: the run was cancelled because of a request to stop it, and halted: halt is
	// closed. They belong to Run's goroutine.
	stopped, halted bool
	// err is what execute returned, or its panic, whose stack is then set. Both are set
	// before the execution is sent to finished.
	err   error
	stack []byte
}

// executions are the claimed firings under way. They belong to Run's goroutine, except
// what says otherwise.
type executions struct {
	reporter
	// execute is Daemon.Execute.
	execute func(ctx context.Context, by Membership, t Assignment, halt <-chan struct{}, started func(run int64)) error
	// now reads the wall clock, from any goroutine.
	now func() time.Time
	// finished receives each execution that has finished; Run waits for all.
	finished chan *execution
	// running are those that have not been received from finished.
	running map[*execution]bool
	// mu guards execution.run.
	mu sync.Mutex
}

// runOf returns the number of the execution's run; 0: it has none yet.
func (e *executions) runOf(x *execution) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return x.run
}

// has reports whether an execution of the firing is under way under that registration.
func (e *executions) has(by Membership, firing int64) bool {
	for x := range e.running {
		if x.assignment.ID == firing && x.by == by {
			return true
		}
	}
	return false
}

// start executes a firing in its own goroutine, which sends to finished at its end.
func (e *executions) start(ctx context.Context, by Membership, t Assignment) {
	ctx, cancel := context.WithCancelCause(ctx)
	x := &execution{assignment: t, by: by, cancel: cancel, halt: make(chan struct{})}
	e.running[x] = true
	go func() {
		defer func() { e.finished <- x }()
		defer cancel(nil)
		defer func() {
			if r := recover(); r != nil {
				x.err, x.stack = fmt.Errorf("panic: %v", r), debug.Stack()
			}
		}()
		x.err = e.execute(ctx, by, t, x.halt, func(run int64) { e.started(x, run) })
	}()
}

// started notes the number of a run. The execution's goroutine calls it.
func (e *executions) started(x *execution, run int64) {
	e.mu.Lock()
	x.run = run
	e.mu.Unlock()
	var lag time.Duration
	attrs := append(assignmentAttrs(x.assignment), "run", run)
	if due := x.assignment.Firing.Due; !due.IsZero() && x.assignment.Repeats == 0 {
		lag = max(0, e.now().Sub(due))
		attrs = append(attrs, "lag_ms", lag.Milliseconds())
	}
	e.log.Info("job started", attrs...)
	e.observer.Started(x.assignment, run, lag)
}

// finish removes an execution that has finished. ok is true if it never had a run, so
// that its firing has to be closed as u says.
func (e *executions) finish(x *execution) (u unstarted, ok bool) {
	delete(e.running, x)
	run := e.runOf(x)
	attrs := append(assignmentAttrs(x.assignment), "run", run, "error", x.err)
	if x.stack != nil {
		e.log.Error("firing panicked", append(attrs, "stack", string(x.stack))...)
	}
	switch {
	case run == 0:
		if x.err == nil {
			x.err = errors.New("not started (unknown reason)")
		}
		return unstarted{x.assignment, NotStarted(x.err), x.err.Error()}, true
	case x.err != nil && x.stack == nil:
		e.log.Error("job failed with an error", attrs...)
	}
	return unstarted{}, false
}

// stop heeds the requests to stop runs: it halts or cancels their executions, each once.
func (e *executions) stop(requests map[int64]Stop) {
	for x := range e.running {
		run := e.runOf(x)
		request, ok := requests[run]
		attrs := append(assignmentAttrs(x.assignment), "run", run)
		switch {
		case !ok || x.stopped || request.Halt && x.halted:
		case request.Halt:
			x.halted = true
			e.log.Warn("starting no more hosts of a run on request", attrs...)
			close(x.halt)
		default:
			x.stopped = true
			e.log.Warn("stopping a run on request", attrs...)
			x.cancel(fanout.ErrKill)
		}
	}
}

// cancelAll cancels all executions with the cause.
func (e *executions) cancelAll(cause error) {
	for x := range e.running {
		x.cancel(cause)
	}
}
