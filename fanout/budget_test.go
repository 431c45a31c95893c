package fanout

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestBudgetComesBack: whatever is taken, held by several, given up while it is waited
// for, or let go in another order, the budget is whole in the end: it is never set
// back, so that a byte that got lost would be lost for the rest of the run.
func TestBudgetComesBack(t *testing.T) {
	const all, hosts, pieces = 256 << 10, 20, 200
	b := &budget{free: all}
	var wg sync.WaitGroup
	for h := range hosts {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(h)))
			var held []*chunk
			letGo := func() {
				i := rng.IntN(len(held))
				held[i].release()
				held = append(held[:i], held[i+1:]...)
			}
			for range pieces {
				p := make([]byte, 1+rng.IntN(60<<10)) // below, of and above the size of a room
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(2000))*time.Microsecond)
				err := b.take(ctx, cost(len(p)))
				cancel()
				if err != nil {
					for len(held) > 0 {
						letGo() // what is waited for may be ours
					}
					continue
				}
				c := b.chunk(p)
				for range rng.IntN(3) {
					c.refs.Add(1)
					held = append(held, c)
				}
				c.release()
			}
			for len(held) > 0 {
				letGo()
			}
		})
	}
	wg.Wait()
	if b.free != all || len(b.waiters) != 0 {
		t.Errorf("got %d bytes free and %d that wait, want all %d and none", b.free, len(b.waiters), all)
	}
}
