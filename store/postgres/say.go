package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
)

// Say writes down what the daemon says of itself, if that has changed; see [store.Daemon].
func (d *Daemon) Say(ctx context.Context, said scheduler.Said) (draining bool, err error) {
	text, err := store.SaidText(said)
	if err != nil {
		return false, err
	}
	var old string
	err = d.ledger.pool.QueryRow(ctx, `SELECT draining, said FROM controllers WHERE id = $1 AND NOT "over"`, d.id).Scan(&draining, &old)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, scheduler.ErrFenced
	}
	if err != nil || old == text {
		return draining, d.ledger.fault("read", err)
	}
	return draining, d.ledger.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE controllers SET said = $2 WHERE id = $1", d.id, text)
		return err
	})
}

// Drain has a daemon start nothing any more, or runs again; see [store.Store].
func (h *handle) Drain(ctx context.Context, daemon int64, drain bool) error {
	return h.change(ctx, func(tx pgx.Tx) error {
		var draining bool
		err := tx.QueryRow(ctx, `SELECT draining FROM controllers WHERE id = $1 AND serves AND NOT "over" AND `+aliveControllers+" FOR UPDATE", daemon).Scan(&draining)
		if errors.Is(err, pgx.ErrNoRows) {
			return &store.NoControllerError{ID: daemon}
		}
		if err != nil || draining == drain {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE controllers SET draining = $2 WHERE id = $1", daemon, drain); err != nil {
			return err
		}
		return noteAudited(ctx, tx, fmt.Sprintf("daemon:%d", daemon), access.Done, access.Details{"draining": drain})
	})
}
