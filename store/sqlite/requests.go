package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"tutti/store"
)

// A made is what an idempotent request made: a run, a job, or a firing of a job.
type made struct{ run, job, firing int64 }

// checkRequest looks whether a request was taken before, and forgets old keys.
func checkRequest(ctx context.Context, tx *sql.Tx, k store.RequestKey) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM requests WHERE at < ?", timeText(k.At.Add(-store.KeptKeys))); err != nil {
		return err
	}
	return takenBefore(ctx, tx, k)
}

// takenBefore looks for the key of a request among those that are kept.
func takenBefore(ctx context.Context, q queryer, k store.RequestKey) error {
	if k.Key == "" {
		return nil
	}
	var kept []byte
	var m made
	err := q.QueryRowContext(ctx, `SELECT body_mac, run_id, coalesce(job_id, 0), coalesce(firing_id, 0) FROM requests
		WHERE principal = ? AND key = ? AND at >= ?`,
		k.Principal, k.Key, timeText(k.At.Add(-store.KeptKeys))).Scan(&kept, &m.run, &m.job, &m.firing)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case bytes.Equal(kept, k.Body):
		return &store.ReplayedError{Run: m.run, Job: m.job, Firing: m.firing}
	}
	return &store.KeyReusedError{Key: k.Key, Run: m.run}
}

// keepRequest keeps the key of a request with what it made.
func keepRequest(ctx context.Context, tx *sql.Tx, k store.RequestKey, m made) error {
	if k.Key == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO requests (principal, key, body_mac, at, run_id, job_id, firing_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
		k.Principal, k.Key, append([]byte{}, k.Body...), timeText(k.At), m.run, number(m.job), number(m.firing))
	return err
}

// checkOnce is checkRequest for the key of ctx, if it has one.
func checkOnce(ctx context.Context, tx *sql.Tx) error {
	k, ok := store.OnceOf(ctx)
	if !ok {
		return nil
	}
	return checkRequest(ctx, tx, k)
}

// keepOnce is keepRequest for the key of ctx, if it has one.
func keepOnce(ctx context.Context, tx *sql.Tx, m made) error {
	k, ok := store.OnceOf(ctx)
	if !ok {
		return nil
	}
	return keepRequest(ctx, tx, k, m)
}

// Find is the run of a submission; see [store.Queue].
func (q *Queue) Find(ctx context.Context, principal, key string, now time.Time) (run int64, err error) {
	err = q.r.QueryRowContext(ctx, "SELECT run_id FROM requests WHERE principal = ? AND key = ? AND at >= ?",
		principal, key, timeText(now.Add(-store.KeptKeys))).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return run, q.fault("read", err)
}

// Replayed says whether a submission was taken before; see [store.Queue].
func (q *Queue) Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error {
	err := takenBefore(ctx, q.r, store.RequestKey{Principal: principal, Key: key, Body: body, At: now})
	if errors.As(err, new(*store.ReplayedError)) || errors.As(err, new(*store.KeyReusedError)) {
		return err
	}
	return q.fault("read", err)
}
