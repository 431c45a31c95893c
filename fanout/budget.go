package fanout

import (
	"context"
	"sync"
	"sync/atomic"
)

// A budget bounds the bytes of output that are on their way from the hosts to
// whoever reads them. Waiters are served in the order in which they came.
type budget struct {
	mu      sync.Mutex // guards what follows
	free    int64
	waiters []*budgetWaiter
}

type budgetWaiter struct {
	n       int64
	granted chan struct{}
}

// take waits until n bytes are free, or ctx is done. n must not be larger than
// the whole budget.
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

// leave takes w out of the queue, or gives back what it was granted meanwhile.
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

// grant serves the first waiters as far as the free bytes go; b.mu is held.
func (b *budget) grant() {
	for len(b.waiters) > 0 && b.waiters[0].n <= b.free {
		w := b.waiters[0]
		b.waiters[0] = nil
		b.waiters = b.waiters[1:]
		b.free -= w.n
		close(w.granted)
	}
}

// A chunk is a piece of output with its share of the budget. It is given back
// when the last of those who hold it lets go.
type chunk struct {
	data   []byte
	refs   atomic.Int32
	budget *budget
}

// chunkOverhead is what a chunk costs beside its data, here and in the queue of
// a sink. Without it a host that sends a byte at a time would fill many times
// the memory that the budget allows.
const chunkOverhead = 512

// cost is what n bytes of output take from the budget.
func cost(n int) int64 { return int64(n) + chunkOverhead }

func (c *chunk) release() {
	if c.refs.Add(-1) == 0 {
		c.budget.give(cost(len(c.data)))
	}
}
