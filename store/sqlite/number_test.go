package sqlite

import (
	"fmt"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// A watched host is what a watcher has of it live.
type watched struct {
	numbers fanout.Numbering
	steps   map[string]int64        // by kind and attempt
	bytes   map[place]byte          // by their numbers
	last    map[fanout.Stream]int64 // of the output so far
}

// A place is the number of a byte of output.
type place struct {
	stream fanout.Stream
	number int64
}

func newWatched() *watched {
	return &watched{steps: map[string]int64{}, bytes: map[place]byte{}, last: map[fanout.Stream]int64{}}
}

func stepOf(e *fanout.Event) string { return fmt.Sprint(e.Kind, " of attempt ", e.Attempt) }

// live notes e, the next event of the host.
func (w *watched) live(e *fanout.Event) {
	e.Number = w.numbers.Next(e)
	if e.Kind != fanout.Output {
		w.steps[stepOf(e)] = e.Number
		return
	}
	for i, b := range e.Data {
		w.bytes[place{e.Stream, e.Number - int64(len(e.Data)-1-i)}] = b
	}
	w.last[e.Stream] = e.Number
}

// check compares events of a replay with those that were live.
func (w *watched) check(t *testing.T, events []fanout.Event) {
	t.Helper()
	last, before := map[fanout.Stream]int64{}, int64(0)
	for _, e := range events {
		if e.Target == nil {
			continue
		}
		if e.Kind != fanout.Output {
			if want := w.steps[stepOf(&e)]; e.Number != want || e.Number <= max(before, last[fanout.Stdout], last[fanout.Stderr]) {
				t.Fatalf("%s: got number %d, want %d, above all before", stepOf(&e), e.Number, want)
			}
			before = e.Number
			continue
		}
		if first := e.Number - int64(len(e.Data)) - e.Omitted; first < max(before, last[e.Stream]) {
			t.Fatalf("%v of attempt %d: got number %d for %d bytes after %d", e.Stream, e.Attempt, e.Number, len(e.Data), last[e.Stream])
		}
		for i, got := range e.Data {
			at := place{e.Stream, e.Number - int64(len(e.Data)-1-i)}
			if want, ok := w.bytes[at]; !ok || got != want {
				t.Fatalf("%v of attempt %d: number %d: got %q, live it was %q (%t)", e.Stream, e.Attempt, at.number, got, want, ok)
			}
		}
		last[e.Stream] = e.Number
	}
	for stream, want := range w.last {
		if last[stream] != want {
			t.Errorf("%v: got %d as the last number, want %d", stream, last[stream], want)
		}
	}
}

// TestNumbersOfAReplay: whatever is left out of the record, and however it is ordered
// there, each byte and each step of a host has the number that it had live; that of the
// last byte also while the host is running.
func TestNumbersOfAReplay(t *testing.T) {
	letters := func(first byte, n int) string {
		data := make([]byte, n)
		for i := range data {
			data[i] = first + byte(i*i/7%26)
		}
		return string(data)
	}
	type piece struct {
		stream fanout.Stream
		data   string
	}
	var byTurns []piece
	for i := range 6000 { // above the number that is recorded in the order of arrival
		byTurns = append(byTurns, piece{fanout.Stream(i % 2), letters("aA"[i%2]+byte(i%17), 1+i%3)})
	}
	long := []piece{{fanout.Stdout, letters('a', 100_000)}, {fanout.Stderr, "E"}, {fanout.Stdout, "yy"}}
	tests := []struct {
		name   string
		limit  int64
		pieces []piece
	}{
		{"all is recorded", 0, long},
		{"a gap before the other stream", 1000, long},
		{"gaps in both", 1000, append(append([]piece{}, long...), piece{fanout.Stderr, letters('A', 5000)}, piece{fanout.Stdout, "z"})},
		{"nothing is recorded", -1, long},
		{"by turns", 0, byTurns},
		{"by turns, with gaps", 1000, byTurns},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			p := testPlan("a")
			target := &p.Targets[0]
			r := begin(t, s, p, store.RunInfo{RecordLimit: tt.limit})
			w := newWatched()
			tell := func(e fanout.Event) {
				e.Target, e.Time = target, at(20)
				w.live(&e)
				handle(t, r, e)
			}
			var results []*fanout.Result
			for attempt := 1; attempt <= 2; attempt++ {
				tell(fanout.Event{Kind: fanout.TargetConnecting, Attempt: attempt})
				tell(fanout.Event{Kind: fanout.TargetStarted, Attempt: attempt})
				var size [2]int64
				for _, x := range tt.pieces {
					tell(fanout.Event{Kind: fanout.Output, Attempt: attempt, Stream: x.stream, Data: []byte(x.data)})
					size[x.stream] += int64(len(x.data))
				}
				if attempt == 2 {
					if err := r.Starting(t.Context(), *target, attempt, ""); err != nil { // all of it is on disk now
						t.Fatal(err)
					}
					w.check(t, replayed(t, s, r.RunID(), store.Filter{}))
				}
				result := finished(*target, attempt, 1, size[fanout.Stdout], size[fanout.Stderr])
				results = append(results, result)
				kind := []fanout.Kind{fanout.TargetRetrying, fanout.TargetFinished}[attempt-1]
				tell(fanout.Event{Kind: kind, Attempt: attempt, Result: result})
			}
			handle(t, r, endEvent(results[1]))
			closeRecorder(t, r)
			events := replayed(t, s, r.RunID(), store.Filter{})
			w.check(t, events)
			var stderr strings.Builder
			for _, e := range events {
				if e.Kind == fanout.Output && e.Stream == fanout.Stderr {
					stderr.Write(e.Data)
				}
			}
			if tt.limit >= 0 && stderr.Len() == 0 {
				t.Error("got no byte of stderr to compare")
			}
		})
	}
}
