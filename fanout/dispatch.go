package fanout

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A dispatcher decides which target starts when. It runs in the goroutine of Run and
// alone owns its fields; workers, at most Policy.Fanout of them, receive a target from
// jobs and return it through done. A worker is started when there is more to do than
// there are idle ones, so a small run starts few.
type dispatcher struct {
	run     *run
	targets []targetState
	summary Summary

	jobs    chan *targetState
	done    chan *targetState
	workers sync.WaitGroup
	idle    int // workers that wait for a job
	running int // attempts in progress

	batches batches
	emitted int        // batches whose BatchFinished has been emitted
	open    int        // targets of the current batch that have not ended
	ready   indexHeap  // targets that may start as soon as a worker is free
	gates   gates      // targets that wait for a gate stand there
	retries retryQueue // targets that wait for their next attempt

	failed  int  // targets that count against the failure budget
	stopped bool // no more targets are started
	// why is what stopped the run, and cut says that it mattered: a target was
	// skipped, stopped or denied another attempt.
	why Stopped
	cut bool
}

func newDispatcher(r *run) *dispatcher {
	d := &dispatcher{
		run:     r,
		targets: make([]targetState, len(r.plan.Targets)),
		jobs:    make(chan *targetState),
		done:    make(chan *targetState),
		batches: newBatches(r.plan.Policy, len(r.plan.Targets)),
		gates:   gates{},
	}
	for i := range r.plan.Targets {
		t := &r.plan.Targets[i]
		d.targets[i] = targetState{target: t, gates: d.gates.of(t)}
	}
	return d
}

// execute is the whole run except its first and last event.
func (d *dispatcher) execute(ctx context.Context) Summary {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	halt, request, done := d.run.opts.Halt, d.run.opts.HaltRequest, ctx.Done()

	for {
		d.emitBatch(ctx)
		d.begin(ctx)
		if d.open == 0 && d.batches.empty() {
			break
		}
		d.setAlarm(timer)
		select {
		case ts := <-d.done:
			d.idle++
			d.running--
			d.ended(ctx, ts)
		case <-timer.C:
		case <-halt:
			halt = nil
			d.stop(ctx, StoppedSignal)
		case <-request:
			request = nil
			d.stop(ctx, StoppedKill)
		case <-done:
			done = nil
			d.stop(ctx, stoppedBy(ctx))
		}
	}
	close(d.jobs)
	d.workers.Wait()
	d.summary.Stopped = d.stoppedBy(ctx)
	return d.summary
}

// stoppedBy says what cut the run short, if anything did.
func (d *dispatcher) stoppedBy(ctx context.Context) Stopped {
	switch {
	case !d.cut:
		return StoppedNone
	case ctx.Err() != nil:
		// What ends the attempts in progress outranks what only let them end.
		return stoppedBy(ctx)
	}
	return d.why
}

// stoppedBy says what canceled ctx.
func stoppedBy(ctx context.Context) Stopped {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrDeadline):
		return StoppedDeadline
	case errors.Is(cause, ErrSignal):
		return StoppedSignal
	case errors.Is(cause, ErrSink):
		return StoppedSink
	}
	return StoppedKill
}

// emitBatch emits BatchFinished, once, when the current batch has ended and another
// follows.
func (d *dispatcher) emitBatch(ctx context.Context) {
	if d.open > 0 || d.emitted == d.batches.count || d.batches.empty() {
		return
	}
	d.emitted = d.batches.count
	d.run.emit(ctx, Event{Kind: BatchFinished})
}

// begin starts the targets that may run now.
func (d *dispatcher) begin(ctx context.Context) {
	if d.stopped || ctx.Err() != nil {
		return
	}
	now := time.Now()
	for _, i := range d.retries.due(now) {
		heap.Push(&d.ready, i)
	}
	if d.open == 0 {
		next := d.batches.next(now)
		for _, i := range next {
			heap.Push(&d.ready, i)
			d.open++
		}
		if len(next) > 0 && d.batches.of > 1 {
			batch := Batch{Number: d.batches.count, Of: d.batches.of, Hosts: len(next)}
			d.run.emit(ctx, Event{Kind: BatchStarted, Batch: &batch})
		}
	}
	for d.running < max(1, d.run.plan.Policy.Fanout) {
		ts := d.takeReady()
		if ts == nil {
			return
		}
		d.running++
		d.assign(ctx, ts)
	}
}

