package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"tutti/store"
)

// Delete deletes a run that has ended. Its space is given back when old runs are pruned.
func (s *Store) Delete(ctx context.Context, run int64) error {
	return s.Ledger.change(ctx, func(tx *sql.Tx) error {
		var p store.Pruned
		if err := remove(ctx, tx, run, &p); err != nil {
			return err
		}
		if p.Runs > 0 {
			return noteRun(ctx, tx, run, nil)
		}
		rows, err := column[string](ctx, tx, "SELECT state FROM runs WHERE id = ?", run)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return noRun(ctx, tx, fmt.Sprint(run))
		}
		return &store.NotEndedError{Run: run, State: store.State(rows[0])}
	})
}
