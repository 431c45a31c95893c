package fanout

import "context"

// Bounded returns a sink for events that are produced faster than they are used, such
// as those of a record or of the network: it passes them on to sink, and waits while the
// output that sink holds (see Event.Hold) is as much as a run may have on its way, so that
// a slow reader does not fill memory. Unlike other sinks it heeds the context of Handle
// while it waits: its error is then the cause of the end.
func Bounded(sink Sink) Sink { return boundedTo(defaultOutputBudget, sink) }

func boundedTo(n int64, sink Sink) Sink {
	return &bounded{sink: sink, most: n, budget: &budget{free: n}}
}

type bounded struct {
	sink   Sink
	most   int64
	budget *budget
}

var _ Sink = (*bounded)(nil)

// Handle passes e on, once there is room for it.
func (b *bounded) Handle(ctx context.Context, e Event) error {
	if e.Kind != Output || e.chunk != nil {
		return b.sink.Handle(ctx, e)
	}
	data, number := e.Data, e.Number
	for first := true; first || len(data) > 0; first = false {
		e.Data = data[:min(int64(len(data)), b.most-chunkOverhead, maxChunk)]
		data = data[len(e.Data):]
		e.Number = number - int64(len(data))
		if err := b.pass(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *bounded) pass(ctx context.Context, e Event) error {
	if err := b.budget.take(ctx, cost(len(e.Data))); err != nil {
		return err
	}
	c := b.budget.chunk(e.Data)
	defer c.release()
	e.Data, e.chunk = c.data, c
	return b.sink.Handle(ctx, e)
}
