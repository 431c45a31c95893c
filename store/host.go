package store

import (
	"bytes"
	"time"

	"tutti/fanout"
)

// maxInterleaved is the number of rows of an attempt above which the order between its
// two streams is not recorded any more: a host that writes a byte to each in turn must
// not fill the disk with rows.
const maxInterleaved = 4096

// A hostRecord is the state of a host during a run.
type hostRecord struct {
	index   int
	name    string
	result  fanout.Result // as far as it is known
	ended   bool
	attempt int
	seq     int // of the last row of output in this attempt
	streams [2]streamRecord
	last    fanout.Stream // of the last row of output
	// omitted has the missing bytes of each attempt before this one.
	omitted []int64
}

// A streamRecord is one stream of the attempt.
type streamRecord struct {
	capture
	open *outputRow // that more output of this stream may join
	gap  int        // seq of the row that counts the missing bytes; 0: none
	from time.Time  // when the gap began
	hole int64      // where
}

// An outputRow is a row of output to be written; a gap has no data.
type outputRow struct {
	h       *hostRecord
	attempt int
	stream  fanout.Stream
	seq     int
	at      time.Time
	start   int64    // offset in the stream
	pieces  [][]byte // of the data; they belong to events that are held until the commit
	size    int      // of all of them
	gap     bool
	missing int64 // of a gap

	codec   string
	encoded any // as written
}

// begin starts an attempt, unless it has started.
func (h *hostRecord) begin(attempt int, limit int64) {
	if h.attempt == attempt {
		return
	}
	for len(h.omitted) < attempt-1 {
		h.omitted = append(h.omitted, h.missing())
	}
	h.attempt, h.seq, h.last = attempt, 0, fanout.Stdout
	for i := range h.streams {
		h.streams[i] = streamRecord{capture: newCapture(limit)}
	}
	h.result = fanout.Result{Attempts: attempt}
}

// await records that the attempt has ended and another will follow: until it starts,
// the host is not marked as started.
func (h *hostRecord) await() {
	h.result = fanout.Result{Attempts: h.attempt}
}

// write adds a piece of output and returns the new rows it needs.
func (h *hostRecord) write(stream fanout.Stream, at time.Time, data []byte) []*outputRow {
	s := &h.streams[stream]
	start := s.total
	rows := h.rows(stream, at, start, s.add(data))
	if s.omitted() > 0 && s.gap == 0 {
		h.seq++
		s.gap, s.from, s.hole = h.seq, at, s.stored
		s.open = nil // later output comes after the gap
	}
	return rows
}

// finish ends both streams and returns the rows of their tails.
func (h *hostRecord) finish(at time.Time) []*outputRow {
	var rows []*outputRow
	for i := range h.streams {
		s := &h.streams[i]
		last := s.capture.finish()
		rows = append(rows, h.rows(fanout.Stream(i), at, s.total-int64(len(last)), last)...)
	}
	return rows
}

// rows adds data, at offset start of the stream, to its open row and to new rows, which
// it returns.
func (h *hostRecord) rows(stream fanout.Stream, at time.Time, start int64, data []byte) []*outputRow {
	var rows []*outputRow
	for len(data) > 0 {
		s := &h.streams[stream]
		joins := s.open != nil && s.open.size < maxRow && (h.last == stream || h.seq > maxInterleaved)
		if !joins {
			h.seq++
			s.open = &outputRow{h: h, attempt: h.attempt, stream: stream, seq: h.seq, at: at, start: start}
			h.last = stream
			rows = append(rows, s.open)
		}
		n := min(len(data), maxRow-s.open.size)
		s.open.add(data[:n])
		data, start = data[n:], start+int64(n)
	}
	return rows
}

// gaps returns the rows that count the missing bytes of each stream.
func (h *hostRecord) gaps() []*outputRow {
	var rows []*outputRow
	for i := range h.streams {
		s := &h.streams[i]
		if s.omitted() > 0 && s.gap == 0 {
			h.seq++
			s.gap, s.from, s.hole = h.seq, time.Now(), s.stored
		}
		if s.gap != 0 {
			rows = append(rows, &outputRow{
				h: h, attempt: h.attempt, stream: fanout.Stream(i), seq: s.gap, at: s.from, start: s.hole,
				gap: true, missing: s.omitted(),
			})
		}
	}
	return rows
}

// missing is how many bytes of the attempt are not recorded.
func (h *hostRecord) missing() int64 {
	return h.streams[fanout.Stdout].omitted() + h.streams[fanout.Stderr].omitted()
}

// omittedOf is missing for this attempt or one before.
func (h *hostRecord) omittedOf(attempt int) int64 {
	if attempt-1 < len(h.omitted) {
		return h.omitted[attempt-1]
	}
	return h.missing()
}

func (h *hostRecord) hash() string {
	return outputHash(&h.streams[fanout.Stdout].capture, &h.streams[fanout.Stderr].capture)
}

// record returns the state of the host.
func (h *hostRecord) record() HostRecord {
	x := HostRecord{Position: h.index, Name: h.name, Ended: h.ended, Result: h.result}
	switch r := &x.Result; {
	case h.ended && r.Attempts > 0:
		r.OmittedBytes, x.Hash = h.missing(), h.hash()
	case h.ended:
	case r.Report.Started:
		r.StdoutBytes, r.StderrBytes = h.streams[fanout.Stdout].total, h.streams[fanout.Stderr].total
		r.OmittedBytes = h.missing()
	}
	return x
}

// committed records that the rows so far are on disk and cannot be joined.
func (h *hostRecord) committed() {
	for i := range h.streams {
		h.streams[i].open = nil
	}
}

// add appends p without a copy: held event data is bounded, copies would not be.
func (o *outputRow) add(p []byte) {
	o.pieces = append(o.pieces, p)
	o.size += len(p)
}

// encode encodes the row for writing. scratch is a buffer for joining its pieces,
// returned for the next row.
func (o *outputRow) encode(scratch []byte) ([]byte, error) {
	if o.gap {
		o.codec, o.encoded = codecOmitted, o.missing
		return scratch, nil
	}
	data := o.pieces[0]
	if len(o.pieces) > 1 {
		scratch = scratch[:0]
		for _, p := range o.pieces {
			scratch = append(scratch, p...)
		}
		data = scratch
	}
	codec, encoded, err := Encode(data)
	if codec == codecPlain && len(o.pieces) > 1 {
		encoded = bytes.Clone(encoded)
	}
	o.codec, o.encoded = codec, encoded
	return scratch, err
}

// bytes counts those that the row stands for, recorded or missing.
func (o *outputRow) bytes() int64 {
	if o.gap {
		return o.missing
	}
	return int64(o.size)
}

// void reports whether the row is a gap of 0 bytes, to be deleted.
func (o *outputRow) void() bool { return o.gap && o.missing == 0 }

// drop counts the bytes of the row as missing.
func (o *outputRow) drop() {
	n := int64(o.size)
	if o.attempt <= len(o.h.omitted) {
		o.h.omitted[o.attempt-1] += n
		return
	}
	o.h.streams[o.stream].stored -= n
}
