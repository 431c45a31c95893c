package access

import (
	"net/netip"
	"sync"
	"time"
)

// The limits of attempts to log in, for a name and from an address.
const (
	maxTries    = 5
	tryPeriod   = 5 * time.Minute
	maxTracked  = 10_000 // names and addresses, each
	networkBits = 64     // of IPv6: the owner of one address of such a network has all
)

// A Throttle bounds attempts to log in. It may be used by several goroutines at once.
// The zero value is ready for use.
type Throttle struct {
	mu      sync.Mutex // guards what follows
	names   tries[string]
	sources tries[netip.Prefix]
}

// Attempt counts an attempt, which Success takes back. It is a [*ThrottledError] if
// there were too many; that one is not counted, so that waiting helps. The zero address
// is not throttled; its name is.
func (t *Throttle) Attempt(name string, from netip.Addr, now time.Time) error {
	name = throttled(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	source, known := sourceOf(from)
	wait := t.names.wait(name, now)
	if known {
		wait = max(wait, t.sources.wait(source, now))
	}
	if wait > 0 {
		return &ThrottledError{wait}
	}
	t.names.add(name, now)
	if known {
		t.sources.add(source, now)
	}
	return nil
}

// Success forgets the attempts for the name, and the last one from the address: the
// others there may have been for other names.
func (t *Throttle) Success(name string, from netip.Addr) {
	name = throttled(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.names.at, name)
	if source, known := sourceOf(from); known {
		t.sources.takeBack(source)
	}
}

// throttled is the name under which attempts are counted: all names that no user can have
// count as one.
func throttled(name string) string {
	if CheckName("user", name) != nil {
		return ""
	}
	return name
}

// sourceOf is the network that counts as one address.
func sourceOf(addr netip.Addr) (netip.Prefix, bool) {
	if !addr.IsValid() {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = networkBits
	}
	return netip.PrefixFrom(addr, bits).Masked(), true
}

// tries are the attempts of the last period by name or network, the oldest first.
type tries[K comparable] struct{ at map[K][]time.Time }

// wait is how long k has to wait; 0: not at all.
func (t *tries[K]) wait(k K, now time.Time) time.Duration {
	recent := recentOf(t.at[k], now)
	if len(recent) < maxTries {
		return 0
	}
	return max(recent[len(recent)-maxTries].Add(tryPeriod).Sub(now), time.Nanosecond)
}

func (t *tries[K]) add(k K, now time.Time) {
	if t.at == nil {
		t.at = make(map[K][]time.Time)
	}
	if _, there := t.at[k]; !there && len(t.at) >= maxTracked {
		t.forget(now)
	}
	t.at[k] = append(recentOf(t.at[k], now), now)
}

func (t *tries[K]) takeBack(k K) {
	if at := t.at[k]; len(at) > 1 {
		t.at[k] = at[:len(at)-1]
		return
	}
	delete(t.at, k)
}

// forget makes room: it removes the expired ones, or else the oldest.
func (t *tries[K]) forget(now time.Time) {
	var oldest K
	var first time.Time
	for k, at := range t.at {
		if len(recentOf(at, now)) == 0 {
			delete(t.at, k)
			continue
		}
		if first.IsZero() || at[0].Before(first) {
			oldest, first = k, at[0]
		}
	}
	if len(t.at) >= maxTracked {
		delete(t.at, oldest)
	}
}

// recentOf are the attempts that still count. A clock that was set back makes none of
// them older.
func recentOf(at []time.Time, now time.Time) []time.Time {
	for len(at) > 0 && now.Sub(at[0]) >= tryPeriod {
		at = at[1:]
	}
	return at
}
