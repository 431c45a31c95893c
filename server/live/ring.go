package live

import (
	"sync"

	"tutti/fanout"
)

const (
	// ringSize is how much output of a watched host is kept, in bytes.
	ringSize = 256 << 10
	// ringPieces bounds the pieces of that output.
	ringPieces = 4096
	// viewerBytes is how much of it a viewer gets at a time, in bytes.
	viewerBytes = 64 << 10
)

// A ring has the newest output of a host that viewers watch.
type ring struct {
	host     int
	watchers int    // guarded by the hub, as is stop
	stop     func() // ends what feeds it; nil: the run does

	mu     sync.Mutex // guards what follows
	buf    []byte
	end    int64 // position behind the last byte; the ring has those before it
	pieces []segment
	// attempt and offsets are how far the host is.
	attempt int
	offsets [2]int64
}

// A segment is bytes of one stream that follow each other.
type segment struct {
	attempt int
	stream  fanout.Stream
	offset  int64 // of its first byte in the stream
	at      int64 // of it in the ring
	size    int64
}

func newRing(host, attempt int, offsets [2]int64) *ring {
	return &ring{host: host, buf: make([]byte, ringSize), attempt: attempt, offsets: offsets}
}

// begin starts an attempt.
func (r *ring) begin(attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attempt != r.attempt {
		r.attempt, r.offsets = attempt, [2]int64{}
	}
}

// after is how many bytes of a stream there are so far.
func (r *ring) after(stream fanout.Stream) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.offsets[stream]
}

// write copies the bytes of a stream that end at the offset to. Bytes that were counted
// before the ring was made are left out.
func (r *ring) write(attempt int, stream fanout.Stream, to int64, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attempt != r.attempt {
		r.attempt, r.offsets = attempt, [2]int64{}
	}
	if to <= r.offsets[stream] {
		return
	}
	r.offsets[stream] = to
	if over := len(data) - ringSize; over > 0 {
		data = data[over:]
	}
	if len(data) == 0 {
		return
	}
	n, offset := int64(len(data)), to-int64(len(data))
	for rest, at := data, r.end; len(rest) > 0; {
		copied := copy(r.buf[at%ringSize:], rest)
		rest, at = rest[copied:], at+int64(copied)
	}
	if last := len(r.pieces) - 1; last >= 0 && r.pieces[last].joins(r.attempt, stream, offset) {
		r.pieces[last].size += n
	} else {
		r.pieces = append(r.pieces, segment{r.attempt, stream, offset, r.end, n})
	}
	r.end += n
	r.drop()
}

func (s *segment) joins(attempt int, stream fanout.Stream, offset int64) bool {
	return s.attempt == attempt && s.stream == stream && s.offset+s.size == offset
}

// drop forgets the pieces that were overwritten, and those that are too many.
func (r *ring) drop() {
	n := max(0, len(r.pieces)-ringPieces)
	for n < len(r.pieces) && r.pieces[n].at+r.pieces[n].size <= r.end-ringSize {
		n++
	}
	if n > ringPieces/2 || n > 0 && len(r.pieces) >= ringPieces {
		r.pieces = append(r.pieces[:0], r.pieces[n:]...)
		return
	}
	r.pieces = r.pieces[n:]
}

// A position is how far a viewer of a ring is.
type position struct {
	at      int64 // in the ring
	attempt int
	offsets [2]int64
}

// A piece is output, or a gap, for a viewer.
type piece struct {
	attempt int
	stream  fanout.Stream
	from    int64
	data    []byte // a copy; nil: a gap
	to      int64  // of a gap
}

// tail is where a viewer starts that wants output from now on, and the last bytes before.
func (r *ring) tail() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := position{at: r.end, attempt: r.attempt, offsets: r.offsets}
	for i := len(r.pieces) - 1; i >= 0; i-- {
		s := &r.pieces[i]
		first := max(s.at, r.end-viewerBytes)
		if s.attempt != r.attempt || first >= s.at+s.size {
			break
		}
		p.at, p.offsets[s.stream] = first, s.offset+first-s.at
	}
	return p
}

// start is where a viewer starts that wants all output of the current attempt.
func (r *ring) start() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return position{attempt: r.attempt}
}

// read moves p to the present and returns the newest bytes, at most viewerBytes, and gaps
// for what was left out.
func (r *ring) read(p *position) []piece {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []piece
	first := max(p.at, r.end-viewerBytes)
	p.at = r.end
	for i := range r.pieces {
		s := r.pieces[i]
		if s.at+s.size <= first || s.attempt < p.attempt {
			continue
		}
		if s.attempt > p.attempt {
			p.attempt, p.offsets = s.attempt, [2]int64{}
		}
		cut := max(first-s.at, p.offsets[s.stream]-s.offset, 0)
		if cut >= s.size {
			continue
		}
		s.at, s.offset, s.size = s.at+cut, s.offset+cut, s.size-cut
		out = p.gap(out, s.stream, s.offset)
		out = append(out, piece{attempt: s.attempt, stream: s.stream, from: s.offset, data: r.bytes(&s)})
		p.offsets[s.stream] = s.offset + s.size
	}
	if p.attempt < r.attempt {
		p.attempt, p.offsets = r.attempt, [2]int64{}
	}
	if p.attempt > r.attempt { // the ring is not that far yet
		return out
	}
	for _, stream := range []fanout.Stream{fanout.Stdout, fanout.Stderr} {
		out = p.gap(out, stream, r.offsets[stream])
		p.offsets[stream] = max(p.offsets[stream], r.offsets[stream])
	}
	return out
}

// gap appends that what lies between p and an offset of a stream was left out.
func (p *position) gap(out []piece, stream fanout.Stream, to int64) []piece {
	if from := p.offsets[stream]; from < to {
		out = append(out, piece{attempt: p.attempt, stream: stream, from: from, to: to})
	}
	return out
}

// bytes is a copy of a segment.
func (r *ring) bytes(s *segment) []byte {
	out := make([]byte, 0, s.size)
	for at := s.at; len(out) < int(s.size); {
		from := at % ringSize
		part := r.buf[from:min(ringSize, from+s.at+s.size-at)]
		out, at = append(out, part...), at+int64(len(part))
	}
	return out
}
