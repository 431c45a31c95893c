package store

import (
	"bytes"
	"context"
	"errors"

	"tutti/fanout"
)

// A SearchQuery searches the output of a host for a text.
type SearchQuery struct {
	Run  int64
	Host string
	// Attempt is the number of the attempt, from 1; 0: the last.
	Attempt int
	// Streams selects streams; nil: both.
	Streams []fanout.Stream
	// Text is searched for within lines; an empty one, or one with a newline, is in
	// none. Fold: the case of ASCII letters does not matter.
	Text string
	Fold bool
	// From is where the search starts; the zero value is the beginning.
	From SearchPlace
	// Limit bounds how many lines are returned; 0: DefaultPage.
	Limit int
}

// A SearchPlace is where a search stopped.
type SearchPlace struct {
	// Offset is that of an [OutputQuery].
	Offset int64
	// Line is the number of the line at Offset, less 1.
	Line int64
	// Returned: that line has been returned already.
	Returned bool
}

// A SearchResult has the lines with a text.
type SearchResult struct {
	// Attempt is the number of the attempt; 0: there was none.
	Attempt int
	Hits    []SearchHit
	// More: the search did not reach the end of the recorded output, and goes on at
	// Next. Otherwise Next is that end.
	More bool
	Next SearchPlace
}

// A SearchHit is a line with the text.
type SearchHit struct {
	// Line is its number, from 1.
	Line int64
	// Offset is that of the text's first occurrence in the line, as in an
	// [OutputQuery].
	Offset int64
}

// SearchPieces searches an attempt for a text. pieces is of the Run, Host and Attempt
// of q; the caller sets Attempt of the result.
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
	// carry is the end of the previous bytes, with which the text may start.
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

// stop ends a search whose deadline has passed, which is no error; a cancelled context
// is.
func (s *searcher) stop(ctx context.Context) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	s.More = true
	s.Next.Offset -= int64(len(s.carry)) // the text may start there
	return nil
}

// piece searches the next bytes, which are at Next, and reports whether there are
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
		if from += n; !s.Next.Returned {
			s.Hits = append(s.Hits, SearchHit{Line: s.Next.Line + 1, Offset: base + int64(from)})
			s.Next.Returned, full = true, len(s.Hits) == s.limit
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
		s.Next.Returned = false
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
