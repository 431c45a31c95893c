package fanout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// defaultOutputBudget is enough to keep a fast reader busy, and small compared with the
// memory of a large run's connections; sinks need as much again for their queued form
// of the bytes.
const defaultOutputBudget = 16 << 20

// maxChunk bounds the bytes of one Output event.
const maxChunk = 64 << 10

// Options are what a run needs in addition to its plan.
type Options struct {
	// RunID is the run's number in the history; 0 without one.
	RunID int64
	// Executor is required.
	Executor Executor
	// Sink receives the events. Nil: they are discarded.
	Sink Sink
	// Journal records starts. Nil: they are not recorded.
	Journal Journal
	// Halt and HaltRequest, once closed, start no more targets; running ones continue.
	// The run was stopped by a signal then, or on request. Nil: never.
	Halt, HaltRequest <-chan struct{}
	// OutputBudget bounds the memory for output that has been taken from the
	// hosts and not yet been released by every sink, in bytes. 0: 16 MiB.
	OutputBudget int64
}

// Run executes plan and returns when every target has ended and the sink has seen it.
// The end of ctx stops running commands; its cause says why (see ErrDeadline and the
// errors next to it). The error is the first of the sink, or says that the plan is not
// well formed, in which case nothing was done.
func Run(ctx context.Context, plan Plan, opts Options) (Summary, error) {
	if err := plan.check(); err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if d := plan.Policy.Deadline; d > 0 {
		var stop context.CancelFunc
		ctx, stop = WithLimit(ctx, d, ErrDeadline)
		defer stop()
	}

	r := &run{
		plan:    &plan,
		opts:    opts,
		budget:  &budget{free: opts.OutputBudget},
		sink:    Tee(opts.Sink),
		lock:    make(chan struct{}, 1),
		cancel:  cancel,
		started: time.Now(),
		numbers: make([]Numbering, len(plan.Targets)),
	}
	if r.budget.free <= 0 {
		r.budget.free = defaultOutputBudget
	}
	r.budget.free = max(r.budget.free, 2*chunkOverhead)
	r.chunkSize = int(min(maxChunk, r.budget.free-chunkOverhead))

	r.emit(ctx, Event{Kind: RunStarted, Plan: &plan})
	summary := newDispatcher(r).execute(ctx)
	summary.Started, summary.Ended = r.started, time.Now()
	r.emit(ctx, Event{Kind: RunFinished, Summary: &summary})
	return summary, r.sinkErr
}

func (p Plan) check() error {
	if err := p.Task.Check(); err != nil {
		return err
	}
	names := make(map[string]bool, len(p.Targets))
	for i, t := range p.Targets {
		if t.Index != i {
			return fmt.Errorf("target %q has index %d in place %d of the plan", t.Name, t.Index, i)
		}
		if names[t.Name] {
			return fmt.Errorf("target %q is twice in the plan", t.Name)
		}
		names[t.Name] = true
	}
	return nil
}

// run is what the dispatcher and the attempts of one Run share.
type run struct {
	plan      *Plan
	opts      Options
	budget    *budget
	chunkSize int
	sink      Sink
	cancel    context.CancelCauseFunc
	started   time.Time

	// lock makes events serial. It is a channel and not a mutex so that a test
	// with a fake clock sees a goroutine that waits for it as idle.
	lock    chan struct{}
	sinkErr error       // guarded by lock, as is the rest
	numbers []Numbering // of the targets, by their Index
	number  int64       // of the last event that is about no target
}

// emit passes e to the sink.
func (r *run) emit(ctx context.Context, e Event) {
	r.lock <- struct{}{}
	r.emitLocked(ctx, e)
	<-r.lock
}

func (r *run) emitLocked(ctx context.Context, e Event) {
	e.Time = time.Now()
	e.RunID = r.opts.RunID
	e.Number = r.nextNumber(&e)
	err := r.sink.Handle(context.WithoutCancel(ctx), e)
	if err == nil || r.sinkErr != nil {
		return
	}
	r.sinkErr = err
	r.cancel(fmt.Errorf("%w: %w", ErrSink, err))
}

