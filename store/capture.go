package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"tutti/internal/tail"
)

const (
	// DefaultRecordLimit is how many bytes of a stream are recorded unless RunInfo says
	// otherwise.
	DefaultRecordLimit = 4 << 20
	// MaxTail bounds the bytes recorded of the end of a stream once its head is full.
	MaxTail = 32 << 10
)

// A capture decides which bytes of a stream are recorded: its head, and a tail
// of what follows. The zero value records nothing; see newCapture.
type capture struct {
	headLimit int64
	tail      tail.Buffer
	total     int64 // bytes that were added
	stored    int64 // bytes that were returned to be recorded
	hash      hash.Hash
}

// newCapture records up to limit bytes; none if limit is negative.
func newCapture(limit int64) capture {
	limit = max(limit, 0)
	tailSize := min(MaxTail, limit/2)
	return capture{headLimit: limit - tailSize, tail: tail.Buffer{Size: int(tailSize)}}
}

// add adds the next bytes of the stream, and returns those that belong to the head.
func (c *capture) add(p []byte) []byte {
	if c.hash == nil {
		c.hash = sha256.New()
	}
	c.hash.Write(p)
	c.total += int64(len(p))
	n := min(int64(len(p)), c.headLimit)
	c.headLimit -= n
	c.stored += n
	_, _ = c.tail.Write(p[n:]) // it never fails
	return p[:n]
}

// finish returns the tail; nothing may be added after that.
func (c *capture) finish() []byte {
	last := c.tail.Bytes()
	c.stored += int64(len(last))
	c.tail = tail.Buffer{}
	return last
}

// omitted is how many bytes were added and not returned. A tail that is not finished
// counts: it is lost if the process dies.
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
