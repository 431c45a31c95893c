package fanout

import (
	"slices"
	"time"
)

// batches cuts the targets of a plan, in their order, into batches.
type batches struct {
	sizes []Share
	pause time.Duration
	total int
	begun int // targets that have been handed out
	count int // batches that have been handed out
	of    int // batches in all
	// resumeAt is the end of the pause before the next batch; zero without one.
	resumeAt time.Time
}

func newBatches(p Policy, total int) batches {
	sizes := p.Batches
	if len(sizes) == 0 {
		sizes = []Share{{Value: 100, Percent: true}}
	}
	b := batches{sizes: sizes, pause: p.Pause, total: total}
	for left := total; left > 0; b.of++ {
		left -= b.size(b.of)
	}
	return b
}

// size is how many targets batch n has, counted from 0; the last one may have
// fewer.
func (b *batches) size(n int) int { return b.sizes[min(n, len(b.sizes)-1)].batchOf(b.total) }

// empty reports whether every target has been handed out.
func (b *batches) empty() bool { return b.begun == b.total }

// next returns the targets of the next batch, or none if there are no more or
// the pause is not over. It is called when the batch before has ended; the
// first call after that begins the pause.
func (b *batches) next(now time.Time) []int {
	if b.empty() {
		return nil
	}
	if b.count > 0 && b.pause > 0 {
		if b.resumeAt.IsZero() {
			b.resumeAt = now.Add(b.pause)
		}
		if now.Before(b.resumeAt) {
			return nil
		}
		b.resumeAt = time.Time{}
	}
	size := b.size(b.count)
	b.count++
	return b.take(size)
}

// drain returns every target that was not handed out.
func (b *batches) drain() []int { return b.take(b.total) }

func (b *batches) take(n int) []int {
	n = min(n, b.total-b.begun)
	out := make([]int, n)
	for i := range out {
		out[i] = b.begun + i
	}
	b.begun += n
	return out
}

// A gate is the state of one Gate of the plan.
type gate struct {
	limit   int
	inside  int
	waiting []int // targets that found it closed, in the order they came
}

func (g *gate) open() bool { return g.inside < g.limit }

// next takes the first waiting target, if the gate is open.
func (g *gate) next() (int, bool) {
	if !g.open() || len(g.waiting) == 0 {
		return 0, false
	}
	i := g.waiting[0]
	g.waiting = g.waiting[1:]
	return i, true
}

// gates are the gates of a plan by name.
type gates map[string]*gate

// of returns the gates of t. Where targets disagree about a limit, the first
// one counts; a limit below 1 is 1, so that nothing waits for ever.
func (gs gates) of(t *Target) []*gate {
	var out []*gate
	for _, g := range t.Gates {
		state := gs[g.Name]
		if state == nil {
			state = &gate{limit: max(1, g.Parallel)}
			gs[g.Name] = state
		}
		if !slices.Contains(out, state) {
			out = append(out, state)
		}
	}
	return out
}

// drain returns every target that waits at a gate.
func (gs gates) drain() []int {
	var out []int
	for _, g := range gs {
		out = append(out, g.waiting...)
		g.waiting = nil
	}
	return out
}

func firstClosed(gates []*gate) *gate {
	for _, g := range gates {
		if !g.open() {
			return g
		}
	}
	return nil
}

// indexHeap is a heap of target indices: the lowest comes first.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *indexHeap) Push(x any) { *h = append(*h, x.(int)) }

// Pop is for container/heap.
func (h *indexHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
