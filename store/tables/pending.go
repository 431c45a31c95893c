package tables

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tutti/access"
	"tutti/store"
)

// messages are those of the outbox, see [store.Messages].
type messages struct{ db DB }

// Messages are those of the outbox of a database.
func Messages(db DB) store.Messages { return &messages{db} }

// pendingMessages are messages of the outbox. An attempt is counted when it starts, and
// recorded when it has ended: in between it is under way, for as long as its lease.
const pendingMessages = `
	WITH m AS (SELECT outbox.*, firings.job, firings.job_id,
			(SELECT max(attempt) FROM notifications AS n WHERE n.firing_id = outbox.firing_id AND n.occasion = outbox.occasion AND n.kind = outbox.kind) AS recorded
		FROM outbox JOIN firings ON firings.id = firing_id)
	SELECT id, firing_id, job, job_id, occasion, kind, target, message, due_at, attempts,
		(SELECT error FROM notifications AS n WHERE n.firing_id = m.firing_id AND n.occasion = m.occasion AND n.kind = m.kind ORDER BY id DESC LIMIT 1),
		due_at > ? AND attempts > coalesce(recorded, 0)
	FROM m `

// Pending are the messages that wait.
func (m *messages) Pending(ctx context.Context, after int64, limit int, now time.Time) ([]store.PendingMessage, error) {
	all, err := All(ctx, m.db.Reader(), scanPending, pendingMessages+"WHERE id > ? ORDER BY id LIMIT ?", Time(now), after, limit)
	return all, m.db.Fault("read", err)
}

// Message is the one of that number.
func (m *messages) Message(ctx context.Context, id int64, now time.Time) (store.PendingMessage, error) {
	one, err := pendingMessage(ctx, m.db.Reader(), id, now)
	return one, m.db.Fault("read", err)
}

func pendingMessage(ctx context.Context, c Conn, id int64, now time.Time) (one store.PendingMessage, err error) {
	all, err := All(ctx, c, scanPending, pendingMessages+"WHERE id = ?", Time(now), id)
	if err == nil && len(all) == 0 {
		err = &store.NoMessageError{ID: id}
	}
	return First(all), err
}

func scanPending(rows Rows) (x store.PendingMessage, err error) {
	var due, cause sql.NullString
	var message string
	if err := rows.Scan(&x.ID, &x.Firing, &x.Job, &x.JobID, &x.Event, &x.Kind, &x.Target, &message, &due, &x.Attempts, &cause, &x.Delivering); err != nil {
		return x, err
	}
	if x.Error = cause.String; x.Kind == KindWebhook {
		x.Target = Redacted(x.Target)
	}
	var said struct{ Time string }
	if json.Unmarshal([]byte(message), &said) == nil && said.Time != "" { // what cannot be read has no time
		if x.At, err = time.Parse(time.RFC3339, said.Time); err != nil {
			return x, err
		}
	}
	return x, ParseTimes(TimeCell{&x.Due, due})
}

// Hasten makes the next attempt of a message due now.
func (m *messages) Hasten(ctx context.Context, id int64, by access.By) (one store.PendingMessage, err error) {
	err = m.db.Change(ctx, func(tx Conn) error {
		if one, err = pendingMessage(ctx, tx, id, by.At); err != nil || one.Delivering {
			return err
		}
		// Another daemon may have started the attempt meanwhile.
		n, err := tx.Exec(ctx, "UPDATE outbox SET due_at = ? WHERE id = ? AND attempts = ?", Time(by.At), id, one.Attempts)
		if err != nil || n == 0 {
			return err
		}
		one.Due = by.At
		return Note(ctx, tx, &access.Entry{
			By: by, Action: "notification.retry", Object: fmt.Sprintf("notification:%d", id), Outcome: access.Done,
			After: access.Details{"job": one.Job, "firing": one.Firing}.JSON(),
		})
	})
	return one, err
}
