package store

import (
	"bytes"
	"context"
	"slices"

	"tutti/fanout"
)

// MaxOutput bounds the bytes of output that one call returns.
const MaxOutput = 8 << 20

// An OutputQuery selects a part of the output of a host, by the first of Tail, Line and
// Offset that is not 0. If all are 0, it selects the beginning.
//
// Offsets count the bytes of the selected streams in the order of their arrival,
// including those that are not recorded. Offsets of a single stream never change; those
// of both may until the attempt has ended, since the gap in the middle of a stream
// grows. Lines are numbered from 1, in recorded bytes only.
type OutputQuery struct {
	Run  int64
	Host string
	// Attempt is the number of the attempt, from 1; 0: the last.
	Attempt int
	// Streams selects streams; nil: both.
	Streams []fanout.Stream
	// Offset is the first byte.
	Offset int64
	// Line is the first line, and Lines the number of lines; 0: all that follow.
	Line, Lines int64
	// Known is where a line at or before Line begins, from which the search for Line
	// starts; the zero value: it starts at the beginning.
	Known KnownLine
	// Tail is the number of last lines.
	Tail int64
	// Bytes bounds the bytes that are returned; 0, and values above MaxOutput:
	// MaxOutput.
	Bytes int
}

// A KnownLine is a line, and the offset at which it begins in the selected streams of an
// attempt that has ended.
type KnownLine struct{ Line, Offset int64 }

// An OutputRange is a part of the output of a host in an attempt.
type OutputRange struct {
	// Attempt is the number of the attempt; 0: there was none.
	Attempt int
	// Parts are in the order of their arrival. Two consecutive ones differ in their
	// stream, or one of them is a gap.
	Parts []OutputPart
	// Offset is the offset of the first byte, and Next of the byte after the last.
	Offset, Next int64
	// NextLine is the number of the line at Next, for a query by Line; else 0.
	NextLine int64
	// Omitted counts the bytes between Offset and Next that are not recorded.
	Omitted int64
	// More: more output is recorded at Next. Ended: the attempt has ended, and no more
	// will be recorded.
	More, Ended bool
}

// An OutputPart is consecutive bytes of a stream, or a gap.
type OutputPart struct {
	Stream fanout.Stream
	// Offset in the stream, from its beginning.
	Offset int64
	// Data is nil for a gap.
	Data []byte
	// Omitted is the number of bytes in a gap.
	Omitted int64
}

// A Piece is a row of recorded output without its bytes.
type Piece struct {
	Seq    int
	Stream fanout.Stream
	// Start is its offset in its stream; negative: it was not recorded.
	Start int64
	// Omitted is the number of missing bytes of a gap; 0: the piece has bytes.
	Omitted int64
}

// Pieces read the recorded output of an attempt.
type Pieces interface {
	// List returns the pieces of the streams, in their order. For a single stream it
	// may leave out those that end before offset, if the Start of the first one listed
	// is known.
	List(ctx context.Context, streams []fanout.Stream, offset int64) ([]Piece, error)
	// Data returns the bytes of a piece.
	Data(ctx context.Context, seq int) ([]byte, error)
}

// A transcript is the pieces of an attempt and their places.
type transcript struct {
	pieces Pieces
	placed []placed
}

// A placed piece has the offsets from at up to end in the selected streams, and starts
// at start in its own. The end of the last piece of a stream is known once its bytes
// were read.
type placed struct {
	Piece
	at, end, start int64
	data           []byte // if it had to be read for its size
}

// place lists the pieces, and computes their offsets.
func place(ctx context.Context, pieces Pieces, streams []fanout.Stream, offset int64) (*transcript, error) {
	list, err := pieces.List(ctx, streams, offset)
	if err != nil {
		return nil, err
	}
	t := &transcript{pieces: pieces, placed: make([]placed, len(list))}
	var starts [2]int64
	next := nextStarts(list)
	at := int64(0)
	for i, p := range list {
		x := &t.placed[i]
		x.Piece, x.start = p, starts[p.Stream]
		if p.Start >= 0 {
			x.start = p.Start
		}
		if i == 0 && len(streams) == 1 {
			at = x.start // List may have left out earlier ones
		}
		size := p.Omitted
		switch {
		case size > 0:
		case p.Start >= 0 && next[i] >= 0:
			size = next[i] - p.Start
		default:
			if x.data, err = pieces.Data(ctx, p.Seq); err != nil {
				return nil, err
			}
			size = int64(len(x.data))
			if i < len(list)-1 {
				x.data = nil // one piece at a time is kept
			}
		}
		x.at, x.end = at, at+size
		at, starts[p.Stream] = x.end, x.start+size
	}
	return t, nil
}

// nextStarts returns, for each piece, the start of the next piece of its stream;
// negative: unknown.
func nextStarts(list []Piece) []int64 {
	next, last := make([]int64, len(list)), [2]int64{-1, -1}
	for i, p := range slices.Backward(list) {
		next[i], last[p.Stream] = last[p.Stream], p.Start
	}
	return next
}

// end returns the offset at which the selected streams end.
func (t *transcript) end() int64 {
	if len(t.placed) == 0 {
		return 0
	}
	return t.placed[len(t.placed)-1].end
}

// bytes returns the bytes of a piece.
func (t *transcript) bytes(ctx context.Context, p *placed) ([]byte, error) {
	if p.data != nil {
		return p.data, nil
	}
	return t.pieces.Data(ctx, p.Seq)
}

