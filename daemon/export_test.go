package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"tutti/server"
	"tutti/store"
)

// deaf is a history that never says that something was written.
type deaf struct{ store.Store }

func (deaf) Wake() (wake <-chan struct{}, end func()) { return nil, func() {} }

// Deafen keeps a daemon from hearing that something was written to the history. It is
// for a daemon that does not run yet.
func Deafen(d *Daemon) { d.store = deaf{d.store} }

// Beat has a daemon log in, once, to the hosts that nothing has tried to reach for every,
// each for patience at most.
func Beat(ctx context.Context, d *Daemon, every, patience time.Duration) error {
	return (&heart{d, every, patience}).beat(ctx)
}

// RunHeart is what a daemon does with that interval of heartbeats, until ctx ends.
func RunHeart(ctx context.Context, d *Daemon, every time.Duration) {
	(&heart{d, every, beatPatience}).run(ctx)
}

// SubmissionsOf are the runs that clients start in a daemon.
func SubmissionsOf(d *Daemon) server.Submissions { return d.lanes.submissions() }

// BreakQueue makes the first Fail of a daemon's lanes fail. It is for a daemon that does not
// run yet.
func BreakQueue(d *Daemon) { d.lanes.queue = &brokenQueue{Queue: d.lanes.queue} }

type brokenQueue struct {
	store.Queue
	failed atomic.Bool
}

func (q *brokenQueue) Fail(ctx context.Context, held store.QueueEntry, reason string, now time.Time) error {
	if q.failed.CompareAndSwap(false, true) {
		return store.ErrBusy
	}
	return q.Queue.Fail(ctx, held, reason, now)
}

// KeepHouse does a daemon's regular tasks until ctx ends.
func KeepHouse(ctx context.Context, d *Daemon) { d.keepHouse(ctx) }
