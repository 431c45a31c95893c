package tables

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"tutti/store"
)

// A Made is what an idempotent request made: a run, a job, or a firing of a job.
type Made struct{ Run, Job, Firing int64 }

// CheckRequest looks whether a request was taken before, and forgets old keys. The error is
// a *store.ReplayedError or a *store.KeyReusedError if it was.
func CheckRequest(ctx context.Context, tx Conn, k store.RequestKey) error {
	if _, err := tx.Exec(ctx, "DELETE FROM requests WHERE at < ?", Time(k.At.Add(-store.KeptKeys))); err != nil {
		return err
	}
	return takenBefore(ctx, tx, k)
}

// takenBefore looks for the key of a request among those that are kept.
func takenBefore(ctx context.Context, c Conn, k store.RequestKey) error {
	if k.Key == "" {
		return nil
	}
	kept, err := All(ctx, c, scanRequest, `SELECT body_mac, run_id, coalesce(job_id, 0), coalesce(firing_id, 0) FROM requests
		WHERE principal = ? AND key = ? AND at >= ?`, k.Principal, k.Key, Time(k.At.Add(-store.KeptKeys)))
	if err != nil || len(kept) == 0 {
		return err
	}
	m := kept[0].made
	if bytes.Equal(kept[0].body, k.Body) {
		return &store.ReplayedError{Run: m.Run, Job: m.Job, Firing: m.Firing}
	}
	return &store.KeyReusedError{Key: k.Key, Run: m.Run}
}

// A keptRequest is what is kept of a request.
type keptRequest struct {
	body []byte
	made Made
}

func scanRequest(rows Rows) (k keptRequest, err error) {
	return k, rows.Scan(&k.body, &k.made.Run, &k.made.Job, &k.made.Firing)
}

// KeepRequest keeps the key of a request with what it made. The error is that of
// CheckRequest if another process took the request meanwhile.
func KeepRequest(ctx context.Context, tx Conn, k store.RequestKey, m Made) error {
	if k.Key == "" {
		return nil
	}
	kept, err := tx.Exec(ctx, `INSERT INTO requests (principal, key, body_mac, at, run_id, job_id, firing_id) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (principal, key) DO NOTHING`,
		k.Principal, k.Key, append([]byte{}, k.Body...), Time(k.At), m.Run, Number(m.Job), Number(m.Firing))
	if err != nil || kept > 0 {
		return err
	}
	return cmp.Or(takenBefore(ctx, tx, k), errors.New("the key of the request is in use"))
}

// CheckOnce is CheckRequest for the key of ctx, if it has one; see [store.Once].
func CheckOnce(ctx context.Context, tx Conn) error {
	k, ok := store.OnceOf(ctx)
	if !ok {
		return nil
	}
	return CheckRequest(ctx, tx, k)
}

// KeepOnce is KeepRequest for the key of ctx, if it has one.
func KeepOnce(ctx context.Context, tx Conn, m Made) error {
	k, ok := store.OnceOf(ctx)
	if !ok {
		return nil
	}
	return KeepRequest(ctx, tx, k, m)
}

// FindRequest is Find of a [store.Queue].
func FindRequest(ctx context.Context, db DB, principal, key string, now time.Time) (run int64, err error) {
	runs, err := Column[int64](ctx, db.Reader(), "SELECT run_id FROM requests WHERE principal = ? AND key = ? AND at >= ?",
		principal, key, Time(now.Add(-store.KeptKeys)))
	return First(runs), db.Fault("read", err)
}

// Replayed is that of a [store.Queue].
func Replayed(ctx context.Context, db DB, k store.RequestKey) error {
	return db.Fault("read", takenBefore(ctx, db.Reader(), k))
}
