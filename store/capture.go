package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"tutti/internal/tail"
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
	tail      tail.Buffer
	total     int64 // bytes that came
	stored    int64 // bytes that were handed out to be recorded
	hash      hash.Hash
}

// newCapture records up to limit bytes; none if limit is negative.
func newCapture(limit int64) capture {
	limit = max(limit, 0)
	kept := min(MaxTail, limit/2)
	return capture{headLimit: limit - kept, tail: tail.Buffer{Size: int(kept)}}
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
	_, _ = c.tail.Write(p[n:]) // it never fails
	return p[:n]
}

// finish returns the tail; nothing may be added after that.
func (c *capture) finish() []byte {
	kept := c.tail.Bytes()
	c.stored += int64(len(kept))
	c.tail = tail.Buffer{}
	return kept
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