// ReadOutput returns the part of an attempt that q selects. pieces is of the Run, Host
// and Attempt of q; the caller sets Attempt and Ended of the result.
func ReadOutput(ctx context.Context, q OutputQuery, pieces Pieces) (OutputRange, error) {
	if q.Bytes <= 0 || q.Bytes > MaxOutput {
		q.Bytes = MaxOutput
	}
	if len(q.Streams) == 0 {
		q.Streams = []fanout.Stream{fanout.Stdout, fanout.Stderr}
	}
	seek := q.Offset
	if q.Tail > 0 || q.Line > 0 {
		seek = 0
	}
	t, err := place(ctx, pieces, q.Streams, seek)
	if err != nil {
		return OutputRange{}, err
	}
	r := outputReader{transcript: t, left: q.Bytes}
	switch {
	case q.Tail > 0:
		r.Offset, err = t.tail(ctx, q.Tail, int64(q.Bytes))
	case q.Line > 0:
		if q.Known.Line < 1 || q.Known.Line > q.Line {
			q.Known = KnownLine{Line: 1}
		}
		r.NextLine, r.lines = q.Known.Line, q.Lines
		r.Offset, err = t.line(ctx, q.Line, q.Known.Offset, &r.NextLine)
	default:
		r.Offset = min(max(q.Offset, 0), t.end())
	}
	if err == nil {
		err = r.read(ctx)
	}
	return r.OutputRange, err
}

// line returns the offset of a line, or the end if there are fewer; number is the
// number of the line at that offset, and at first that of the one at offset after.
func (t *transcript) line(ctx context.Context, line, after int64, number *int64) (int64, error) {
	for i := range t.placed {
		p := &t.placed[i]
		if p.end <= after {
			continue
		}
		if *number == line {
			return max(p.at, after), nil
		}
		if p.Omitted > 0 {
			continue
		}
		data, err := t.bytes(ctx, p)
		if err != nil {
			return 0, err
		}
		for from := int(min(max(0, after-p.at), int64(len(data)))); from < len(data); *number++ {
			n := bytes.IndexByte(data[from:], '\n')
			if n < 0 {
				break
			}
			from += n + 1
			if *number+1 == line {
				*number++
				return p.at + int64(from), nil
			}
		}
	}
	return t.end(), nil
}

// tail returns the offset of the last lines, within the last most bytes.
func (t *transcript) tail(ctx context.Context, lines, most int64) (int64, error) {
	last := true // no byte was read yet: a newline at the end starts no line
	for i := range slices.Backward(t.placed) {
		p := &t.placed[i]
		if p.Omitted > 0 {
			continue
		}
		data, err := t.bytes(ctx, p)
		if err != nil {
			return 0, err
		}
		floor := max(0, int64(len(data))-most)
		rest := data
		if last && len(rest) > 0 && rest[len(rest)-1] == '\n' {
			rest = rest[:len(rest)-1]
		}
		last = last && len(data) == 0
		for {
			n := int64(bytes.LastIndexByte(rest, '\n'))
			if n < floor {
				break
			}
			if lines--; lines == 0 {
				return p.at + n + 1, nil
			}
			rest = rest[:n]
		}
		if most -= int64(len(data)); most <= 0 {
			return p.at + floor, nil
		}
	}
	if len(t.placed) == 0 {
		return 0, nil
	}
	return t.placed[0].at, nil
}

// An outputReader fills a range from its Offset on.
type outputReader struct {
	*transcript
	OutputRange
	left  int   // bytes still to return
	lines int64 // still to return; 0: any number
}

func (r *outputReader) read(ctx context.Context) error {
	r.Next = r.Offset
	full := false
	for i := range r.placed {
		p := &r.placed[i]
		switch {
		case p.end <= r.Next:
			continue
		case full && (p.Omitted == 0 || p.at > r.Next):
			r.More = true
			return nil
		case p.Omitted > 0: // a gap uses no bytes
			n := p.end - r.Next
			r.Parts = append(r.Parts, OutputPart{Stream: p.Stream, Offset: p.start + r.Next - p.at, Omitted: n})
			r.Omitted += n
			r.Next = p.end
			continue
		}
		data, err := r.bytes(ctx, p)
		if err != nil {
			return err
		}
		skip := min(r.Next-p.at, int64(len(data)))
		full = r.take(p, data[skip:], p.start+skip)
	}
	r.More = r.Next < r.end()
	return nil
}

// take adds the selected bytes of data, which is at an offset in the stream of p, and
// reports whether the range is complete.
func (r *outputReader) take(p *placed, data []byte, offset int64) (full bool) {
	data, full = r.cut(data)
	r.left -= len(data)
	r.Next += int64(len(data))
	if n := len(r.Parts) - 1; n >= 0 && r.Parts[n].Data != nil && r.Parts[n].Stream == p.Stream {
		r.Parts[n].Data = append(r.Parts[n].Data, data...)
	} else if len(data) > 0 {
		r.Parts = append(r.Parts, OutputPart{Stream: p.Stream, Offset: offset, Data: bytes.Clone(data)})
	}
	return full || r.left == 0
}

// cut returns the selected bytes of data, and whether the range is complete with them.
func (r *outputReader) cut(data []byte) (wanted []byte, full bool) {
	data = data[:min(len(data), r.left)]
	if r.NextLine == 0 {
		return data, false
	}
	for from := 0; ; {
		n := bytes.IndexByte(data[from:], '\n')
		if n < 0 {
			return data, false
		}
		from += n + 1
		r.NextLine++
		if r.lines--; r.lines == 0 {
			return data[:from], true
		}
	}
}
