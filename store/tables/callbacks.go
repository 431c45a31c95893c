package tables

import (
	"context"
	"database/sql"
	"time"

	"tutti/store"
)

// callbacks are those of submitted runs; see [store.Callbacks].
type callbacks struct{ db DB }

// Callbacks are those of the submitted runs of a database.
func Callbacks(db DB) store.Callbacks { return &callbacks{db} }

// KeepCallback writes the callback of a submitted run.
func KeepCallback(ctx context.Context, tx Conn, c *store.Callback, run int64) error {
	if c == nil {
		return nil
	}
	_, err := tx.Exec(ctx, "INSERT INTO callbacks (run_id, task, told_of, target, set_by) VALUES (?, ?, ?, ?, ?)", run, c.Task, Text(c.On), c.URL, c.By)
	return err
}

// CallbackDue makes the callback of a run due that has ended, if it has one.
func CallbackDue(ctx context.Context, tx Conn, run int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE callbacks SET due_at = (SELECT coalesce(ended_at, started_at) FROM runs WHERE id = run_id)
		WHERE run_id = ? AND due_at IS NULL AND done_at IS NULL`, run)
	return err
}

// ToldLater selects the runs whose callback is still to be sent.
const ToldLater = "EXISTS (SELECT 1 FROM callbacks c WHERE c.run_id = runs.id AND c.due_at IS NOT NULL)"

// Lease takes those that are due; see [store.Callbacks].
func (c *callbacks) Lease(ctx context.Context, now, until time.Time, most int) (due []store.Callback, err error) {
	some, err := Exists(ctx, c.db.Reader(), "SELECT 1 FROM callbacks WHERE due_at <= ?", Time(now))
	if err != nil || !some {
		return nil, c.db.Fault("read", err)
	}
	err = c.db.Change(ctx, func(tx Conn) error {
		due = nil
		ids, err := Column[int64](ctx, tx, "SELECT run_id FROM callbacks WHERE due_at <= ? ORDER BY run_id LIMIT ?", Time(now), most)
		if err != nil {
			return err
		}
		for _, id := range ids {
			// It is counted now: a callback that ends the process that delivers it is not
			// tried for ever. One that another daemon has taken meanwhile is not due any more.
			one, err := All(ctx, tx, scanCallback, `
				UPDATE callbacks SET attempts = attempts + 1, due_at = ? WHERE run_id = ? AND due_at <= ?
				RETURNING run_id, task, told_of, target, set_by, attempts,
					(SELECT coalesce(ended_at, started_at) FROM runs WHERE id = run_id)`, Time(until), id, Time(now))
			if err != nil {
				return err
			}
			due = append(due, one...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

func scanCallback(rows Rows) (x store.Callback, err error) {
	var ended, on sql.NullString
	if err := rows.Scan(&x.Run, &x.Task, &on, &x.URL, &x.By, &x.Attempt, &ended); err != nil {
		return x, err
	}
	x.On = on.String
	return x, ParseTimes(TimeCell{&x.Ended, ended})
}

// Delivered records an attempt; see [store.Callbacks].
func (c *callbacks) Delivered(ctx context.Context, x store.Callback, now time.Time, failure error, again time.Time) error {
	return c.db.Change(ctx, func(tx Conn) error {
		var said any
		if failure != nil {
			said = failure.Error()
		}
		const mine = " WHERE run_id = ? AND attempts = ? AND done_at IS NULL"
		if failure != nil && !again.IsZero() {
			_, err := tx.Exec(ctx, "UPDATE callbacks SET due_at = ?, error = ?"+mine, Time(again), said, x.Run, x.Attempt)
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE callbacks SET due_at = NULL, error = ?, done_at = ?, target = ?"+mine,
			said, Time(now), Redacted(x.URL), x.Run, x.Attempt)
		return err
	})
}

// Release gives back callbacks that were not tried; see [store.Callbacks].
func (c *callbacks) Release(ctx context.Context, cs []store.Callback, due time.Time) error {
	return c.db.Change(ctx, func(tx Conn) error {
		for _, x := range cs {
			_, err := tx.Exec(ctx, "UPDATE callbacks SET attempts = attempts - 1, due_at = ? WHERE run_id = ? AND attempts = ? AND done_at IS NULL",
				Time(due), x.Run, x.Attempt)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Callback is the state of that of a run; see [store.Callbacks].
func (c *callbacks) Callback(ctx context.Context, run int64) (s store.CallbackState, ok bool, err error) {
	states, err := All(ctx, c.db.Reader(), scanCallbackState, "SELECT attempts, error, done_at FROM callbacks WHERE run_id = ?", run)
	return First(states), len(states) > 0, c.db.Fault("read", err)
}

func scanCallbackState(rows Rows) (s store.CallbackState, err error) {
	var failure, done sql.NullString
	if err := rows.Scan(&s.Attempts, &failure, &done); err != nil {
		return s, err
	}
	s.Error = failure.String
	return s, ParseTimes(TimeCell{&s.Done, done})
}

// Pending are those that have not arrived; see [store.Callbacks].
func (c *callbacks) Pending(ctx context.Context, after int64, limit int) ([]store.PendingCallback, error) {
	all, err := All(ctx, c.db.Reader(), scanPendingCallback, `
		SELECT run_id, told_of, (SELECT coalesce(ended_at, started_at) FROM runs WHERE id = run_id), target, due_at, attempts, error
		FROM callbacks WHERE due_at IS NOT NULL AND run_id > ? ORDER BY run_id LIMIT ?`, after, limit)
	return all, c.db.Fault("read", err)
}

func scanPendingCallback(rows Rows) (x store.PendingCallback, err error) {
	var on, ended, due, failure sql.NullString
	if err := rows.Scan(&x.Run, &on, &ended, &x.Target, &due, &x.Attempts, &failure); err != nil {
		return x, err
	}
	x.On, x.Target, x.Error = on.String, Redacted(x.Target), failure.String
	return x, ParseTimes(TimeCell{&x.Ended, ended}, TimeCell{&x.Due, due})
}
