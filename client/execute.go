package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tutti/api"
	"tutti/fanout"
	"tutti/store"
)

const (
	// waitTime is how long a run may wait for its start before that is reported.
	waitTime = 2 * time.Second
	// stopAgain is how often a server that is away is asked again to stop a run.
	stopAgain = 2 * time.Second
)

// The ways to stop a run.
const (
	// StopHalt starts no more hosts, and StopEnd also stops the commands that are running.
	StopHalt = "halt"
	StopEnd  = "end"
)

// An Execution is a run that a server executes, as it is shown here.
type Execution struct {
	Run int64
	// Hosts are its hosts in the order of its plan, and Policy is how it goes over them.
	Hosts  []string
	Policy fanout.Policy
	// Sink gets what happens, as of a run of this process.
	Sink fanout.Sink
	// Halt, once closed, has the server start no more hosts; nil: never.
	Halt <-chan struct{}
	// Grace is how long the end of a run that is being stopped is waited for.
	Grace time.Duration
	// Lost is called when the connection is lost for the first time: it is tried again.
	Lost func(error)
	// Waits is called if the run has not started after a while.
	Waits func()
	// Refused is called if the run could not be stopped.
	Refused func(error)
}

// A GoneError says that a run was left before its end: the server executes it without
// being watched.
type GoneError struct {
	Run int64
	// Stopped: the server was asked to stop the run.
	Stopped bool
	err     error
}

func (e *GoneError) Error() string {
	if e.Stopped {
		return fmt.Sprintf("run %d is being stopped there, and has not ended so far", e.Run)
	}
	return fmt.Sprintf("%s; run %d continues there", e.err, e.Run)
}
func (e *GoneError) Unwrap() error { return e.err }

// errGrace is why a run that is to stop is not waited for any more.
var errGrace = errors.New("the server did not stop it in time")

// Execute passes the events of a submitted run to x.Sink until its end, and returns its summary: what
// [fanout.Run] does with a run of this process. When ctx ends the run is stopped as by
// [StopEnd], and its end is still waited for. An error is that of the sink, then the run
// is stopped too, or a [*GoneError].
func (r *Runner) Execute(ctx context.Context, x *Execution) (fanout.Summary, error) {
	attended := ctx
	following, leave := context.WithCancelCause(context.WithoutCancel(ctx))
	defer leave(nil)
	w := &attendant{r: r, x: x, started: make(chan struct{}), over: make(chan struct{}), leave: leave}
	var last fanout.Summary
	seen := fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		switch e.Kind {
		case fanout.RunStarted:
			close(w.started)
		case fanout.RunFinished:
			last = *e.Summary
			last.Stopped = w.stoppedBy(attended, last.Stopped)
			e.Summary = &last
		}
		return x.Sink.Handle(ctx, e)
	})
	s := &stream{c: r.c, names: x.Hosts, query: values("until", "live"), known: true, lost: x.Lost}
	s.to = &onward{sink: fanout.Bounded(fanout.WithBatches(x.Policy, seen))}
	var err error
	if s.request, err = newRequest(http.MethodGet, "runs", number(x.Run), "events"); err != nil {
		return last, err
	}
	var attending sync.WaitGroup
	attending.Go(func() { w.attend(ctx, following) })
	err = s.play(following)
	close(w.over)
	attending.Wait()
	switch {
	case err == nil:
		return last, nil
	case s.to.err != nil && following.Err() == nil: // what cannot be shown here is not to go on
		if !w.stopped {
			w.stop(following, StopEnd, time.Now().Add(stopAgain))
		}
		return last, s.to.err
	}
	return last, &GoneError{x.Run, w.stopped, err}
}

// An attendant tells the server what the operator wants of a run.
type attendant struct {
	r *Runner
	x *Execution
	// started is closed when the run has started, and over when its end is known here.
	started, over chan struct{}
	leave         context.CancelCauseFunc
	// stopped: the server knows that the run is to stop. asked: it knows that it is to stop,
	// or to start no more hosts.
	stopped bool
	asked   atomic.Bool
}

// stoppedBy is what stopped the run, for who asked for it here: ctx is the operator's. For
// the server it was another process.
func (w *attendant) stoppedBy(ctx context.Context, why fanout.Stopped) fanout.Stopped {
	switch {
	case why != fanout.StoppedKill || !w.asked.Load():
		return why
	case errors.Is(context.Cause(ctx), fanout.ErrSink):
		return fanout.StoppedSink
	}
	return fanout.StoppedSignal
}

// attend waits for what the operator wants, until the run is over.
func (w *attendant) attend(ctx, following context.Context) {
	waiting := time.NewTimer(waitTime)
	defer waiting.Stop()
	started, halt := w.started, w.x.Halt
	for {
		select {
		case <-started:
			started = nil
			waiting.Stop()
		case <-waiting.C:
			if w.x.Waits != nil {
				w.x.Waits()
			}
		case <-halt:
			halt = nil
			w.halt(ctx, following)
		case <-ctx.Done():
			w.end(following)
			return
		case <-w.over:
			return
		}
	}
}

// halt has no more hosts started, unless ctx ends first: the next Ctrl-C does not wait.
func (w *attendant) halt(ctx, following context.Context) {
	halting, cancel := context.WithCancel(following)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	w.stop(halting, StopHalt, time.Now())
}

// end stops the run, and gives its end the grace.
func (w *attendant) end(following context.Context) {
	grace := time.AfterFunc(w.x.Grace, func() { w.leave(errGrace) })
	defer grace.Stop()
	w.stop(following, StopEnd, time.Now().Add(w.x.Grace))
	<-w.over
}

// stop has the server stop the run. A server that is away is asked again until a time.
func (w *attendant) stop(ctx context.Context, how string, until time.Time) {
	for {
		err := w.r.Stop(ctx, w.x.Run, how)
		switch {
		case err == nil || errors.As(err, new(*store.KillError)): // or it has just ended
			w.stopped = w.stopped || how == StopEnd
			w.asked.Store(true)
			return
		case ctx.Err() != nil:
			return
		}
		away := errors.As(err, new(*UnreachableError)) || errors.As(err, new(*busyError)) || errors.As(err, new(*cutError))
		if !away || !time.Now().Add(stopAgain).Before(until) {
			if w.x.Refused != nil {
				w.x.Refused(err)
			}
			return
		}
		select {
		case <-time.After(stopAgain):
		case <-w.over:
			return
		}
	}
}

// Stop stops a run in one of the two ways. The error is a [*store.KillError] if it has
// ended.
func (r *Runner) Stop(ctx context.Context, run int64, how string) error {
	var killed api.Killed
	if err := r.c.send(ctx, http.MethodPost, api.KillRequest{How: how}, &killed, "runs", number(run), "kill"); err != nil {
		return err
	}
	if killed.RequestedAt == nil {
		return store.RunEndedError(run)
	}
	return nil
}
