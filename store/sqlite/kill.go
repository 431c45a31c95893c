package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// Stop requests a stop of a run that belongs to no job; see [scheduler.Ledger].
func (l *Ledger) Stop(ctx context.Context, x scheduler.Stop) error {
	return l.change(ctx, func(tx *sql.Tx) error {
		var state store.State
		err := tx.QueryRowContext(ctx, "SELECT state FROM runs WHERE id = ?", x.Run).Scan(&state)
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && state.Ended():
			return scheduler.ErrConflict
		case err != nil:
			return err
		}
		if err := writeStop(ctx, tx, &x); err != nil {
			return err
		}
		if state == store.Queued {
			if err := endQueued(ctx, tx, x.Run, store.Finished, fanout.StoppedKill, "", x.At); err != nil {
				return err
			}
		}
		return noteRun(ctx, tx, x.Run, nil)
	})
}

// Stops returns the requests to stop any of the runs; see [scheduler.Ledger].
func (l *Ledger) Stops(ctx context.Context, runs []int64) ([]scheduler.Stop, error) {
	stops, err := l.stops(ctx, runs)
	return stops, l.fault("read", err)
}

func (l *Ledger) stops(ctx context.Context, runs []int64) (stops []scheduler.Stop, err error) {
	list, err := json.Marshal(runs)
	if err != nil {
		return nil, err
	}
	rows, err := l.r.QueryContext(ctx, `
		SELECT id, kill_by, kill_at, kill_how = 'halt', replaced_by FROM runs
		WHERE id IN (SELECT value FROM json_each(?)) AND kill_at IS NOT NULL ORDER BY id`, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var x scheduler.Stop
		var at sql.NullString
		var replacedBy sql.NullInt64
		if err := rows.Scan(&x.Run, &x.By, &at, &x.Halt, &replacedBy); err != nil {
			return nil, err
		}
		x.ReplacedBy = replacedBy.Int64
		if x.At, err = parseTime(at); err != nil {
			return nil, err
		}
		stops = append(stops, x)
	}
	return stops, rows.Err()
}
