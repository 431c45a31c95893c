package fanout

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// maxRetryDelay is where a growing delay stops to grow.
const maxRetryDelay = time.Minute

// mayRetry reports whether another attempt follows ts's last one.
func (ts *targetState) mayRetry(policy Retry) bool {
	if f := ts.result.Report.Failure; f != nil && f.Final {
		return false
	}
	return ts.result.Outcome != OK && ts.attempts <= ts.target.Limits.Retries && policy.on(ts.result.Outcome)
}

// Backoff is the time to wait after the n-th try, counted from 1: first after the
// first, twice as long after each further one until that is more than most, and a
// random part of up to a half less, so that those that failed together do not come
// back together.
func Backoff(first, most time.Duration, n int) time.Duration {
	d := first
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, max(first, most))
	if d <= 0 {
		return 0
	}
	return d - rand.N(d/2+1)
}

// A retryQueue holds the targets that wait for another attempt, by the time at
// which it is due.
type retryQueue []retry

type retry struct {
	index int
	at    time.Time
}

func (q *retryQueue) add(index int, at time.Time) { heap.Push(q, retry{index, at}) }

// due takes the targets whose time has come.
func (q *retryQueue) due(now time.Time) []int {
	var out []int
	for len(*q) > 0 && !(*q)[0].at.After(now) {
		out = append(out, heap.Pop(q).(retry).index)
	}
	return out
}

// first is when the next attempt is due; zero if none is.
func (q retryQueue) first() time.Time {
	if len(q) == 0 {
		return time.Time{}
	}
	return q[0].at
}

// drain takes every target.
func (q *retryQueue) drain() []int {
	var out []int
	for _, r := range *q {
		out = append(out, r.index)
	}
	*q = nil
	return out
}

func (q retryQueue) Len() int           { return len(q) }
func (q retryQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q retryQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *retryQueue) Push(x any) { *q = append(*q, x.(retry)) }

// Pop is for container/heap.
func (q *retryQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
