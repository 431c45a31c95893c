package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/access"
	"tutti/store"
	"tutti/store/tables"
)

// A Queue is the runs that wait for a daemon; see [store.Queue].
type Queue struct {
	*fileHandle
	runs *runReader
}

var _ store.Queue = (*Queue)(nil)

// Queue is the runs that were submitted; see [store.Queue].
func (s *Store) Queue() store.Queue { return s.queue }

const (
	entryColumns = "q.run_id, q.priority, q.queued_at, q.secrets_of, q.daemon_id, q.claim, q.deaths"
	// inQueue are the runs that wait, in the order of their turn.
	inQueue    = " FROM queue AS q JOIN runs ON runs.id = q.run_id AND runs.state = 'queued'"
	queueOrder = " ORDER BY q.priority DESC, q.run_id"
)

// scanQueued reads entryColumns, and more columns into more.
func scanQueued(row interface{ Scan(...any) error }, more ...any) (e store.QueueEntry, err error) {
	var at sql.NullString
	var secrets, owner sql.NullInt64
	fields := []any{&e.Run, &e.Priority, &at, &secrets, &owner, &e.Claim, &e.Deaths}
	if err := row.Scan(append(fields, more...)...); err != nil {
		return e, err
	}
	e.Secrets, e.Owner = secrets.Int64, owner.Int64
	e.At, err = parseTime(at)
	return e, err
}

// entries are the runs that wait, in their order.
func entries(ctx context.Context, q queryer) ([]store.QueueEntry, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+entryColumns+inQueue+queueOrder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []store.QueueEntry
	for rows.Next() {
		e, err := scanQueued(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// entryOf is that of a run that waits. It is a *NotQueuedError if it waits no more, or a
// *NoRunError.
func entryOf(ctx context.Context, q queryer, run int64) (store.QueueEntry, error) {
	e, err := scanQueued(q.QueryRowContext(ctx, "SELECT "+entryColumns+inQueue+" WHERE q.run_id = ?", run))
	if !errors.Is(err, sql.ErrNoRows) {
		return e, err
	}
	var state store.State
	err = q.QueryRowContext(ctx, "SELECT state FROM runs WHERE id = ?", run).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return e, noRun(ctx, q, fmt.Sprint(run))
	}
	if err == nil {
		err = &store.NotQueuedError{Run: run, State: state}
	}
	return e, err
}

// heldEntry is that of a run whose claim stands. It is ErrTaken if it does not.
func heldEntry(ctx context.Context, q queryer, held store.QueueEntry) (store.QueueEntry, error) {
	e, err := entryOf(ctx, q, held.Run)
	if _, gone := errors.AsType[interface {
		error
		Advice() (string, []any)
	}](err); gone {
		return e, store.ErrTaken
	}
	if err == nil {
		err = e.Held(held)
	}
	return e, err
}

// writeEntry writes down what changes of a run that waits.
func writeEntry(ctx context.Context, tx *sql.Tx, e store.QueueEntry) error {
	_, err := tx.ExecContext(ctx, "UPDATE queue SET priority = ?, daemon_id = ?, claim = ?, deaths = ? WHERE run_id = ?",
		e.Priority, number(e.Owner), e.Claim, e.Deaths, e.Run)
	return err
}

// placeOf is the place of a run among those that wait and are not claimed; 0: it is
// not among them.
func placeOf(all []store.QueueEntry, run int64) int {
	place := 0
	for _, e := range all {
		if e.Owner == 0 {
			place++
		}
		if e.Run == run && e.Owner == 0 {
			return place
		}
	}
	return 0
}

// Waiting are the runs in the queue; see [store.Queue].
func (q *Queue) Waiting(ctx context.Context) (waiting []store.WaitingRun, err error) {
	err = q.readTogether(ctx, func(tx queryer) error {
		waiting, err = q.waiting(ctx, tx)
		return err
	})
	return waiting, q.fault("read", err)
}

func (q *Queue) waiting(ctx context.Context, tx queryer) ([]store.WaitingRun, error) {
	all, err := entries(ctx, tx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].Run
	}
	runs, err := q.runs.runsByID(ctx, tx, ids, refuseRun)
	if err != nil {
		return nil, err
	}
	serving, err := q.serving(ctx, tx)
	if err != nil {
		return nil, err
	}
	return store.Line(all, runs, serving), nil
}

// serving reports whether a daemon serves the history.
func (q *Queue) serving(ctx context.Context, tx queryer) (bool, error) {
	ids, err := column[int64](ctx, tx, "SELECT id FROM daemons WHERE serves AND id > 0")
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		alive, err := q.locks.held(daemonLocks + id)
		if err != nil || alive {
			return alive, err
		}
	}
	return false, nil
}

// Move changes the priority of a run; see [store.Queue].
func (q *Queue) Move(ctx context.Context, run int64, priority int) (place int, err error) {
	err = q.change(ctx, func(tx *sql.Tx) error {
		e, err := entryOf(ctx, tx, run)
		if err != nil {
			return err
		}
		e.Priority = priority
		if err := writeEntry(ctx, tx, e); err != nil {
			return err
		}
		if err := noteRun(ctx, tx, run, access.Details{"priority": priority}); err != nil {
			return err
		}
		all, err := entries(ctx, tx)
		place = placeOf(all, run)
		return err
	})
	return place, err
}

// readRequest is the reverse of requestText.
func readRequest(text string) (r store.QueuedRequest, err error) {
	err = json.Unmarshal([]byte(text), &r)
	return r, err
}

func requestText(r store.QueuedRequest) (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}

// Script returns the text of the script of a run; see [store.Queue].
func (q *Queue) Script(ctx context.Context, run int64) ([]byte, error) {
	return tables.Script(ctx, table{q.fileHandle}, run)
}

// Find is the run of a submission; see [store.Queue].
func (q *Queue) Find(ctx context.Context, principal, key string, now time.Time) (int64, error) {
	return tables.FindRequest(ctx, table{q.fileHandle}, principal, key, now)
}

// Replayed says whether a submission was taken before; see [store.Queue].
func (q *Queue) Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error {
	return tables.Replayed(ctx, table{q.fileHandle}, store.RequestKey{Principal: principal, Key: key, Body: body, At: now})
}
