package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"tutti/store"
)

// Callbacks are those of submitted runs; see [store.Callbacks].
type Callbacks struct{ *fileHandle }

var _ store.Callbacks = (*Callbacks)(nil)

// Callbacks are those of submitted runs.
func (s *Store) Callbacks() store.Callbacks { return &Callbacks{s.queue.fileHandle} }

// keepCallback writes the callback of a submitted run.
func keepCallback(ctx context.Context, tx *sql.Tx, c *store.Callback, run int64) error {
	if c == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO callbacks (run_id, task, told_of, target, set_by) VALUES (?, ?, ?, ?, ?)", run, c.Task, text(c.On), c.URL, c.By)
	return err
}

// callbackDue makes the callback of a run due that has ended, if it has one.
func callbackDue(ctx context.Context, tx *sql.Tx, run int64) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE callbacks SET due_at = (SELECT coalesce(ended_at, started_at) FROM runs WHERE id = run_id)
		WHERE run_id = ? AND due_at IS NULL AND done_at IS NULL`, run)
	return err
}

// toldLater selects the runs whose callback is still to be sent.
const toldLater = "EXISTS (SELECT 1 FROM callbacks c WHERE c.run_id = runs.id AND c.due_at IS NOT NULL)"

// Lease takes those that are due; see [store.Callbacks].
func (c *Callbacks) Lease(ctx context.Context, now, until time.Time, most int) (due []store.Callback, err error) {
	some, err := exists(ctx, c.r, "SELECT 1 FROM callbacks WHERE due_at <= ?", timeText(now))
	if err != nil || !some {
		return nil, c.fault("read", err)
	}
	err = c.change(ctx, func(tx *sql.Tx) error {
		ids, err := column[int64](ctx, tx, "SELECT run_id FROM callbacks WHERE due_at <= ? ORDER BY run_id LIMIT ?", timeText(now), most)
		if err != nil {
			return err
		}
		for _, id := range ids {
			x := store.Callback{Run: id}
			var ended, on sql.NullString
			// It is counted now: a callback that ends the process that delivers it is not
			// tried for ever.
			err := tx.QueryRowContext(ctx, `
				UPDATE callbacks SET attempts = attempts + 1, due_at = ? WHERE run_id = ?
				RETURNING task, told_of, target, set_by, attempts, (SELECT coalesce(ended_at, started_at) FROM runs WHERE id = run_id)`, timeText(until), id).
				Scan(&x.Task, &on, &x.URL, &x.By, &x.Attempt, &ended)
			if err != nil {
				return err
			}
			x.On = on.String
			if x.Ended, err = parseTime(ended); err != nil {
				return err
			}
			due = append(due, x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// Delivered records an attempt; see [store.Callbacks].
func (c *Callbacks) Delivered(ctx context.Context, x store.Callback, now time.Time, failure error, again time.Time) error {
	return c.change(ctx, func(tx *sql.Tx) error {
		var said any
		if failure != nil {
			said = failure.Error()
		}
		const mine = " WHERE run_id = ? AND attempts = ? AND done_at IS NULL"
		if failure != nil && !again.IsZero() {
			_, err := tx.ExecContext(ctx, "UPDATE callbacks SET due_at = ?, error = ?"+mine, timeText(again), said, x.Run, x.Attempt)
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE callbacks SET due_at = NULL, error = ?, done_at = ?, target = ?"+mine,
			said, timeText(now), redacted(x.URL), x.Run, x.Attempt)
		return err
	})
}

// Release gives back callbacks that were not tried; see [store.Callbacks].
func (c *Callbacks) Release(ctx context.Context, cs []store.Callback, due time.Time) error {
	return c.change(ctx, func(tx *sql.Tx) error {
		for _, x := range cs {
			_, err := tx.ExecContext(ctx, "UPDATE callbacks SET attempts = attempts - 1, due_at = ? WHERE run_id = ? AND attempts = ? AND done_at IS NULL",
				timeText(due), x.Run, x.Attempt)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Callback is the state of that of a run; see [store.Callbacks].
func (c *Callbacks) Callback(ctx context.Context, run int64) (s store.CallbackState, ok bool, err error) {
	var failure, done sql.NullString
	err = c.r.QueryRowContext(ctx, "SELECT attempts, error, done_at FROM callbacks WHERE run_id = ?", run).Scan(&s.Attempts, &failure, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	if err == nil {
		s.Error = failure.String
		s.Done, err = parseTime(done)
	}
	return s, err == nil, c.fault("read", err)
}
