package daemon

import (
	"context"
	"sync"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// A registration is the daemon among those of its history. It is replaced when others have
// ended it. Its methods may be called by several goroutines at once.
type registration struct {
	mu  sync.Mutex // guards now
	now store.Daemon
}

var _ scheduler.Outbox = (*registration)(nil)

// member is the current one.
func (r *registration) member() store.Daemon {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *registration) replace(by store.Daemon) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = by
}

// Ready is what keeps the daemon from writing down what it decides.
func (r *registration) Ready(ctx context.Context) error { return r.member().Ready(ctx) }

// Lease is that of [scheduler.Outbox].
func (r *registration) Lease(ctx context.Context, now, until time.Time, most int) ([]scheduler.Delivery, error) {
	return r.member().Lease(ctx, now, until, most)
}

// Delivered is that of [scheduler.Outbox].
func (r *registration) Delivered(ctx context.Context, x scheduler.Delivery, now time.Time, err error, again time.Time) error {
	return r.member().Delivered(ctx, x, now, err, again)
}

// Release is that of [scheduler.Outbox].
func (r *registration) Release(ctx context.Context, ds []scheduler.Delivery, due time.Time) error {
	return r.member().Release(ctx, ds, due)
}

// rejoin registers the daemon again, see [scheduler.Daemon].
func (d *Daemon) rejoin(ctx context.Context) (scheduler.Membership, error) {
	member, err := d.store.JoinDaemons(ctx, d.c.Now())
	if err != nil {
		return nil, err
	}
	d.registration.replace(member)
	d.lanes.look()
	return member, nil
}
