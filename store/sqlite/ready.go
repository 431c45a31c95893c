package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// proofBytes is how much Ready writes to prove that there is space: more than a
	// firing needs.
	proofBytes = 64 << 10
	// proofEvery is how long such a proof is valid.
	proofEvery = 10 * time.Second
)

// errForgotten: another process deleted the daemon's row.
var errForgotten = errors.New("the daemon is not registered in the history")

// Ready returns why the daemon cannot write its decisions, which it finds out by a
// write without effect. It notices a full disk within ten seconds, and at once that the
// disk has space again.
func (d *Daemon) Ready(ctx context.Context) error {
	err := d.ledger.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE daemons SET pid = pid WHERE id = ?", d.id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return errForgotten
	})
	if err != nil || d.proved() {
		return err
	}
	if err := d.proveSpace(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spaceAt = time.Now()
	return nil
}

// proved reports whether a proof of space is still valid.
func (d *Daemon) proved() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.spaceAt.IsZero() && time.Since(d.spaceAt) < proofEvery
}

// proveSpace writes a row that needs unused space, and deletes it in a second
// transaction, since a row deleted in the same one need not reach the disk. A process
// that ends in between leaves the row of a daemon that is not alive, which the next
// daemon deletes.
func (d *Daemon) proveSpace(ctx context.Context) error {
	err := d.ledger.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "REPLACE INTO daemons (id, pid, serves, started_at) VALUES (?, 0, 0, hex(randomblob(?)))",
			-d.id, proofBytes/2)
		return err
	})
	if err != nil {
		return err
	}
	return d.ledger.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM daemons WHERE id = ?", -d.id)
		return err
	})
}
