package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// Submit takes a run into the queue; see [store.Queue].
func (q *Queue) Submit(ctx context.Context, s store.Submission) (done store.Submitted, err error) {
	decided, err := store.PlanText(s.Plan, s.Info)
	if err != nil {
		return done, q.fault("record", err)
	}
	request, err := requestText(s.Request)
	if err != nil {
		return done, q.fault("record", err)
	}
	err = q.change(ctx, func(tx *sql.Tx) error {
		if err := checkKey(ctx, tx, &s); err != nil {
			return err
		}
		all, err := entries(ctx, tx)
		if err != nil {
			return err
		}
		if s.Most > 0 && len(all) >= s.Most {
			return &store.QueueFullError{Most: s.Most}
		}
		if done.Run, err = q.insertQueued(ctx, tx, &s, decided); err != nil {
			return err
		}
		e := store.QueueEntry{Run: done.Run, Priority: s.Priority, At: s.Now}
		if s.Secrets != nil {
			e.Secrets = s.Secrets.ID()
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO queue (run_id, priority, queued_at, request, secrets_of) VALUES (?, ?, ?, ?, ?)",
			e.Run, e.Priority, timeText(e.At), request, number(e.Secrets))
		if err != nil {
			return err
		}
		if all, err = entries(ctx, tx); err != nil {
			return err
		}
		done.Place = placeOf(all, done.Run)
		if err := keepScript(ctx, tx, s.Request.Script, done.Run); err != nil {
			return err
		}
		if err := keepCallback(ctx, tx, s.Callback, done.Run); err != nil {
			return err
		}
		if err := noteRun(ctx, tx, done.Run, nil); err != nil {
			return err
		}
		return keepKey(ctx, tx, &s, done.Run)
	})
	if err != nil {
		return store.Submitted{}, err
	}
	return done, nil
}

// insertQueued writes the rows of a run that waits. No process records it, so that its
// number is locked only to see that it is free.
func (q *Queue) insertQueued(ctx context.Context, tx *sql.Tx, s *store.Submission, decided string) (int64, error) {
	id, lock, err := takeNumber(ctx, tx, q.locks, store.Queued, s.Plan, s.Info, decided, s.Now)
	if err != nil {
		return 0, err
	}
	if err := lock.release(); err != nil {
		return 0, err
	}
	return id, insertHosts(ctx, tx, id, s.Plan)
}

// checkKey looks whether the submission was taken before, and forgets old keys.
func checkKey(ctx context.Context, tx *sql.Tx, s *store.Submission) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM requests WHERE at < ?", timeText(s.Now.Add(-store.KeptKeys))); err != nil {
		return err
	}
	return takenBefore(ctx, tx, s.Info.Principal, s.Key, s.Body, s.Now)
}

// Replayed says whether a submission was taken before; see [store.Queue].
func (q *Queue) Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error {
	err := takenBefore(ctx, q.r, principal, key, body, now)
	if errors.As(err, new(*store.ReplayedError)) || errors.As(err, new(*store.KeyReusedError)) {
		return err
	}
	return q.fault("read", err)
}

// takenBefore looks for the key of a submission among those that are kept.
func takenBefore(ctx context.Context, q queryer, principal, key string, body []byte, now time.Time) error {
	if key == "" {
		return nil
	}
	var kept []byte
	var run int64
	err := q.QueryRowContext(ctx, "SELECT body_mac, run_id FROM requests WHERE principal = ? AND key = ? AND at >= ?",
		principal, key, timeText(now.Add(-store.KeptKeys))).Scan(&kept, &run)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case bytes.Equal(kept, body):
		return &store.ReplayedError{Run: run}
	}
	return &store.KeyReusedError{Key: key, Run: run}
}

func keepKey(ctx context.Context, tx *sql.Tx, s *store.Submission, run int64) error {
	if s.Key == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO requests (principal, key, body_mac, at, run_id) VALUES (?, ?, ?, ?, ?)",
		s.Info.Principal, s.Key, append([]byte{}, s.Body...), timeText(s.Now), run)
	return err
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

// insertHosts writes the rows of the hosts of a run.
func insertHosts(ctx context.Context, tx *sql.Tx, run int64, plan fanout.Plan) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO results (run_id, position, host) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	for _, t := range plan.Targets {
		if _, err := insert.ExecContext(ctx, run, t.Index, t.Name); err != nil {
			return err
		}
	}
	return nil
}