func (r *run) nextNumber(e *Event) int64 {
	switch {
	case e.Target != nil:
		return r.numbers[e.Target.Index].Next(e)
	case e.Kind == RunFinished:
		return r.plan.Policy.LastNumber(len(r.plan.Targets))
	}
	r.number++
	return r.number
}

// A targetState is the progress of one target. The dispatcher owns it, and lends it to
// a worker for the time of an attempt.
type targetState struct {
	target   *Target
	gates    []*gate
	attempts int
	begunAt  time.Time
	result   *Result // of the last attempt; nil without one, and once it was emitted
}

// attempt makes the next attempt at ts.
func (r *run) attempt(ctx context.Context, ts *targetState) {
	ts.attempts++
	if ts.begunAt.IsZero() {
		ts.begunAt = time.Now()
	}
	a := &attempt{run: r, target: ts.target, n: ts.attempts}
	r.emit(ctx, Event{Kind: TargetConnecting, Target: ts.target, Attempt: a.n})
	stdout := &outputWriter{attempt: a, ctx: ctx, stream: Stdout}
	stderr := &outputWriter{attempt: a, ctx: ctx, stream: Stderr}
	report := r.opts.Executor.Exec(ctx, Attempt{
		RunID:    r.opts.RunID,
		N:        a.n,
		Target:   *ts.target,
		Targets:  len(r.plan.Targets),
		Starting: a.starting,
	}, r.plan.Task, stdout, stderr)
	a.end()

	result := &Result{
		Target:      *ts.target,
		Outcome:     report.Outcome(),
		Report:      report,
		Attempts:    a.n,
		QueuedAt:    r.started,
		BegunAt:     ts.begunAt,
		EndedAt:     time.Now(),
		StdoutBytes: a.bytes[Stdout],
		StderrBytes: a.bytes[Stderr],
	}
	if report.Started {
		result.StartedAt = a.startedAt
	}
	ts.result = result
}

// attempt is what the executor's calls into one attempt share.
type attempt struct {
	run    *run
	target *Target
	n      int

	// The rest is guarded by run.lock until the executor has returned.
	startedAt time.Time
	bytes     [2]int64
	over      bool
}

// starting is Attempt.Starting: first the journal, then the event.
func (a *attempt) starting(ctx context.Context, address string) error {
	if j := a.run.opts.Journal; j != nil {
		if err := j.Starting(ctx, *a.target, a.n, address); err != nil {
			return err
		}
	}
	a.run.lock <- struct{}{}
	a.startedAt = time.Now()
	a.run.emitLocked(ctx, Event{Kind: TargetStarted, Target: a.target, Attempt: a.n, Address: address})
	<-a.run.lock
	return nil
}

// end makes sure that no event of the attempt follows.
func (a *attempt) end() {
	a.run.lock <- struct{}{}
	a.over = true
	<-a.run.lock
}

var errAttemptOver = errors.New("the attempt is over")

// An outputWriter turns what a host writes to one stream into events. It waits
// for the byte budget, never for the sink. Its context is that of the attempt,
// for which io.Writer has no parameter.
type outputWriter struct {
	attempt *attempt
	ctx     context.Context
	stream  Stream
}

func (w *outputWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		piece := p[written:min(len(p), written+w.attempt.run.chunkSize)]
		if err := w.writeChunk(piece); err != nil {
			return written, err
		}
		written += len(piece)
	}
	return written, nil
}

func (w *outputWriter) writeChunk(p []byte) error {
	a, r := w.attempt, w.attempt.run
	// The budget comes before the lock: a host that has to wait for it must
	// not keep the others from being heard.
	if err := r.budget.take(w.ctx, cost(len(p))); err != nil {
		return err
	}
	c := r.budget.chunk(p)
	defer c.release()

	r.lock <- struct{}{}
	defer func() { <-r.lock }()
	if a.over {
		return errAttemptOver
	}
	a.bytes[w.stream] += int64(len(p))
	r.emitLocked(w.ctx, Event{
		Kind:    Output,
		Target:  a.target,
		Attempt: a.n,
		Stream:  w.stream,
		Data:    c.data,
		chunk:   c,
	})
	return nil
}
