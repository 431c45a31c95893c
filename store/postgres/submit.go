package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

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
	err = q.change(ctx, func(tx pgx.Tx) error {
		if err := tables.CheckRequest(ctx, on(tx), key); err != nil {
			return err
		}
		if err := checkRoom(ctx, tx, s.Most); err != nil {
			return err
		}
		if done.Run, err = insertRun(ctx, tx, store.Queued, s.Plan, s.Info, decided, s.Now); err != nil {
			return err
		}
		if err := q.enqueue(ctx, tx, &s, done.Run, request); err != nil {
			return err
		}
		if err := tables.KeepRequest(ctx, on(tx), key, tables.Made{Run: done.Run}); err != nil {
			return err
		}
		done.Place, err = placeOf(ctx, tx, done.Run)
		return err
	})
	if err != nil {
		return store.Submitted{}, err
	}
	return done, nil
}

// checkRoom is a *QueueFullError if so many runs wait already; 0: any number may.
func checkRoom(ctx context.Context, tx pgx.Tx, most int) error {
	if most <= 0 {
		return nil
	}
	if err := serialSubmissions.take(ctx, tx); err != nil {
		return err
	}
	var waiting int
	err := tx.QueryRow(ctx, "SELECT count(*)"+inQueue).Scan(&waiting)
	if err == nil && waiting >= most {
		err = &store.QueueFullError{Most: most}
	}
	return err
}

// enqueue writes what a run that waits has beside its row and its hosts.
func (q *Queue) enqueue(ctx context.Context, tx pgx.Tx, s *store.Submission, run int64, request string) error {
	secrets := int64(0)
	if s.Secrets != nil {
		secrets = s.Secrets.ID()
	}
	_, err := tx.Exec(ctx, "INSERT INTO queue (run_id, priority, queued_at, request, secrets_of) VALUES ($1, $2, $3, $4, $5)",
		run, s.Priority, timeText(s.Now), request, number(secrets))
	if err != nil {
		return err
	}
	if err := tables.KeepScript(ctx, on(tx), s.Request.Script, run); err != nil {
		return err
	}
	if err := tables.KeepCallback(ctx, on(tx), s.Callback, run); err != nil {
		return err
	}
	return noteRun(ctx, tx, run, nil)
}
