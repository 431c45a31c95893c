package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// leaveWithin bounds how long a daemon that leaves waits for the server. What it cannot
// write counts as if it had died.
const leaveWithin = 2 * time.Second

// endClaims frees what the registration has claimed and not started.
func (l *lease) endClaims() error {
	return l.write(`UPDATE controllers SET "over" = true WHERE id = $1`)
}

// forget deletes the registration.
func (l *lease) forget() error { return l.write("DELETE FROM controllers WHERE id = $1") }

func (l *lease) write(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	return l.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, query, l.id)
		return err
	})
}

// releaseSoon releases the submitted runs that a leaving daemon has claimed.
func (l *lease) releaseSoon() {
	err := l.write("UPDATE queue SET daemon_id = NULL WHERE daemon_id = $1 AND run_id IN (SELECT id FROM runs WHERE state = 'queued')")
	if err != nil {
		l.options.Logger.Warn("cannot give back the runs that were claimed", "error", err)
	}
}
