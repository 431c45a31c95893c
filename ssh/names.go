package ssh

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tutti/fanout"
)

// maxLookups is how many names are resolved at once.
const maxLookups = 64

// A nameQueue limits how many names are resolved at once.
type nameQueue struct {
	places chan struct{} // a token for each name that is being resolved

	mu       sync.Mutex // guards answered
	answered time.Time  // when the name servers last said something
}

func newNameQueue() *nameQueue { return &nameQueue{places: make(chan struct{}, maxLookups)} }

// wait takes a place, which leave returns. It waits for any time while the name servers
// answer, because a long queue is not the host's fault. The error is errConnectTimeout
// once they have been silent for limit, if that is not 0, or the cause of ctx.
func (q *nameQueue) wait(ctx context.Context, limit time.Duration) error {
	began := time.Now()
	var late <-chan time.Time
	t := fanout.NewTimer(limit, func() int64 { return q.heard(began).UnixNano() })
	defer t.Stop()
	if limit > 0 {
		late = t.C
	}
	for {
		select {
		case q.places <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late:
		}
		left := limit - time.Since(q.heard(began))
		if left <= 0 {
			return errConnectTimeout
		}
		t.Reset(left)
	}
}

// heard is when the name servers last answered, or began if that is later.
func (q *nameQueue) heard(began time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answered.After(began) {
		return q.answered
	}
	return began
}

// leave returns a place; answered says whether the name servers answered.
func (q *nameQueue) leave(answered bool) {
	if answered {
		q.mu.Lock()
		q.answered = time.Now()
		q.mu.Unlock()
	}
	<-q.places
}

// named reports whether a connection to e begins with a name that is resolved
// here.
func (e *endpoint) named() bool {
	if e.via != nil || e.ProxyCommand != "" {
		return false
	}
	_, err := netip.ParseAddr(e.Address)
	return err != nil
}
