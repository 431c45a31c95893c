package server

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"tutti/server/operation"
)

// How often somebody may ask: a principal in a second, and at once; and an address
// that has not shown who it is.
const (
	perSecond      = 20
	atOnce         = 60
	knocksASecond  = 5
	maxPaced       = 10_000
	paceForgetting = time.Minute
)

// tooOften is the problem of who asks too often.
var tooOften = operation.Kind{
	Name: "too-often", Title: "Too many requests", Status: http.StatusTooManyRequests,
	Text: "Wait as many seconds as Retry-After says.",
}

// A pace bounds how often each of many may do something. The zero value is not ready.
type pace struct {
	rate, burst float64
	now         func() time.Time

	mu      sync.Mutex // guards what follows
	buckets map[string]*bucket
	swept   time.Time
}

// A bucket is what one has left.
type bucket struct {
	left float64
	at   time.Time
}

func newPace(rate, burst float64, now func() time.Time) *pace {
	return &pace{rate: rate, burst: burst, now: now, buckets: map[string]*bucket{}}
}

// take uses one up for who, or is the problem that none is left. A clock that was put
// back gives nobody less.
func (p *pace) take(who string) *operation.Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.sweep(now)
	b := p.buckets[who]
	if b == nil {
		b = &bucket{left: p.burst, at: now}
		if len(p.buckets) < maxPaced {
			p.buckets[who] = b
		}
	}
	b.left = min(p.burst, b.left+max(0, now.Sub(b.at).Seconds())*p.rate)
	b.at = now
	if b.left < 1 {
		wait := int((1-b.left)/p.rate) + 1
		return retryAfter(tooOften.Fail(""), strconv.Itoa(wait))
	}
	b.left--
	return nil
}

// sweep forgets who has asked for nothing in a while.
func (p *pace) sweep(now time.Time) {
	if d := now.Sub(p.swept); d >= 0 && d < paceForgetting && len(p.buckets) < maxPaced {
		return
	}
	p.swept = now
	for who, b := range p.buckets {
		if b.left+now.Sub(b.at).Seconds()*p.rate >= p.burst {
			delete(p.buckets, who)
		}
	}
}

// network is what counts as one address: whoever has one of IPv6 has many.
func network(addr netip.Addr) string {
	if !addr.IsValid() {
		return "local"
	}
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
