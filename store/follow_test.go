package store

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// A turning run waits, and then is over: each look sees the next state.
type turning struct{ states []State }

func (w *turning) Now(context.Context) (Run, error) {
	run := Run{ID: 1, State: w.states[0]}
	if len(w.states) > 1 {
		w.states = w.states[1:]
	}
	return run, nil
}

func (w *turning) Plan(context.Context) (string, error)                        { return "{}", nil }
func (w *turning) Places(context.Context, Filter) ([]HostPlace, error)         { return nil, nil }
func (w *turning) Hosts(context.Context, []int) (map[int]*RecordedHost, error) { return nil, nil }
func (w *turning) States(context.Context, []int) ([]HostState, error)          { return nil, nil }
func (w *turning) Fault(err error) error                                       { return err }

func (w *turning) Output(context.Context, string, int, int, int) ([]fanout.Event, error) {
	return nil, nil
}

type heard []fanout.Kind

func (h *heard) Handle(_ context.Context, e fanout.Event) error {
	*h = append(*h, e.Kind)
	return nil
}

// TestFollowOfAQueuedRun: a follower gets no event of a run before it has started.
func TestFollowOfAQueuedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, began := &turning{states: []State{Queued, Queued, Queued, Finished}}, &heard{}, time.Now()
		if err := Follow(t.Context(), w, Filter{}, h, nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*lookAgain || len(*h) != 2 || (*h)[0] != fanout.RunStarted || (*h)[1] != fanout.RunFinished {
			t.Errorf("got %v after %s, want a start and an end after three looks", *h, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h = &heard{}
		if err := Follow(ctx, &turning{states: []State{Queued}}, Filter{}, h, nil); err == nil || len(*h) > 0 {
			t.Errorf("got %v, %v of one that never starts, want nothing", *h, err)
		}
	})
}
