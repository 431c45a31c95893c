package tables

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"tutti/scheduler"
)

// A Receiver is one that a job names.
type Receiver struct{ Kind, Target, Secret, By string }

// Receivers are those of a job.
func Receivers(to *scheduler.Notify) (all []Receiver) {
	for _, r := range []Receiver{{KindWebhook, to.Webhook, to.SecretFile, to.WebhookBy}, {KindCommand, to.Command, "", ""}} {
		if r.Target != "" {
			all = append(all, r)
		}
	}
	return all
}

// MachineName returns the host name; empty if the system has none.
func MachineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// LeasedColumns are the columns of the outbox for ScanLeased.
const LeasedColumns = "id, attempts, kind, target, secret, set_by, message"

// A Leased is a delivery. Damaged is why its message cannot be read; nil: it can.
type Leased struct {
	scheduler.Delivery
	Damaged error
}

// ScanLeased reads a delivery.
func ScanLeased(scan Scan) (x Leased, err error) {
	var kind, target, message string
	var secret, by sql.NullString
	if err := scan(&x.ID, &x.Attempt, &kind, &target, &secret, &by, &message); err != nil {
		return x, err
	}
	if kind == KindWebhook {
		x.Notify.Webhook, x.Notify.SecretFile, x.Notify.WebhookBy = target, secret.String, by.String
	} else {
		x.Notify.Command = target
	}
	if err := json.Unmarshal([]byte(message), &x.Message); err != nil {
		x.Damaged = &messageError{err}
	}
	return x, nil
}

// A messageError is why a message cannot be read.
type messageError struct{ err error }

func (e *messageError) Error() string { return "the message cannot be read: " + e.err.Error() }
func (e *messageError) Unwrap() error { return e.err }

// Delivered records an attempt; see [scheduler.Outbox].
func Delivered(ctx context.Context, tx Conn, x *scheduler.Delivery, now time.Time, failure error, again time.Time) error {
	kind, target := KindCommand, x.Notify.Command
	if x.Notify.Webhook != "" {
		kind, target = KindWebhook, Redacted(x.Notify.Webhook)
	}
	said := ""
	if failure != nil {
		said = failure.Error()
	}
	// The firing may have been pruned in the meantime.
	_, err := tx.Exec(ctx, `
		INSERT INTO notifications (firing_id, at, occasion, kind, target, attempt, error)
		SELECT id, ?, ?, ?, ?, ?, ? FROM firings WHERE id = ?`,
		Time(now), x.Message.Type, kind, target, x.Attempt, Text(said), x.Message.Firing)
	if err != nil {
		return err
	}
	const current = " WHERE id = ? AND attempts = ?"
	switch {
	case failure == nil:
		_, err = tx.Exec(ctx, "DELETE FROM outbox WHERE id = ?", x.ID)
	case again.IsZero():
		_, err = tx.Exec(ctx, "DELETE FROM outbox"+current, x.ID, x.Attempt)
	default:
		_, err = tx.Exec(ctx, "UPDATE outbox SET due_at = ?"+current, Time(again), x.ID, x.Attempt)
	}
	return err
}

// Release returns deliveries that were not attempted; see [scheduler.Outbox].
func Release(ctx context.Context, tx Conn, ds []scheduler.Delivery, due time.Time) error {
	for _, x := range ds {
		_, err := tx.Exec(ctx, "UPDATE outbox SET attempts = attempts - 1, due_at = ? WHERE id = ? AND attempts = ?", Time(due), x.ID, x.Attempt)
		if err != nil {
			return err
		}
	}
	return nil
}

// DropMessages gives up the messages of a job that are not delivered yet.
func DropMessages(ctx context.Context, tx Conn, job int64, reason string, now time.Time) error {
	return drop(ctx, tx, "firing_id IN (SELECT id FROM firings WHERE job_id = ?)", job, reason, now)
}

// DropDamaged gives up a message that cannot be read, and records why.
func DropDamaged(ctx context.Context, tx Conn, x *Leased, now time.Time) error {
	return drop(ctx, tx, "id = ?", x.ID, x.Damaged.Error(), now)
}

// A dropped is a message that was given up.
type dropped struct {
	firing                 int64
	occasion, kind, target string
	attempts               int
}

func scanDropped(rows Rows) (d dropped, err error) {
	err = rows.Scan(&d.firing, &d.occasion, &d.kind, &d.target, &d.attempts)
	return d, err
}

// drop deletes messages, and records that they were given up.
func drop(ctx context.Context, tx Conn, which string, arg int64, reason string, now time.Time) error {
	all, err := All(ctx, tx, scanDropped, "DELETE FROM outbox WHERE "+which+" RETURNING firing_id, occasion, kind, target, attempts", arg)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.kind == KindWebhook {
			d.target = Redacted(d.target)
		}
		_, err := tx.Exec(ctx, "INSERT INTO notifications (firing_id, at, occasion, kind, target, attempt, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
			d.firing, Time(now), d.occasion, d.kind, d.target, d.attempts, reason)
		if err != nil {
			return err
		}
	}
	return nil
}
