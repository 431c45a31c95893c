package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

const (
	// DefaultRecordLimit is how much of a stream is recorded unless RunInfo
	// says otherwise.
	DefaultRecordLimit = 4 << 20
	// MaxTail is how much of the end of a stream is kept once its head is full.
	MaxTail = 32 << 10
)

// A capture decides which bytes of a stream are recorded: its head, and a tail
// of what follows. The zero value records nothing; see newCapture.
type capture struct {
	headLimit int64
	tail      ring
	total     int64 // bytes that came
	stored    int64 // bytes that were handed out to be recorded
	hash      hash.Hash
}

// newCapture records up to limit bytes; none if limit is negative.
func newCapture(limit int64) capture {
	limit = max(limit, 0)
	tail := min(MaxTail, limit/2)
	return capture{headLimit: limit - tail, tail: ring{size: int(tail)}}
}

// add takes the next bytes of the stream and returns those of them that belong
// to the head.
func (c *capture) add(p []byte) []byte {
	if c.hash == nil {
		c.hash = sha256.New()
	}
	c.hash.Write(p)
	c.total += int64(len(p))
	n := min(int64(len(p)), c.headLimit)
	c.headLimit -= n
	c.stored += n
	c.tail.write(p[n:])
	return p[:n]
}

// finish returns the tail; nothing may be added after that.
func (c *capture) finish() []byte {
	tail := c.tail.bytes()
	c.stored += int64(len(tail))
	c.tail = ring{}
	return tail
}

// omitted is how many bytes came and were not handed out. A tail that is still
// collected counts: it is lost if the process dies.
func (c *capture) omitted() int64 { return c.total - c.stored }

// sum is the hash of the whole stream.
func (c *capture) sum() []byte {
	if c.hash == nil {
		empty := sha256.Sum256(nil)
		return empty[:]
	}
	return c.hash.Sum(nil)
}

// outputHash identifies the output of an attempt: the first 128 bits, in
// hexadecimal, of the SHA-256 of the SHA-256 of each stream.
func outputHash(stdout, stderr *capture) string {
	both := sha256.Sum256(append(stdout.sum(), stderr.sum()...))
	return hex.EncodeToString(both[:16])
}

// A ring keeps the last size bytes that were written to it.
type ring struct {
	size int
	buf  []byte
	next int // where the next byte goes once buf is full
}

func (r *ring) write(p []byte) {
	if len(p) > r.size {
		p = p[len(p)-r.size:]
	}
	room := min(r.size-len(r.buf), len(p))
	r.buf = append(r.buf, p[:room]...)
	for p = p[room:]; len(p) > 0; {
		n := copy(r.buf[r.next:], p)
		p = p[n:]
		r.next = (r.next + n) % r.size
	}
}

// bytes returns what is kept, oldest first.
func (r *ring) bytes() []byte {
	return append(append([]byte(nil), r.buf[r.next:]...), r.buf[:r.next]...)
}
