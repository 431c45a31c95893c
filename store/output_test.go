package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// spoken is an attempt that is recorded in memory.
type spoken struct {
	list  []store.Piece
	data  [][]byte
	takes time.Duration // to read a piece
}

func (s *spoken) List(_ context.Context, streams []fanout.Stream, offset int64) ([]store.Piece, error) {
	var list []store.Piece
	for _, p := range s.list {
		if slices.Contains(streams, p.Stream) {
			list = append(list, p)
		}
	}
	for len(streams) == 1 && len(list) > 1 && list[1].Start >= 0 && list[1].Start <= offset {
		list = list[1:]
	}
	return list, nil
}

func (s *spoken) Data(_ context.Context, seq int) ([]byte, error) {
	time.Sleep(s.takes)
	return s.data[seq], nil
}

// add records bytes, or that as many are missing.
func (s *spoken) add(stream fanout.Stream, start int64, data []byte, omitted int64) {
	s.list = append(s.list, store.Piece{Seq: len(s.data), Stream: stream, Start: start, Omitted: omitted})
	s.data = append(s.data, data)
}

// missing stands for a byte that is not recorded.
const missing = 0xFF

// random is an attempt, and all of its bytes in order: of both streams, and of each.
func random(r *rand.Rand) (s *spoken, both []byte, each [2][]byte) {
	s = &spoken{}
	old := r.IntN(3) // after so many pieces they know where they start
	for i := range r.IntN(8) {
		stream := fanout.Stream(r.IntN(2))
		start := int64(len(each[stream]))
		if i < old {
			start = -1
		}
		n := 1 + r.IntN(12)
		data := make([]byte, n)
		for i := range data {
			data[i] = "ab\nB"[r.IntN(4)]
		}
		if r.IntN(5) == 0 {
			data = bytes.Repeat([]byte{missing}, n)
			s.add(stream, start, nil, int64(n))
		} else {
			s.add(stream, start, data, 0)
		}
		both, each[stream] = append(both, data...), append(each[stream], data...)
	}
	return s, both, each
}

// wanted is a random choice of streams, and the bytes of those.
func wanted(r *rand.Rand, both []byte, each [2][]byte) ([]fanout.Stream, []byte) {
	if n := r.IntN(3); n < 2 {
		return []fanout.Stream{fanout.Stream(n)}, each[n]
	}
	return nil, both
}

// check holds a range against all bytes of the streams it is of.
func check(t *testing.T, what string, got store.OutputRange, all []byte, each [2][]byte) {
	t.Helper()
	var said []byte
	var omitted int64
	for i, p := range got.Parts {
		piece := p.Data
		if p.Data == nil {
			piece = bytes.Repeat([]byte{missing}, int(p.Omitted))
			omitted += p.Omitted
		} else if i > 0 && got.Parts[i-1].Data != nil && got.Parts[i-1].Stream == p.Stream {
			t.Errorf("%s: parts %d and %d are of one stream", what, i-1, i)
		}
		if own := each[p.Stream]; !bytes.HasPrefix(own[min(p.Offset, int64(len(own))):], piece) {
			t.Errorf("%s: got %q at %d of %s %q", what, piece, p.Offset, p.Stream, own)
		}
		said = append(said, piece...)
	}
	if want := all[got.Offset:got.Next]; !bytes.Equal(said, want) || omitted != got.Omitted || got.More != (int(got.Next) < len(all)) {
		t.Errorf("%s: got %q, %d omitted, more %t, want %q of %q", what, said, got.Omitted, got.More, want, all)
	}
}

// recorded counts the bytes that are on record, and the lines that end in them.
func recorded(data []byte) (n, lines int) {
	return len(data) - bytes.Count(data, []byte{missing}), bytes.Count(data, []byte{'\n'})
}

