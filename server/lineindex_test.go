package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// A spool is recorded output in memory, as what the history has of it.
type spool struct {
	Runs
	list []store.Piece
	data [][]byte
	err  error
	read int // how many pieces were read
}

func (s *spool) add(stream fanout.Stream, start int64, data []byte, omitted int64) {
	s.list = append(s.list, store.Piece{Seq: len(s.list), Stream: stream, Start: start, Omitted: omitted})
	s.data = append(s.data, data)
}

func (s *spool) List(context.Context, []fanout.Stream, int64) ([]store.Piece, error) {
	return s.list, s.err
}

func (s *spool) Data(_ context.Context, seq int) ([]byte, error) {
	s.read++
	return s.data[seq], s.err
}

func (s *spool) OutputRange(ctx context.Context, q store.OutputQuery) (store.OutputRange, error) {
	part, err := store.ReadOutput(ctx, q, s)
	part.Attempt, part.Ended = 1, true
	return part, err
}

// newSpool is output of both streams in pieces that end anywhere, with a gap.
func newSpool(lines int, r *rand.Rand) *spool {
	s := &spool{}
	var starts [2]int64
	var text []byte
	flush := func(n int) {
		stream := fanout.Stream(r.IntN(2))
		s.add(stream, starts[stream], bytes.Clone(text[:n]), 0)
		starts[stream] += int64(n)
		text = text[n:]
	}
	for i := range lines {
		text = fmt.Appendf(text, "line %d\n", i)
		if i == lines/2 {
			flush(len(text) - r.IntN(3))
			s.add(fanout.Stdout, starts[0], nil, 1000)
			starts[0] += 1000
		}
		if len(text) > 4096 {
			flush(1 + r.IntN(4096))
		}
	}
	flush(len(text) - 1)
	return s
}

// A line that is looked up in the index is the one that is found from the beginning, with
// less of the output read.
func TestLineIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const lines = 30_000
	s := newSpool(lines, r)
	a := runOps{&API{Runs: s}}
	for _, line := range []int64{1, 2, 999, 1000, 1001, 1002, 9_999, 10_000, 14_999, 15_000, 15_001, 15_002, 15_003, 29_999, 30_000, 30_001, 50_000} {
		q := store.OutputQuery{Host: "web1", Line: line, Lines: 3}
		want, err := s.OutputRange(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		count, err := a.lookUp(t.Context(), &q, true)
		if err != nil || count != lines {
			t.Fatalf("got %d lines, %v", count, err)
		}
		s.read = 0
		got, err := s.OutputRange(t.Context(), q)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("line %d: got %+v, %v, want %+v", line, got, err, want)
		}
		if line <= lines && s.read > 12 {
			t.Errorf("line %d: %d pieces of %d were read", line, s.read, len(s.list))
		}
	}
}

// What could not be read is read again for the next request; the oldest indexes go.
func TestLineIndexes(t *testing.T) {
	s := newSpool(2000, rand.New(rand.NewPCG(1, 3)))
	a := runOps{&API{Runs: s}}
	s.err = errors.New("busy")
	q := store.OutputQuery{Host: "web1", Line: 1}
	if _, err := a.indexes.of(t.Context(), s, q); !errors.Is(err, s.err) {
		t.Errorf("got %v", err)
	}
	s.err = nil
	for i := range mostIndexes + 3 {
		q.Run = int64(i)
		for range 2 {
			if index, err := a.indexes.of(t.Context(), s, q); err != nil || index.lines != 2000 {
				t.Errorf("got %+v, %v", index, err)
			}
		}
	}
	if len(a.indexes.all) != mostIndexes || len(a.indexes.age) != mostIndexes {
		t.Errorf("%d indexes are kept", len(a.indexes.all))
	}
	if n, err := a.lookUp(t.Context(), &store.OutputQuery{Line: indexedFrom - 1}, false); n != 0 || err != nil || len(a.indexes.all) != mostIndexes {
		t.Errorf("got %d, %v", n, err)
	}
}
