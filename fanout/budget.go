package fanout

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
)

// A budget bounds the bytes of output on their way from the hosts to the sinks. Waiters
// are served in the order in which they came.
type budget struct {
	spare sync.Pool // of *chunkRoom

	mu      sync.Mutex // guards what follows
	free    int64
	waiters []*budgetWaiter
}

type budgetWaiter struct {
	n       int64
	granted chan struct{}
}

// take waits until n bytes are free, or ctx is done; then it returns the cause of ctx.
// n must not be larger than the whole budget.
func (b *budget) take(ctx context.Context, n int64) error {
	b.mu.Lock()
	if len(b.waiters) == 0 && b.free >= n {
		b.free -= n
		b.mu.Unlock()
		return nil
	}
	w := &budgetWaiter{n: n, granted: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.mu.Unlock()

	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		b.leave(w)
		return context.Cause(ctx)
	}
}

// leave takes w out of the queue, or returns what it was granted in the meantime.
func (b *budget) leave(w *budgetWaiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, x := range b.waiters {
		if x == w {
			b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
			b.grant()
			return
		}
	}
	b.free += w.n
	b.grant()
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	b.free += n
	b.grant()
	b.mu.Unlock()
}

// grant serves the first waiters, as many as there are free bytes for; b.mu is held.
func (b *budget) grant() {
	for len(b.waiters) > 0 && b.waiters[0].n <= b.free {
		w := b.waiters[0]
		b.waiters[0] = nil
		b.waiters = b.waiters[1:]
		b.free -= w.n
		close(w.granted)
	}
}

// A chunk is a piece of output with its share of the budget. The share is returned when
// the last holder releases the chunk.
type chunk struct {
	data   []byte
	room   *chunkRoom // that data is in, to be used again; nil: data has its own
	refs   atomic.Int32
	budget *budget
}

// A chunkRoom is the reusable memory of a large chunk. Without it a host that sends
// much output would cause as much allocation and garbage collection.
type chunkRoom [40 << 10]byte

// chunk copies p, whose cost has been taken, and holds the copy. Only a piece that
// nearly fills a room gets one, so that the budget bounds the memory in use; the
// garbage collector frees spare rooms.
func (b *budget) chunk(p []byte) *chunk {
	c := &chunk{budget: b}
	c.refs.Store(1)
	if len(p) > len(c.room) || len(p) < len(c.room)*3/4 {
		c.data = bytes.Clone(p)
		return c
	}
	c.room, _ = b.spare.Get().(*chunkRoom)
	if c.room == nil {
		c.room = new(chunkRoom)
	}
	c.data = append(c.room[:0], p...)
	return c
}

// chunkOverhead is the cost of a chunk in addition to its data, here and in the queue
// of a sink. Without it a host that sends a byte at a time would fill many times the
// memory that the budget allows.
const chunkOverhead = 512

// cost is what n bytes of output take from the budget.
func cost(n int) int64 { return int64(n) + chunkOverhead }

func (c *chunk) release() {
	switch n := c.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("fanout: output was released twice") // another host may be using the memory by now
	}
	n := len(c.data)
	if c.room != nil {
		c.budget.spare.Put(c.room)
		c.data, c.room = nil, nil
	}
	c.budget.give(cost(n))
}
