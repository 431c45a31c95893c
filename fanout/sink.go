package fanout

import (
	"context"
	"errors"
)

// A Sink receives the events of a run.
//
// Handle is called serially, and must not wait for a peer: the sink queues what a
// slow terminal, pipe or disk does not accept (see Event.Hold). Its ctx
// is not canceled with the run, so that an interrupted run is reported to its
// end. An error ends the run; a sink that can do without its destination keeps
// the error to itself.
type Sink interface {
	Handle(ctx context.Context, e Event) error
}

// SinkFunc is a function that is a Sink.
type SinkFunc func(ctx context.Context, e Event) error

// Handle calls f.
func (f SinkFunc) Handle(ctx context.Context, e Event) error { return f(ctx, e) }

// Tee passes every event to each of sinks, in their order. A sink that returns
// an error is not called again, and the others go on, also those of a Tee
// within a Tee. Nil sinks are left out.
func Tee(sinks ...Sink) Sink {
	t := &tee{}
	for _, s := range sinks {
		switch s := s.(type) {
		case nil:
		case *tee:
			t.sinks = append(t.sinks, s.sinks...)
		default:
			t.sinks = append(t.sinks, s)
		}
	}
	return t
}

type tee struct{ sinks []Sink }

var _ Sink = (*tee)(nil)

func (t *tee) Handle(ctx context.Context, e Event) error {
	var errs []error
	for i, s := range t.sinks {
		if s == nil {
			continue
		}
		if err := s.Handle(ctx, e); err != nil {
			errs = append(errs, err)
			t.sinks[i] = nil
		}
	}
	return errors.Join(errs...)
}
