package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"tutti/scheduler"
)

// Controllers lists the processes that are registered, the oldest first.
func (s *Store) Controllers(ctx context.Context) ([]scheduler.Controller, error) {
	all, err := s.controllers(ctx)
	return all, s.fault("read", err)
}

// Daemons lists those that serve this history.
func (s *Store) Daemons(ctx context.Context) ([]scheduler.Controller, error) {
	all, err := s.Controllers(ctx)
	return slices.DeleteFunc(all, func(c scheduler.Controller) bool { return !c.Serves }), err
}

func (s *Store) controllers(ctx context.Context) ([]scheduler.Controller, error) {
	rows, err := s.r.QueryContext(ctx, "SELECT id, pid, serves, started_at FROM daemons WHERE id > 0 ORDER BY id")
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
		if c.Started, err = parseTime(started); err != nil {
			return nil, err
		}
		alive, err := s.locks.held(daemonLocks + c.ID)
		if err != nil {
			return nil, err
		}
		if alive {
			all = append(all, c)
		}
	}
	return all, rows.Err()
}
