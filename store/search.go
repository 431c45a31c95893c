package store

import (
	"bytes"
	"context"
	"errors"

	"tutti/fanout"
)

// A SearchQuery is a text that is looked for in what a host said.
type SearchQuery struct {
	Run  int64
	Host string
	// Attempt is its number, from 1; 0: the last.
	Attempt int
	// Streams are those that are wanted; nil: both.
	Streams []fanout.Stream
	// Text is what is looked for within a line; the empty one, and one with a line end,
	// are in none. Fold says that ASCII letters are the same in either case.
	Text string
	Fold bool
	// From is where to go on; the zero value is the beginning.
	From SearchPlace
	// Limit is how many lines are returned at most; 0: DefaultPage.
	Limit int
}

// A SearchPlace is where a search has stopped.
type SearchPlace struct {
	// Offset is as that of an [OutputQuery].
	Offset int64
	// Line is the number of the line at Offset, less 1.
	Line int64
	// Told: that line has been returned already.
	Told bool
}

// A SearchResult is lines in which a text was found.
type SearchResult struct {
	// Attempt is its number; 0: there was none.
	Attempt int
	Hits    []SearchHit
	// More says that the search is not at the end of what is recorded: it goes on at
	// Next. Without it, Next is that end.
	More bool
	Next SearchPlace
}

// A SearchHit is a line with the text.
type SearchHit struct {
	// Line is its number, from 1.
	Line int64
	// Offset is that of the first place in the line where the text is, as that of an
	// [OutputQuery].
	Offset int64
}

// SearchPieces looks for a text in an attempt. The Run, Host and Attempt of q are
// those of pieces; Attempt of the answer is left to the caller.
func SearchPieces(ctx context.Context, q SearchQuery, pieces Pieces) (SearchResult, error) {
	if len(q.Streams) == 0 {
		q.Streams = []fanout.Stream{fanout.Stdout, fanout.Stderr}
	}
	if q.Limit <= 0 {
		q.Limit = DefaultPage
	}
	s := searcher{text: []byte(q.Text), fold: q.Fold, limit: q.Limit, SearchResult: SearchResult{Next: q.From}}
	if q.Fold {
		s.text = lower(bytes.Clone(s.text))
	}
	t, err := place(context.WithoutCancel(ctx), pieces, q.Streams, q.From.Offset)
	if err != nil {
		return SearchResult{}, err
	}
	if len(s.text) == 0 || bytes.ContainsRune(s.text, '\n') {
		return s.SearchResult, nil
	}
	err = s.search(ctx, t)
	return s.SearchResult, err
}

type searcher struct {
	SearchResult
	text  []byte
	fold  bool
	limit int
	// carry is the end of the bytes before, which may be the beginning of the text.
	carry []byte
}

func (s *searcher) search(ctx context.Context, t *transcript) error {
	for i := range t.placed {
		p := &t.placed[i]
		if p.end <= s.Next.Offset {
			continue
		}
		if p.Omitted > 0 {
			s.carry, s.Next.Offset = s.carry[:0], p.end
			continue
		}
		if ctx.Err() != nil {
			return s.stop(ctx)
		}
		data, err := t.bytes(context.WithoutCancel(ctx), p)
		if err != nil {
			return err
		}
		if s.piece(data[min(s.Next.Offset-p.at, int64(len(data))):]) {
			s.More = true
			return nil
		}
	}
	return nil
}

// stop ends a search of which the time is over: that is no error, but an end that was
// asked for is.
func (s *searcher) stop(ctx context.Context) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	s.More = true
	s.Next.Offset -= int64(len(s.carry)) // the text may have begun there
	return nil
}

// piece looks through the next bytes, which are at Next, and reports whether there are
// enough hits.
func (s *searcher) piece(data []byte) (full bool) {
	base := s.Next.Offset - int64(len(s.carry)) // of text
	text := append(s.carry, data...)
	if s.fold {
		text = lower(text)
	}
	from := 0
	for !full {
		n := bytes.Index(text[from:], s.text)
		if n < 0 {
			break
		}
		s.pass(text[from : from+n])
		if from += n; !s.Next.Told {
			s.Hits = append(s.Hits, SearchHit{Line: s.Next.Line + 1, Offset: base + int64(from)})
			s.Next.Told, full = true, len(s.Hits) == s.limit
		}
		from += len(s.text)
	}
	if full {
		s.Next.Offset = base + int64(from)
		return true
	}
	s.pass(text[from:])
	s.Next.Offset = base + int64(len(text))
	rest := text[from:]
	rest = rest[bytes.LastIndexByte(rest, '\n')+1:]
	s.carry = bytes.Clone(rest[max(0, len(rest)-len(s.text)+1):])
	return false
}

// pass counts the lines in text.
func (s *searcher) pass(text []byte) {
	if n := bytes.Count(text, []byte{'\n'}); n > 0 {
		s.Next.Line += int64(n)
		s.Next.Told = false
	}
}

// lower makes capital letters of ASCII small, in place.
func lower(text []byte) []byte {
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
	return text
}
