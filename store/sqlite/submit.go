package sqlite

import (
	"context"
	"database/sql"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
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
	key := store.RequestKey{Principal: s.Info.Principal, Key: s.Key, Body: s.Body, At: s.Now}
	err = q.change(ctx, func(tx *sql.Tx) error {
		if err := tables.CheckRequest(ctx, on(tx), key); err != nil {
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
		if err := tables.KeepScript(ctx, on(tx), s.Request.Script, done.Run); err != nil {
			return err
		}
		if err := tables.KeepCallback(ctx, on(tx), s.Callback, done.Run); err != nil {
			return err
		}
		if err := noteRun(ctx, tx, done.Run, nil); err != nil {
			return err
		}
		return tables.KeepRequest(ctx, on(tx), key, tables.Made{Run: done.Run})
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
