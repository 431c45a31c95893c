package store

import (
	"context"
	"database/sql"
	"errors"
)

// errForgotten: the file at the path is not the one that the daemon joined, or
// somebody has deleted its row.
var errForgotten = errors.New("the history does not know this daemon")

// Ready is an error that says what keeps the daemon from writing down what it
// decides: it writes. What it has written changes nothing.
func (d *Daemon) Ready(ctx context.Context) error {
	return d.store.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE daemons SET pid = pid WHERE id = ?", d.id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return errForgotten
	})
}
