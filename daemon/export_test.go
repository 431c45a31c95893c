package daemon

import (
	"context"
	"sync/atomic"

	"tutti/access"
	"tutti/server"
	"tutti/store"
)

// deaf is a history that never says that something was written.
type deaf struct{ store.Store }

func (deaf) Wake() (wake <-chan struct{}, end func()) { return nil, func() {} }

// Deafen keeps a daemon from hearing that something was written to the history. It is
// for a daemon that does not run yet.
func Deafen(d *Daemon) { d.store = deaf{d.store} }

// SubmissionsOf are the runs that clients start in a daemon.
func SubmissionsOf(d *Daemon) server.Submissions { return d.lanes.submissions() }

// BreakAudit makes the first entry fail that the lanes of a daemon add to the audit. It is
// for a daemon that does not run yet.
func BreakAudit(d *Daemon) { d.lanes.gate.Store = &brokenAudit{Store: d.lanes.gate.Store} }

type brokenAudit struct {
	access.Store
	failed atomic.Bool
}

func (a *brokenAudit) Record(ctx context.Context, e access.Entry) error {
	if a.failed.CompareAndSwap(false, true) {
		return store.ErrBusy
	}
	return a.Store.Record(ctx, e)
}
