package store

import (
	"context"
	"time"

	"tutti/fanout"
)

// A Heartbeat is a login to a host that a daemon made to learn whether it can be reached.
// It is no run.
type Heartbeat struct {
	Host string
	At   time.Time
	// Failed: the host could not be reached, at the step Op, for the reason Error.
	Failed bool
	Op     fanout.Op
	Error  string
}

// Heartbeats are the newest heartbeat of each host. Its methods may be called by many
// goroutines, and several processes, at once.
type Heartbeats interface {
	// Beat records heartbeats, each of another host. Hosts that had none for
	// KeptHeartbeats before now are forgotten.
	Beat(ctx context.Context, all []Heartbeat, now time.Time) error
}

// KeptHeartbeats is how long the heartbeat of a host is kept that gets no other.
const KeptHeartbeats = 7 * 24 * time.Hour

// A Pulse is what heartbeats know of a host.
type Pulse struct {
	// Last is the newest.
	Last Heartbeat
	// Reached is when the newest was that reached the host, and Since when the first
	// was that failed after it; zero: none.
	Reached, Since time.Time
}

// Feel adds to the health of a host what heartbeats know of it. The newer of the last run
// and the last heartbeat says whether it can be reached.
func (h *HostHealth) Feel(p *Pulse) {
	reached := h.Reached.At
	if p.Reached.After(h.Reached.At) {
		h.Reached = Contact{At: p.Reached}
	}
	b := &p.Last
	if last := h.lastContact(reached); !b.At.After(last) {
		if h.Unreachable() && !h.Since.After(h.Reached.At) {
			h.Since = h.Failed.At
		}
		return
	}
	h.Beat = true
	if !b.Failed {
		h.Failed, h.Since, h.Op, h.Error = Contact{}, time.Time{}, "", ""
		return
	}
	if h.Since.IsZero() || !h.Since.After(h.Reached.At) {
		h.Since = p.Since
	}
	if !h.Since.After(h.Reached.At) {
		h.Since = b.At
	}
	h.Failed, h.Op, h.Error = Contact{At: b.At}, b.Op, b.Error
}

// lastContact is when a run last tried to reach the host, which it did last at reached.
func (h *HostHealth) lastContact(reached time.Time) time.Time {
	if h.Failed.At.After(reached) {
		return h.Failed.At
	}
	return reached
}
