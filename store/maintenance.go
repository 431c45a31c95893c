package store

import (
	"context"
	"time"

	"tutti/access"
	"tutti/scheduler"
)

// A Rest is a host in maintenance: runs of jobs, and those that are asked for over HTTP,
// leave it out.
type Rest struct {
	Host string
	// Until is when it ends by itself; zero: never.
	Until time.Time
	// Note says why; may be empty.
	Note string
	// By is who took the host out, and Since when.
	By    string
	Since time.Time
}

// Check returns a [*scheduler.KeyError] if r is over at now, or its note is not one.
func (r Rest) Check(now time.Time) error {
	return scheduler.Pause{Until: r.Until, Note: r.Note}.Check(now)
}

// Maintenance is which hosts are in maintenance. Each change is written together with
// its line of the audit, or not at all. Its methods may be called by many goroutines,
// and several processes, at once.
type Maintenance interface {
	// Rests are the hosts that are in maintenance at now, by name.
	Rests(ctx context.Context, now time.Time) ([]Rest, error)
	// Start takes a host out, or changes until when and why it is. By and Since are
	// those of by.
	Start(ctx context.Context, r Rest, by access.By) error
	// Stop takes a host back. in is false if it was not in maintenance.
	Stop(ctx context.Context, host string, by access.By) (in bool, err error)
}
