package fanout

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A holding sink keeps what it gets.
type holding struct {
	held     [][]byte
	numbers  []int64
	releases []func()
}

func (h *holding) Handle(_ context.Context, e Event) error {
	h.held, h.numbers, h.releases = append(h.held, e.Data), append(h.numbers, e.Number), append(h.releases, e.Hold())
	return nil
}

// A sink that holds output gets no more than the bound until it releases some; what it
// holds stays as it was.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holding{}
		const room = 10
		sink := boundedTo(4*cost(room), h)
		told := 0
		go func() {
			data := make([]byte, room)
			for i := range 6 {
				for j := range data {
					data[j] = byte(i)
				}
				if err := sink.Handle(t.Context(), Event{Kind: Output, Target: &Target{}, Data: data, Number: int64(i)}); err != nil {
					t.Error(err)
				}
				told++
			}
		}()
		synctest.Wait()
		if told != 4 {
			t.Errorf("got %d events, want 4 as long as none is released", told)
		}
		h.releases[0]()
		synctest.Wait()
		if told != 5 {
			t.Errorf("got %d events, want 5", told)
		}
		for _, release := range h.releases[1:] {
			release()
		}
		synctest.Wait()
		h.releases[5]()
		for i, data := range h.held[1:] {
			if i < 4 && !bytes.Equal(data, bytes.Repeat([]byte{byte(i + 1)}, room)) {
				t.Errorf("got %v at %d", data, i+1)
			}
		}
	})
}

// An event that is larger than the bound comes in pieces, which are numbered as those of a
// run; what has no data is not held up.
func TestBoundedPieces(t *testing.T) {
	h := &holding{}
	sink := boundedTo(cost(4), SinkFunc(func(ctx context.Context, e Event) error {
		err := h.Handle(ctx, e)
		h.releases[len(h.releases)-1]()
		return err
	}))
	for _, e := range []Event{
		{Kind: Output, Target: &Target{}, Data: []byte("0123456789"), Number: 12},
		{Kind: Output, Target: &Target{}, Omitted: 5, Number: 17},
		{Kind: TargetFinished, Target: &Target{}, Number: 20},
	} {
		if err := sink.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(bytes.Join(h.held, []byte("|"))); got != "0123|4567|89||" || h.numbers[0] != 6 || h.numbers[1] != 10 || h.numbers[2] != 12 || h.numbers[3] != 17 {
		t.Errorf("got %q, %v", got, h.numbers)
	}
}

// Who waits for room is let go by the end of its context.
func TestBoundedEnds(t *testing.T) {
	h, over := &holding{}, errors.New("over")
	sink := boundedTo(cost(4), h)
	ctx, cancel := context.WithCancelCause(t.Context())
	e := Event{Kind: Output, Target: &Target{}, Data: []byte("0123")}
	if err := sink.Handle(ctx, e); err != nil {
		t.Fatal(err)
	}
	cancel(over)
	if err := sink.Handle(ctx, e); !errors.Is(err, over) || len(h.held) != 1 {
		t.Errorf("got %v, %d events", err, len(h.held))
	}
	h.releases[0]()
}
