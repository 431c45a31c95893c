package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tutti/access"
	"tutti/store"
)

// Messages are those of the outbox, see [store.Messages].
type Messages struct{ *fileHandle }

var _ store.Messages = (*Messages)(nil)

// Messages are those of the outbox.
func (s *Store) Messages() store.Messages { return &Messages{s.queue.fileHandle} }

// pendingMessages are messages of the outbox. An attempt is counted when it starts, and
// recorded when it has ended: in between it is under way, for as long as its lease.
const pendingMessages = `
	WITH m AS (SELECT outbox.*, firings.job, firings.job_id,
			(SELECT max(attempt) FROM notifications AS n WHERE n.firing_id = outbox.firing_id AND n.occasion = outbox.occasion AND n.kind = outbox.kind) AS recorded
		FROM outbox JOIN firings ON firings.id = firing_id)
	SELECT id, firing_id, job, job_id, occasion, kind, target, iif(json_valid(message), json_extract(message, '$.time'), NULL), due_at, attempts,
		(SELECT error FROM notifications AS n WHERE n.firing_id = m.firing_id AND n.occasion = m.occasion AND n.kind = m.kind ORDER BY id DESC LIMIT 1),
		due_at > @now AND attempts > coalesce(recorded, 0)
	FROM m `

// Pending are the messages that wait.
func (m *Messages) Pending(ctx context.Context, after int64, limit int, now time.Time) ([]store.PendingMessage, error) {
	all, err := scanAll(ctx, m.r, scanPending, pendingMessages+"WHERE id > @after ORDER BY id LIMIT @limit",
		sql.Named("now", timeText(now)), sql.Named("after", after), sql.Named("limit", limit))
	return all, m.fault("read", err)
}

// Message is the one of that number.
func (m *Messages) Message(ctx context.Context, id int64, now time.Time) (store.PendingMessage, error) {
	one, err := pendingMessage(ctx, m.r, id, now)
	return one, m.fault("read", err)
}

func pendingMessage(ctx context.Context, q queryer, id int64, now time.Time) (one store.PendingMessage, err error) {
	all, err := scanAll(ctx, q, scanPending, pendingMessages+"WHERE id = @id", sql.Named("now", timeText(now)), sql.Named("id", id))
	switch {
	case err != nil:
		return one, err
	case len(all) == 0:
		return one, &store.NoMessageError{ID: id}
	}
	return all[0], nil
}

func scanPending(rows *sql.Rows) (x store.PendingMessage, err error) {
	var at, due, cause sql.NullString
	if err := rows.Scan(&x.ID, &x.Firing, &x.Job, &x.JobID, &x.Event, &x.Kind, &x.Target, &at, &due, &x.Attempts, &cause, &x.Delivering); err != nil {
		return x, err
	}
	if x.Error = cause.String; x.Kind == kindWebhook {
		x.Target = redacted(x.Target)
	}
	if at.Valid { // the time is that of JSON
		if x.At, err = time.Parse(time.RFC3339, at.String); err != nil {
			return x, err
		}
	}
	return x, parseTimes(timeCell{&x.Due, due})
}

// Hasten makes the next attempt of a message due now.
func (m *Messages) Hasten(ctx context.Context, id int64, by access.By) (one store.PendingMessage, err error) {
	err = m.change(ctx, func(tx *sql.Tx) error {
		if one, err = pendingMessage(ctx, tx, id, by.At); err != nil || one.Delivering {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE outbox SET due_at = ? WHERE id = ?", timeText(by.At), id); err != nil {
			return err
		}
		one.Due = by.At
		return note(ctx, tx, &access.Entry{
			By: by, Action: "notification.retry", Object: fmt.Sprintf("notification:%d", id), Outcome: access.Done,
			After: access.Details{"job": one.Job, "firing": one.Firing}.JSON(),
		})
	})
	return one, err
}
