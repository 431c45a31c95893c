package store

import (
	"bytes"
	"context"
	"slices"

	"tutti/fanout"
)

// MaxOutput is how many bytes of output are returned at once at most.
const MaxOutput = 8 << 20

// An OutputQuery chooses a part of what a host said. Which, is said by one of Tail,
// Line and Offset, in this order: the first that is not 0. The zero values of all
// choose the beginning.
//
// Offsets count the bytes of the chosen streams, in the order in which they came,
// those that are not recorded included. Of a single stream they never change; of both
// they are certain once the attempt has ended, since what is missing in the middle of
// one grows until then. Lines are numbered from 1, and count recorded bytes only.
type OutputQuery struct {
	Run  int64
	Host string
	// Attempt is its number, from 1; 0: the last.
	Attempt int
	// Streams are those that are wanted; nil: both.
	Streams []fanout.Stream
	// Offset is where to begin.
	Offset int64
	// Line is where to begin, and Lines how many are wanted; 0: as many as there are.
	Line, Lines int64
	// Tail is how many of the last lines are wanted.
	Tail int64
	// Bytes is how many are returned at most; 0, and what is above MaxOutput: MaxOutput.
	Bytes int
}

// An OutputRange is a part of what a host said in an attempt.
type OutputRange struct {
	// Attempt is its number; 0: there was none.
	Attempt int
	// Parts in the order in which they came. Two that follow one another differ in
	// their stream, or bytes are missing between them.
	Parts []OutputPart
	// Offset is that of the first byte, and Next of the one after the last.
	Offset, Next int64
	// NextLine is the number of the line at Next, of a query by Line; else 0.
	NextLine int64
	// Omitted is how many bytes between Offset and Next are not recorded.
	Omitted int64
	// More says that there is more on record at Next. Ended says that no more will
	// come than is on record: the attempt is over.
	More, Ended bool
}

// An OutputPart is bytes that a host wrote to a stream without a break, or how many of
// them are missing at that place.
type OutputPart struct {
	Stream fanout.Stream
	// Offset in the stream, from its beginning.
	Offset int64
	// Data is nil if bytes are missing.
	Data []byte
	// Omitted is how many are.
	Omitted int64
}

// A Piece is a row of recorded output without its bytes.
type Piece struct {
	Seq    int
	Stream fanout.Stream
	// Start is its offset in its stream; negative: that was not recorded.
	Start int64
	// Omitted is how many bytes are missing at its place; 0: none, it has bytes.
	Omitted int64
}

// Pieces are what is recorded of an attempt.
type Pieces interface {
	// List is the pieces of the streams, in their order. Of a single stream those may be
	// left out that end before offset, if the Start of the first that is listed is
	// known.
	List(ctx context.Context, streams []fanout.Stream, offset int64) ([]Piece, error)
	// Data is the bytes of a piece.
	Data(ctx context.Context, seq int) ([]byte, error)
}

// A transcript is the pieces of an attempt and their places.
type transcript struct {
	pieces Pieces
	placed []placed
}

// A placed piece has its bytes from at up to end in the chosen streams; start is where
// that is in its own. The end of the last piece of a stream is where its bytes end:
// it is known once they were read.
type placed struct {
	Piece
	at, end, start int64
	data           []byte // if it had to be read for its size
}

// place reads which pieces there are.
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
			at = x.start // others may have been left out
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

// nextStarts are where, in its stream, the piece begins that follows each in that;
// negative: nobody knows.
func nextStarts(list []Piece) []int64 {
	next, last := make([]int64, len(list)), [2]int64{-1, -1}
	for i, p := range slices.Backward(list) {
		next[i], last[p.Stream] = last[p.Stream], p.Start
	}
	return next
}

// end is where the chosen streams end.
func (t *transcript) end() int64 {
	if len(t.placed) == 0 {
		return 0
	}
	return t.placed[len(t.placed)-1].end
}

// bytes are those of a piece.
func (t *transcript) bytes(ctx context.Context, p *placed) ([]byte, error) {
	if p.data != nil {
		return p.data, nil
	}
	return t.pieces.Data(ctx, p.Seq)
}

// ReadOutput is the part of an attempt that q chooses. The Run, Host and Attempt of q
// are those of pieces; Attempt and Ended of the answer are left to the caller.
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
		r.NextLine, r.lines = 1, q.Lines
		r.Offset, err = t.line(ctx, q.Line, &r.NextLine)
	default:
		r.Offset = min(max(q.Offset, 0), t.end())
	}
	if err == nil {
		err = r.read(ctx)
	}
	return r.OutputRange, err
}

// line is the offset of a line; the end, if there are fewer. number is that of the
// line at the offset.
func (t *transcript) line(ctx context.Context, line int64, number *int64) (int64, error) {
	for i := range t.placed {
		p := &t.placed[i]
		if *number == line {
			return p.at, nil
		}
		if p.Omitted > 0 {
			continue
		}
		data, err := t.bytes(ctx, p)
		if err != nil {
			return 0, err
		}
		for from := 0; from < len(data); *number++ {
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

// tail is the offset of the last lines that are in as many bytes as most.
func (t *transcript) tail(ctx context.Context, lines, most int64) (int64, error) {
	last := true // no byte was seen yet: a line end at the end begins no line
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

// An outputReader makes a range from its Offset on.
type outputReader struct {
	*transcript
	OutputRange
	left  int   // bytes that are still wanted
	lines int64 // that are still wanted; 0: any number
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
		case p.Omitted > 0: // which takes no room
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

// take adds what is wanted of data, which is at an offset in the stream of p, and
// reports whether no more is.
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

// cut is what is wanted of data, and whether that is all that is wanted at all.
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
