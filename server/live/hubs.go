package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tutti/fanout"
	"tutti/store"
)

const (
	// ringsPerRun is how many hosts of a run may be watched, and ringsInAll how many of
	// all runs, which use 64 MiB.
	ringsPerRun, ringsInAll = 64, 256
	// grace is how long a run that is over is found, for clients that come late or again.
	grace = 30 * time.Second
)

// A Source is where runs of other processes are followed: a history.
type Source interface {
	// Follow passes the events of a run to sink as they happen; see store.History.
	Follow(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error
	// Replay passes the events on record to sink; see store.History.
	Replay(ctx context.Context, run int64, f store.Filter, sink fanout.Sink) error
}

// Hubs are the hubs of a process, by run. The zero value is none; it is for one process,
// and safe for concurrent use.
type Hubs struct {
	rings atomic.Int64 // how many there are in all hubs

	mu       sync.Mutex // guards what follows
	runs     map[int64]*Hub
	followed map[int64]*followed
	closed   bool
	feeders  sync.WaitGroup
	timers   map[*time.Timer]bool // for what is over
}

// Sink is for the events of one run, which is found by its number from its start until
// some time after its end. It is for a run that is recorded.
func (hs *Hubs) Sink() fanout.Sink { return newHub(hs) }

// Close stops following runs. Streams have to be over before.
func (hs *Hubs) Close() {
	hs.mu.Lock()
	hs.closed = true
	for t := range hs.timers {
		t.Stop()
	}
	for _, f := range hs.followed {
		f.stop()
	}
	hs.mu.Unlock()
	hs.feeders.Wait()
}

func (hs *Hubs) began(h *Hub) {
	if h.run == 0 || h.feeder != nil {
		return
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.runs == nil {
		hs.runs = make(map[int64]*Hub)
	}
	hs.runs[h.run] = h
}

// over says that the run of h has ended.
func (hs *Hubs) over(h *Hub) {
	if h.feeder != nil {
		return
	}
	hs.later(func() {
		if hs.runs[h.run] == h {
			delete(hs.runs, h.run)
		}
	})
}

// later calls f with hs.mu held after the grace.
func (hs *Hubs) later(f func()) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.closed {
		return
	}
	if hs.timers == nil {
		hs.timers = make(map[*time.Timer]bool)
	}
	var t *time.Timer
	t = time.AfterFunc(grace, func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		delete(hs.timers, t)
		f()
	})
	hs.timers[t] = true
}

func (hs *Hubs) takeRing() bool {
	if hs.rings.Add(1) > ringsInAll {
		hs.rings.Add(-1)
		return false
	}
	return true
}

func (hs *Hubs) giveRing() { hs.rings.Add(-1) }

// A followed run is one whose events a hub gets from a Source, as long as it has viewers.
type followed struct {
	*Hub
	users int // guarded by Hubs.mu
	stop  context.CancelFunc
	done  chan struct{} // closed when the run was read to its end, or cannot be
	err   error         // why it cannot; set before done is closed
}

var errClosed = errors.New("the server is stopping")

// hub is the hub of a run: the one that is a sink of it, or one that follows it. release
// has to be called.
func (hs *Hubs) hub(ctx context.Context, src Source, run int64) (h *Hub, release func(), err error) {
	hs.mu.Lock()
	if h := hs.runs[run]; h != nil {
		hs.mu.Unlock()
		return h, func() {}, nil
	}
	if hs.closed {
		hs.mu.Unlock()
		return nil, nil, errClosed
	}
	f := hs.followed[run]
	if f == nil {
		f = hs.follow(ctx, src, run)
	}
	f.users++
	hs.mu.Unlock()
	release = sync.OnceFunc(func() { hs.release(run, f) })
	select {
	case <-f.ready:
		return f.Hub, release, nil
	case <-f.done: // without a start
		err = f.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	select {
	case <-f.ready: // both have happened
		return f.Hub, release, nil
	default:
	}
	release()
	return nil, nil, err
}

// follow starts following a run; hs.mu is held. It goes on when the client that caused it
// has gone, if others came.
func (hs *Hubs) follow(ctx context.Context, src Source, run int64) *followed {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &followed{Hub: newHub(hs), stop: stop, done: make(chan struct{})}
	f.feeder = func(r *ring) func() {
		ctx, stop := context.WithCancel(ctx)
		filter := store.Filter{Hosts: []string{f.hosts[r.host]}}
		hs.feeders.Go(func() {
			_ = src.Follow(ctx, run, filter, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error { // the states show an error
				f.feed(r, &e)
				return nil
			}))
		})
		return stop
	}
	hs.feeders.Go(func() {
		defer close(f.done)
		f.err = src.Follow(ctx, run, store.Filter{NoOutput: true}, f.Hub)
		f.Hub.abandon()
	})
	if hs.followed == nil {
		hs.followed = make(map[int64]*followed)
	}
	hs.followed[run] = f
	return f
}

func (hs *Hubs) release(run int64, f *followed) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if f.users--; f.users == 0 {
		f.stop()
		if hs.followed[run] == f {
			delete(hs.followed, run)
		}
	}
}
