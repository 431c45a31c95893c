package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
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
	rows, err := l.r.QueryContext(ctx, "SELECT id, pid, serves, started_at, machine, draining, said FROM daemons WHERE id > 0 ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []scheduler.Controller
	for rows.Next() {
		var c scheduler.Controller
		var started, machine, said sql.NullString
		if err := rows.Scan(&c.ID, &c.PID, &c.Serves, &started, &machine, &c.Draining, &said); err != nil {
			return nil, err
		}
		c.Machine, c.Said = machine.String, store.ReadSaid(said.String)
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

// A voice says what a daemon does.
type voice struct {
	ledger *Ledger
	id     int64 // of the daemon
}

// Say writes down what the daemon says of itself, if that has changed; see [store.Daemon].
func (d voice) Say(ctx context.Context, said scheduler.Said) (draining bool, err error) {
	text, err := store.SaidText(said)
	if err != nil {
		return false, err
	}
	var old sql.NullString
	err = d.ledger.r.QueryRowContext(ctx, "SELECT draining, said FROM daemons WHERE id = ?", d.id).Scan(&draining, &old)
	if errors.Is(err, sql.ErrNoRows) {
		return false, scheduler.ErrFenced
	}
	if err != nil || old.String == text {
		return draining, d.ledger.fault("read", err)
	}
	return draining, d.ledger.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE daemons SET said = ? WHERE id = ?", text, d.id)
		return err
	})
}

// Drain has a daemon start nothing any more, or runs again; see [store.Store].
func (l *Ledger) Drain(ctx context.Context, daemon int64, drain bool) error {
	daemons, err := l.Daemons(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(daemons, func(c scheduler.Controller) bool { return c.ID == daemon }) {
		return &store.NoControllerError{ID: daemon}
	}
	return l.change(ctx, func(tx *sql.Tx) error {
		n, err := on(tx).Exec(ctx, "UPDATE daemons SET draining = ? WHERE id = ? AND draining <> ?", drain, daemon, drain)
		if err != nil || n == 0 {
			return err
		}
		return noteAudited(ctx, tx, fmt.Sprintf("daemon:%d", daemon), access.Done, access.Details{"draining": drain})
	})
}
