package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"tutti/scheduler"
	"tutti/store/tables"
)

// enqueueMessage puts a message into the outbox, once for each receiver that the
// job names.
func enqueueMessage(ctx context.Context, tx *sql.Tx, to *scheduler.Notify, m *scheduler.Message, now time.Time) error {
	receivers := []struct{ kind, target, secret, by string }{
		{tables.KindWebhook, to.Webhook, to.SecretFile, to.WebhookBy}, {tables.KindCommand, to.Command, "", ""},
	}
	m.Machine = machineName()
	for _, r := range receivers {
		if r.target == "" {
			continue
		}
		if m.ID == 0 {
			// The message has the number of its first row.
			err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'outbox'").Scan(&m.ID)
			if err != nil {
				return err
			}
		}
		said, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO outbox (firing_id, occasion, kind, target, secret, set_by, message, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			m.Firing, m.Type, r.kind, r.target, text(r.secret), text(r.by), string(said), timeText(now))
		if err != nil {
			return err
		}
	}
	return nil
}

// machineName returns the host name; empty if the system has none.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
