package daemon

import (
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