// takeReady takes the first ready target all of whose gates are free, and passes
// them. Targets before it are left to wait at a gate that is not.
func (d *dispatcher) takeReady() *targetState {
	for len(d.ready) > 0 {
		i := heap.Pop(&d.ready).(int)
		ts := &d.targets[i]
		closed := firstClosed(ts.gates)
		if closed == nil {
			for _, g := range ts.gates {
				g.inside++
			}
			return ts
		}
		closed.waiting = append(closed.waiting, i)
		// The target may have been called up by a gate that it cannot use now;
		// the next one in line there gets the chance instead.
		d.callUp(ts.gates)
	}
	return nil
}

// callUp makes one target ready for each of gates that is open.
func (d *dispatcher) callUp(gates []*gate) {
	for _, g := range gates {
		if i, ok := g.next(); ok {
			heap.Push(&d.ready, i)
		}
	}
}

// assign hands ts to a worker.
func (d *dispatcher) assign(ctx context.Context, ts *targetState) {
	if d.idle > 0 {
		d.idle--
		d.jobs <- ts
		return
	}
	d.workers.Go(func() {
		for {
			d.run.attempt(ctx, ts)
			d.done <- ts
			var more bool
			if ts, more = <-d.jobs; !more {
				return
			}
		}
	})
}

// ended decides what follows an attempt.
func (d *dispatcher) ended(ctx context.Context, ts *targetState) {
	for _, g := range ts.gates {
		g.inside--
	}
	d.callUp(ts.gates)
	retry := ts.mayRetry(d.run.plan.Policy.Retry)
	if retry && !d.stopped && ctx.Err() == nil {
		delay := Backoff(d.run.plan.Policy.Retry.Delay, maxRetryDelay, ts.attempts)
		d.retries.add(ts.target.Index, time.Now().Add(delay))
		d.run.emit(ctx, Event{Kind: TargetRetrying, Target: ts.target, Attempt: ts.attempts, Delay: delay, Result: ts.result})
		return
	}
	if f := ts.result.Report.Failure; retry || f != nil && (f.Op == OpCanceled || f.Op == OpDeadline) {
		d.cut = true
	}
	d.finish(ctx, ts)
}

// finish makes the result of ts's last attempt its result, or skips it.
func (d *dispatcher) finish(ctx context.Context, ts *targetState) {
	if ts.attempts == 0 {
		ts.result = &Result{Target: *ts.target, Outcome: Skipped, QueuedAt: d.run.started}
	} else {
		d.run.opts.Executor.Release(*ts.target)
	}
	d.open--
	result := ts.result
	ts.result = nil
	d.summary.Add(*result)
	d.run.emit(ctx, Event{Kind: TargetFinished, Target: ts.target, Attempt: ts.attempts, Result: result})
	d.spend(ctx, result)
}

// spend takes a failure from the budget and stops the run when it is used up.
func (d *dispatcher) spend(ctx context.Context, r *Result) {
	tolerated := d.run.plan.Policy.MaxFail
	if tolerated == nil || !r.Outcome.counts() {
		return
	}
	d.failed++
	if d.stopped || d.failed <= tolerated.toleratedOf(len(d.targets)) {
		return
	}
	d.summary.SpentBy = r.Target.Name
	d.stop(ctx, StoppedBudget)
}

// stop starts no more targets: those never tried are skipped, and those that wait for
// another attempt keep the outcome of their last one.
func (d *dispatcher) stop(ctx context.Context, why Stopped) {
	if d.stopped {
		return
	}
	d.stopped, d.why = true, why
	left := d.ready
	left = append(left, d.gates.drain()...)
	left = append(left, d.retries.drain()...)
	rest := d.batches.drain()
	d.open += len(rest)
	left = append(left, rest...)
	d.ready = nil
	d.cut = d.cut || len(left) > 0
	slices.Sort(left)
	for _, i := range left {
		d.finish(ctx, &d.targets[i])
	}
}

// setAlarm wakes the loop when a retry is due or a pause is over.
func (d *dispatcher) setAlarm(timer *time.Timer) {
	timer.Stop()
	at := d.retries.first()
	if at.IsZero() {
		// A pause begins only when nothing of the batch before is left.
		at = d.batches.resumeAt
	}
	if !at.IsZero() && !d.stopped {
		timer.Reset(max(0, time.Until(at)))
	}
}
