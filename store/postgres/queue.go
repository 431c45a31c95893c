package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/store"
	"tutti/store/tables"
)

// A Queue is the runs that wait for a daemon; see [store.Queue]. Who changes a run of it
// locks its row in runs before that in queue.
type Queue struct {
	*handle
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

// scanEntry reads entryColumns.
func scanEntry(rows pgx.Rows) (e store.QueueEntry, err error) {
	var at sql.NullString
	var secrets, owner sql.NullInt64
	if err := rows.Scan(&e.Run, &e.Priority, &at, &secrets, &owner, &e.Claim, &e.Deaths); err != nil {
		return e, err
	}
	e.Secrets, e.Owner = secrets.Int64, owner.Int64
	e.At, err = parseTime(at)
	return e, err
}

// entries are the runs that wait, in their order.
func entries(ctx context.Context, q queryer) ([]store.QueueEntry, error) {
	return scanAll(ctx, q, scanEntry, "SELECT "+entryColumns+inQueue+queueOrder)
}

// lockedEntry is that of a run that waits, locked. It is a *NotQueuedError if it waits no
// more, or a *NoRunError.
func lockedEntry(ctx context.Context, tx pgx.Tx, run int64) (e store.QueueEntry, err error) {
	var state store.State
	err = tx.QueryRow(ctx, "SELECT state FROM runs WHERE id = $1 FOR UPDATE", run).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return e, noRun(ctx, tx, fmt.Sprint(run))
	}
	if err != nil {
		return e, err
	}
	all, err := scanAll(ctx, tx, scanEntry, "SELECT "+entryColumns+" FROM queue AS q WHERE q.run_id = $1 FOR UPDATE", run)
	if err == nil && (len(all) == 0 || state != store.Queued) {
		err = &store.NotQueuedError{Run: run, State: state}
	}
	return tables.First(all), err
}

// heldEntry is that of a run whose claim stands, locked. It is ErrTaken if it does not.
func heldEntry(ctx context.Context, tx pgx.Tx, held store.QueueEntry) (store.QueueEntry, error) {
	e, err := lockedEntry(ctx, tx, held.Run)
	if notQueued(err) {
		return e, store.ErrTaken
	}
	if err == nil {
		err = e.Held(held)
	}
	return e, err
}

// writeEntry writes down what changes of a run that waits.
func writeEntry(ctx context.Context, tx pgx.Tx, e store.QueueEntry) error {
	_, err := tx.Exec(ctx, "UPDATE queue SET priority = $2, daemon_id = $3, claim = $4, deaths = $5 WHERE run_id = $1",
		e.Run, e.Priority, number(e.Owner), e.Claim, e.Deaths)
	return err
}

// placeOf is the place of a run among those that wait and are not claimed; 0: it is not
// among them.
func placeOf(ctx context.Context, q queryer, run int64) (place int, err error) {
	err = q.QueryRow(ctx, "SELECT coalesce((SELECT place FROM (SELECT q.run_id, row_number() OVER ("+queueOrder+") AS place"+inQueue+
		" WHERE q.daemon_id IS NULL) AS line WHERE run_id = $1), 0)", run).Scan(&place)
	return place, err
}

// Waiting are the runs in the queue; see [store.Queue].
func (q *Queue) Waiting(ctx context.Context) (waiting []store.WaitingRun, err error) {
	// All reads are of one state of the database.
	together := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, q.pool, together, func(tx pgx.Tx) error {
		waiting, err = q.waiting(ctx, tx)
		return err
	})
	return waiting, q.fault("read", err)
}

func (q *Queue) waiting(ctx context.Context, tx pgx.Tx) ([]store.WaitingRun, error) {
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
	serving, err := exists(ctx, tx, `SELECT 1 FROM controllers WHERE serves AND NOT "over" AND `+aliveControllers)
	return store.Line(all, runs, serving), err
}

// Move changes the priority of a run; see [store.Queue].
func (q *Queue) Move(ctx context.Context, run int64, priority int) (place int, err error) {
	err = q.change(ctx, func(tx pgx.Tx) error {
		e, err := lockedEntry(ctx, tx, run)
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
		place, err = placeOf(ctx, tx, run)
		return err
	})
	return place, err
}

// Script returns the text of the script of a run; see [store.Queue].
func (q *Queue) Script(ctx context.Context, run int64) ([]byte, error) {
	return tables.Script(ctx, table{q.handle, noSerial}, run)
}

// Find is the run of a submission; see [store.Queue].
func (q *Queue) Find(ctx context.Context, principal, key string, now time.Time) (int64, error) {
	return tables.FindRequest(ctx, table{q.handle, noSerial}, principal, key, now)
}

// Replayed says whether a submission was taken before; see [store.Queue].
func (q *Queue) Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error {
	return tables.Replayed(ctx, table{q.handle, noSerial}, store.RequestKey{Principal: principal, Key: key, Body: body, At: now})
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

// notQueued reports whether err says that a run does not wait, or not any more.
func notQueued(err error) bool {
	return errors.As(err, new(*store.NotQueuedError)) || errors.As(err, new(*store.NoRunError))
}
