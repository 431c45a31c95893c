package sqlite

import (
	"context"
	"database/sql"

	"tutti/access"
)

// A notedDatabase adds the entry that goes with a change to the audit, in the transaction of
// the first statement that changes a row. It is for one goroutine.
type notedDatabase struct {
	*History
	noted bool
}

// QueryContext implements [queryer].
func (n *notedDatabase) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return n.w.QueryContext(ctx, query, args...)
}

// QueryRowContext implements [queryer].
func (n *notedDatabase) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return n.w.QueryRowContext(ctx, query, args...)
}

// ExecContext implements [database].
func (n *notedDatabase) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	if n.noted {
		return n.w.ExecContext(ctx, query, args...)
	}
	changed := int64(0)
	err = n.change(ctx, func(tx *sql.Tx) error {
		if res, err = tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		if changed, err = res.RowsAffected(); err != nil || changed == 0 {
			return err
		}
		return noteAudited(ctx, tx, "history", access.Done, nil)
	})
	n.noted = err == nil && changed > 0
	return res, err
}
