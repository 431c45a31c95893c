package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// proofBytes is how much Ready writes to prove that there is space: more
	// than what is written of a firing, which is in place of nothing else.
	proofBytes = 64 << 10
	// proofEvery is how long such a proof counts.
	proofEvery = 10 * time.Second
)

// errForgotten: somebody has deleted the daemon's row.
var errForgotten = errors.New("the daemon is not registered in the history")

// Ready is an error that says what keeps the daemon from writing down what it
// decides: it writes. What it has written changes nothing. A disk that is full
// is found out within ten seconds, and at once that it is not any more.
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

// proved reports whether it is known that there is space.
func (d *Daemon) proved() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.spaceAt.IsZero() && time.Since(d.spaceAt) < proofEvery
}

// proveSpace writes what needs space that is not in use, and deletes it. That
// takes two transactions: what is deleted in the same one need not get to the
// disk. A process that ends in between leaves the row of a daemon that is not
// alive, of which there is no such number, and which the next one forgets.
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
