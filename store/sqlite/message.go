package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"tutti/scheduler"
	"tutti/store/tables"
)

// enqueueMessage puts a message into the outbox, once for each receiver that the
// job names.
func enqueueMessage(ctx context.Context, tx *sql.Tx, to *scheduler.Notify, m *scheduler.Message, now time.Time) error {
	m.Machine = tables.MachineName()
	for _, r := range tables.Receivers(to) {
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
			m.Firing, m.Type, r.Kind, r.Target, text(r.Secret), text(r.By), string(said), timeText(now))
		if err != nil {
			return err
		}
	}
	return nil
}