func TestReadOutput(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, both, each := random(r)
		streams, all := wanted(r, both, each)
		most := 1 + r.IntN(40)
		read := func(q store.OutputQuery) store.OutputRange {
			t.Helper()
			q.Streams, q.Bytes = streams, most
			got, err := store.ReadOutput(t.Context(), q, s)
			if err != nil {
				t.Fatal(err)
			}
			check(t, fmt.Sprintf("seed %d: %+v", seed, q), got, all, each)
			if n, _ := recorded(all[got.Offset:got.Next]); n > most || n < most && q.Lines == 0 && q.Tail == 0 && got.More {
				t.Errorf("seed %d: %+v: got %d bytes", seed, q, n)
			}
			return got
		}
		offset := r.IntN(len(all) + 3)
		if got := read(store.OutputQuery{Offset: int64(offset)}); got.Offset != int64(min(offset, len(all))) {
			t.Errorf("seed %d: got the offset %d, want %d", seed, got.Offset, offset)
		}

		line, lines := 1+r.IntN(5), r.IntN(4)
		got := read(store.OutputQuery{Line: int64(line), Lines: int64(lines)})
		_, before := recorded(all[:got.Offset])
		if got.More && before != line-1 || before > line-1 {
			t.Errorf("seed %d: got line %d, want %d", seed, before+1, line)
		}
		if _, n := recorded(all[:got.Next]); int(got.NextLine) != n+1 {
			t.Errorf("seed %d: got the next line %d, want %d", seed, got.NextLine, n+1)
		}
		if _, n := recorded(all[got.Offset:got.Next]); lines > 0 && n > lines {
			t.Errorf("seed %d: got %d lines, want %d at most", seed, n, lines)
		}

		tail := 1 + r.IntN(4)
		got = read(store.OutputQuery{Tail: int64(tail)})
		text := strings.ReplaceAll(string(all[got.Offset:]), "\xff", "")
		if n := strings.Count(strings.TrimSuffix(text, "\n"), "\n"); got.More || n >= tail {
			t.Errorf("seed %d: got %d line ends in %q, and more %t, want less than %d", seed, n, text, got.More, tail)
		}
		if rest := strings.ReplaceAll(string(all[:got.Offset]), "\xff", ""); rest != "" && len(text) < most &&
			strings.Count(strings.TrimSuffix(text, "\n"), "\n") != tail-1 {
			t.Errorf("seed %d: got %q of %q for %d lines in %d bytes", seed, text, all, tail, most)
		}
	}
}

func TestSearchOutput(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		s, both, each := random(r)
		streams, all := wanted(r, both, each)
		q := store.SearchQuery{Streams: streams, Text: []string{"a", "ab", "aba", "bb", "zz"}[r.IntN(5)], Fold: r.IntN(2) == 0, Limit: 1 + r.IntN(3)}
		var got []store.SearchHit
		for {
			x, err := store.SearchPieces(t.Context(), q, s)
			if err != nil {
				t.Fatal(err)
			}
			if len(x.Hits) > q.Limit || x.More && len(x.Hits) < q.Limit {
				t.Errorf("seed %d: got %d hits, want at most %d", seed, len(x.Hits), q.Limit)
			}
			got = append(got, x.Hits...)
			if q.From = x.Next; !x.More {
				break
			}
		}
		text := string(all)
		if q.Fold {
			text = strings.ReplaceAll(text, "B", "b")
		}
		var want []string
		line, at := 0, 0
		for end := range strings.SplitAfterSeq(text, "\n") {
			line++
			// What is missing is no end of a line.
			if n := strings.Index(end, q.Text); n >= 0 {
				want = append(want, fmt.Sprint(line, at+n))
			}
			at += len(end)
		}
		var said []string
		for _, h := range got {
			said = append(said, fmt.Sprint(h.Line, h.Offset))
		}
		if !slices.Equal(said, want) {
			t.Errorf("seed %d: %+v: got %q, want %q of %q", seed, q, said, want, all)
		}
	}
}

// A search ends with its time, says where, and goes on there; one that is canceled is
// an error.
func TestSearchHasATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spoken{takes: time.Second}
		for i := range 10 {
			s.add(fanout.Stdout, int64(4*i), []byte("a ne"), 0)
		}
		q := store.SearchQuery{Text: "nea", Streams: []fanout.Stream{fanout.Stdout}}
		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		first, err := store.SearchPieces(ctx, q, s)
		if err != nil || !first.More || len(first.Hits) != 1 {
			t.Errorf("got %+v, %v, want some of it", first, err)
		}
		q.From = first.Next
		rest, err := store.SearchPieces(t.Context(), q, s)
		if err != nil || rest.More || first.Next.Offset >= 20 || first.Next.Offset < 10 {
			t.Errorf("got %+v, %v, want the rest after %+v", rest, err, first.Next)
		}
		stopped, stop := context.WithCancelCause(t.Context())
		why := errors.New("it is not wanted")
		stop(why)
		if _, err := store.SearchPieces(stopped, q, s); !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
	})
}
