package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"tutti/fanout"
	"tutti/store"
)

// A Hub has the states of the hosts of one run, and the newest output of those that are
// watched. It is a sink that never waits, never fails, and keeps nothing that is lent.
type Hub struct {
	hubs *Hubs
	// epoch distinguishes its versions from those of other processes and runs.
	epoch string
	// ready is closed when the run has started, and what was on record by then is known:
	// run, hosts and board are set, and do not change any more.
	ready chan struct{}
	run   int64
	hosts []string
	board *board // nil before
	// pages are the names of all hosts as they are sent, made when they are first needed.
	pages func() [][]byte

	mu sync.Mutex // guards changes of rings, which are not changed in place
	// rings are those of the hosts that are watched; nil: none is.
	rings atomic.Pointer[map[int]*ring]
	// feeder starts what feeds a ring, and returns what ends it; nil: the run does.
	feeder func(r *ring) (stop func())
}

var _ store.Watcher = (*Hub)(nil)

func newHub(hubs *Hubs) *Hub {
	return &Hub{hubs: hubs, epoch: newEpoch(), ready: make(chan struct{})}
}

// newEpoch is a random epoch for versions that only this process counts.
func newEpoch() string {
	var epoch [4]byte
	_, _ = rand.Read(epoch[:]) // it never fails
	return hex.EncodeToString(epoch[:])
}

// Handle notes e.
func (h *Hub) Handle(_ context.Context, e fanout.Event) error {
	switch {
	case e.Kind == fanout.RunStarted:
		h.start(&e)
	case h.board == nil: // no run has started
	case e.Kind == fanout.RunFinished:
		h.board.finish()
		h.hubs.over(h)
	case e.Target != nil:
		h.note(&e)
	}
	return nil
}

func (h *Hub) start(e *fanout.Event) {
	h.run, h.board = e.RunID, newBoard(len(e.Plan.Targets))
	h.hosts = make([]string, len(e.Plan.Targets))
	for i := range e.Plan.Targets {
		h.hosts[i] = e.Plan.Targets[i].Name
	}
	h.pages = sync.OnceValue(func() [][]byte { return namePages(h.hosts) })
	if h.feeder == nil {
		close(h.ready)
	}
	h.hubs.began(h)
}

// CaughtUp says that all events on record were handled; see store.Watcher.
func (h *Hub) CaughtUp() {
	select {
	case <-h.ready:
	default:
		close(h.ready)
	}
}

// note notes an event of a host.
func (h *Hub) note(e *fanout.Event) {
	b, index := h.board, e.Target.Index
	b.mu.Lock()
	s := &b.slots[index]
	switch e.Kind {
	case fanout.TargetConnecting:
		s.begin(e.Attempt)
		b.set(s, index, connecting)
	case fanout.TargetStarted:
		if int(s.attempt) != e.Attempt { // a record has no TargetConnecting
			s.begin(e.Attempt)
		}
		b.set(s, index, running)
	case fanout.Output:
		s.bytes[e.Stream] += int64(len(e.Data)) + e.Omitted
		b.mark(s, index)
	case fanout.TargetRetrying:
		s.end(e.Result)
		b.set(s, index, retrying)
	case fanout.TargetFinished:
		s.end(e.Result)
		b.set(s, index, ended+phase(e.Result.Outcome))
	}
	to := s.bytes[e.Stream]
	b.mu.Unlock()
	if rings := h.rings.Load(); e.Kind == fanout.Output && rings != nil {
		if r := (*rings)[index]; r != nil {
			r.write(e.Attempt, e.Stream, to, e.Data)
		}
	}
}

// feed notes what a watched host wrote in a run that is followed from the history.
func (h *Hub) feed(r *ring, e *fanout.Event) {
	switch e.Kind {
	case fanout.TargetStarted:
		r.begin(e.Attempt)
		return
	case fanout.Output:
	default:
		return
	}
	to := r.after(e.Stream) + int64(len(e.Data)) + e.Omitted
	r.write(e.Attempt, e.Stream, to, e.Data)
	b := h.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := &b.slots[r.host]; int(s.attempt) == e.Attempt && s.bytes[e.Stream] < to {
		s.bytes[e.Stream] = to
	}
	b.mark(&b.slots[r.host], r.host) // the next frame makes viewers read the ring
}

// Why output of a host is not kept for a viewer.
var (
	errManyRings = errors.New("too many hosts are watched in this run")
	errRingSpace = errors.New("too many hosts are watched")
)

// watch is the ring of a host, until unwatch.
func (h *Hub) watch(host int) (*ring, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rings := h.copyRings()
	r := rings[host]
	if r == nil {
		switch {
		case len(rings) >= ringsPerRun:
			return nil, errManyRings
		case !h.hubs.takeRing():
			return nil, errRingSpace
		}
		h.board.mu.Lock()
		s := h.board.slots[host]
		h.board.mu.Unlock()
		if h.feeder != nil { // it starts at the first byte
			s = slot{attempt: 1}
		}
		r = newRing(host, int(s.attempt), s.bytes)
		rings[host] = r
		h.rings.Store(&rings)
		if h.feeder != nil {
			r.stop = h.feeder(r)
		}
	}
	r.watchers++
	return r, nil
}

func (h *Hub) unwatch(r *ring) {
	h.mu.Lock()
	r.watchers--
	last := r.watchers == 0
	if last {
		rings := h.copyRings()
		delete(rings, r.host)
		h.rings.Store(&rings)
		h.hubs.giveRing()
	}
	h.mu.Unlock()
	if last && r.stop != nil {
		r.stop()
	}
}

// copyRings is a copy of the rings; h.mu is held.
func (h *Hub) copyRings() map[int]*ring {
	rings := make(map[int]*ring)
	if have := h.rings.Load(); have != nil {
		maps.Copy(rings, *have)
	}
	return rings
}

// abandon says that no more events of the run will come, if it has not ended.
func (h *Hub) abandon() {
	if h.board != nil {
		h.board.finish()
	}
}
