package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"tutti/scheduler"
)

// Controllers lists the processes that are registered, the oldest first.
func (l *Ledger) Controllers(ctx context.Context) ([]scheduler.Controller, error) {
	all, err := l.controllers(ctx)
	return all, l.fault("read", err)
}

// Daemons lists those that serve this history.
func (l *Ledger) Daemons(ctx context.Context) ([]scheduler.Controller, error) {
	all, err := l.Controllers(ctx)
	return slices.DeleteFunc(all, func(c scheduler.Controller) bool { return !c.Serves }), err
}

func (l *Ledger) controllers(ctx context.Context) ([]scheduler.Controller, error) {
	rows, err := l.r.QueryContext(ctx, "SELECT id, pid, serves, started_at FROM daemons WHERE id > 0 ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []scheduler.Controller
	for rows.Next() {
		var c scheduler.Controller
		var started sql.NullString
		if err := rows.Scan(&c.ID, &c.PID, &c.Serves, &started); err != nil {
			return nil, err
		}
		c.Started, _ = parseTime(started) // an unreadable time does not matter
		alive, err := l.locks.held(daemonLocks + c.ID)
		if err != nil {
			return nil, err
		}
		if alive {
			all = append(all, c)
		}
	}
	return all, rows.Err()
}
