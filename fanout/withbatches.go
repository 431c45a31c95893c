package fanout

import "context"

// WithBatches returns a sink that passes on to sink the events of a run under p that was
// read from a record, and adds those that a record lacks: where batches start and finish.
func WithBatches(p Policy, sink Sink) Sink {
	if len(p.Batches) == 0 {
		return sink
	}
	return &batching{policy: p, sink: sink}
}

// batching adds the events of batches to those of a run.
type batching struct {
	policy Policy
	sink   Sink

	sizes []int // of the batches
	of    []int // the batch of each target, by its Index; batches count from 0
	left  []int // how many targets of each batch have not ended

	at       int  // the batch that has started last
	finished bool // its BatchFinished was passed on
	failed   int  // targets that count against the failure budget
	stopped  bool // no more targets start
	number   int64
}

var _ Sink = (*batching)(nil)

// Handle passes e on, and before or after it the events of batches.
func (b *batching) Handle(ctx context.Context, e Event) error {
	switch {
	case e.Kind == RunStarted:
		return b.begin(ctx, e)
	case e.Target == nil:
		return b.sink.Handle(ctx, e)
	}
	if b.isTried(&e) {
		if err := b.reach(ctx, &e, b.of[e.Target.Index]); err != nil {
			return err
		}
	}
	if err := b.sink.Handle(ctx, e); err != nil || e.Kind != TargetFinished {
		return err
	}
	b.count(&e)
	if b.left[b.at] > 0 || b.stopped || b.at+1 == len(b.sizes) {
		return nil
	}
	b.finished = true
	return b.tell(ctx, &e, Event{Kind: BatchFinished})
}

// begin cuts the plan of e into batches.
func (b *batching) begin(ctx context.Context, e Event) error {
	cut := newBatches(b.policy, len(e.Plan.Targets))
	b.of = make([]int, 0, cut.total)
	for n, left := 0, cut.total; left > 0; n++ {
		size := min(cut.size(n), left)
		left -= size
		b.sizes, b.left = append(b.sizes, size), append(b.left, size)
		for range size {
			b.of = append(b.of, n)
		}
	}
	b.number = e.Number
	if err := b.sink.Handle(ctx, e); err != nil || len(b.sizes) == 0 {
		return err
	}
	return b.start(ctx, &e)
}

// isTried reports whether e is about a target that was not passed over because the run
// was being stopped.
func (b *batching) isTried(e *Event) bool {
	return e.Kind != TargetFinished || e.Result.Attempts > 0
}

// reach starts the batches up to the one numbered batch.
func (b *batching) reach(ctx context.Context, e *Event, batch int) error {
	for b.at < batch {
		if !b.finished {
			if err := b.tell(ctx, e, Event{Kind: BatchFinished}); err != nil {
				return err
			}
		}
		b.at, b.finished = b.at+1, false
		if err := b.start(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// start tells that the batch at hand has started. A run with a single batch has none.
func (b *batching) start(ctx context.Context, e *Event) error {
	if len(b.sizes) == 1 {
		return nil
	}
	return b.tell(ctx, e, Event{Kind: BatchStarted, Batch: &Batch{Number: b.at + 1, Of: len(b.sizes), Hosts: b.sizes[b.at]}})
}

// tell passes on an event of a batch, which happens together with at.
func (b *batching) tell(ctx context.Context, at *Event, e Event) error {
	b.number++
	e.Time, e.RunID, e.Number = at.Time, at.RunID, b.number
	return b.sink.Handle(ctx, e)
}

// count takes note of how a target ended.
func (b *batching) count(e *Event) {
	b.left[b.of[e.Target.Index]]--
	outcome := e.Result.Outcome
	if outcome == Skipped || outcome == Canceled {
		b.stopped = true
	}
	if tolerated := b.policy.MaxFail; tolerated != nil && outcome.counts() {
		b.failed++
		b.stopped = b.stopped || b.failed > tolerated.toleratedOf(len(b.of))
	}
}
