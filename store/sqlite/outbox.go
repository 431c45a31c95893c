package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"tutti/scheduler"
	"tutti/store/tables"
)

// Lease leases due messages; see [scheduler.Outbox].
func (d *Daemon) Lease(ctx context.Context, now, until time.Time, most int) (deliveries []scheduler.Delivery, err error) {
	const due = "SELECT id FROM outbox WHERE due_at <= ?"
	some, err := exists(ctx, d.ledger.r, due, timeText(now))
	if err != nil || !some {
		return nil, d.ledger.fault("read", err)
	}
	err = d.ledger.change(ctx, func(tx *sql.Tx) error {
		ids, err := column[int64](ctx, tx, due+" ORDER BY id LIMIT ?", timeText(now), most)
		if err != nil {
			return err
		}
		for _, id := range ids {
			x, err := takeDelivery(ctx, tx, id, until)
			switch _, damaged := errors.AsType[*messageError](err); {
			case damaged: // it must not block the others
				err = dropDamaged(ctx, tx, id, err, now)
			case err == nil:
				deliveries = append(deliveries, x)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return deliveries, nil
}

// takeDelivery starts an attempt and counts it now, so that a message that crashes its
// deliverer is not tried for ever.
func takeDelivery(ctx context.Context, tx *sql.Tx, id int64, until time.Time) (scheduler.Delivery, error) {
	x := scheduler.Delivery{ID: id}
	var kind, target, message string
	var secret, by sql.NullString
	err := tx.QueryRowContext(ctx, `
		UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE id = ?
		RETURNING attempts, kind, target, secret, set_by, message`, timeText(until), id).
		Scan(&x.Attempt, &kind, &target, &secret, &by, &message)
	if err != nil {
		return x, err
	}
	if kind == tables.KindWebhook {
		x.Notify.Webhook, x.Notify.SecretFile, x.Notify.WebhookBy = target, secret.String, by.String
	} else {
		x.Notify.Command = target
	}
	if err := json.Unmarshal([]byte(message), &x.Message); err != nil {
		return x, &messageError{err}
	}
	return x, nil
}

// A messageError is why a message cannot be read.
type messageError struct{ err error }

func (e *messageError) Error() string { return "the message cannot be read: " + e.err.Error() }
func (e *messageError) Unwrap() error { return e.err }

// dropDamaged gives up a message that cannot be read, and records why.
func dropDamaged(ctx context.Context, tx *sql.Tx, id int64, why error, now time.Time) error {
	return drop(ctx, tx, "id = ?", id, why.Error(), now)
}

// Delivered records an attempt; see [scheduler.Outbox].
func (d *Daemon) Delivered(ctx context.Context, x scheduler.Delivery, now time.Time, failure error, again time.Time) error {
	kind, target := tables.KindCommand, x.Notify.Command
	if x.Notify.Webhook != "" {
		kind, target = tables.KindWebhook, tables.Redacted(x.Notify.Webhook)
	}
	var said any
	if failure != nil {
		said = failure.Error()
	}
	return d.ledger.change(ctx, func(tx *sql.Tx) error {
		// The firing may have been pruned in the meantime.
		_, err := tx.ExecContext(ctx, `
			INSERT INTO notifications (firing_id, at, occasion, kind, target, attempt, error)
			SELECT id, ?, ?, ?, ?, ?, ? FROM firings WHERE id = ?`,
			timeText(now), x.Message.Type, kind, target, x.Attempt, said, x.Message.Firing)
		if err != nil {
			return err
		}
		const current = " WHERE id = ? AND attempts = ?"
		switch {
		case failure == nil:
			_, err = tx.ExecContext(ctx, "DELETE FROM outbox WHERE id = ?", x.ID)
		case again.IsZero():
			_, err = tx.ExecContext(ctx, "DELETE FROM outbox"+current, x.ID, x.Attempt)
		default:
			_, err = tx.ExecContext(ctx, "UPDATE outbox SET due_at = ?"+current, timeText(again), x.ID, x.Attempt)
		}
		return err
	})
}

// Release returns deliveries that were not attempted; see [scheduler.Outbox].
func (d *Daemon) Release(ctx context.Context, ds []scheduler.Delivery, due time.Time) error {
	return d.ledger.change(ctx, func(tx *sql.Tx) error {
		for _, x := range ds {
			_, err := tx.ExecContext(ctx, "UPDATE outbox SET attempts = attempts - 1, due_at = ? WHERE id = ? AND attempts = ?",
				timeText(due), x.ID, x.Attempt)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// dropMessages gives up the messages of a job that are not delivered yet.
func dropMessages(ctx context.Context, tx *sql.Tx, job int64, reason string, now time.Time) error {
	return drop(ctx, tx, "firing_id IN (SELECT id FROM firings WHERE job_id = ?)", job, reason, now)
}

// drop deletes messages, and records that they were given up.
func drop(ctx context.Context, tx *sql.Tx, which string, arg int64, reason string, now time.Time) error {
	rows, err := tx.QueryContext(ctx, "DELETE FROM outbox WHERE "+which+" RETURNING firing_id, occasion, kind, target, attempts", arg)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var firing int64
		var occasion, kind, target string
		var attempts int
		if err := rows.Scan(&firing, &occasion, &kind, &target, &attempts); err != nil {
			return err
		}
		if kind == tables.KindWebhook {
			target = tables.Redacted(target)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO notifications (firing_id, at, occasion, kind, target, attempt, error) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			firing, timeText(now), occasion, kind, target, attempts, reason)
		if err != nil {
			return err
		}
	}
	return rows.Err()
}
