package sqlite

import (
	"context"
	"database/sql"

	"tutti/scheduler"
	"tutti/store/tables"
)

// openFirings selects the firings that are not settled.
const openFirings = tables.OpenFiring

// selectFirings calls unreadable with a row that cannot be read, and the error, which it
// may handle.
func selectFirings(ctx context.Context, q queryer, unreadable func(*scheduler.FiringRecord, error) error, where string, args ...any) ([]scheduler.FiringRecord, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+tables.FiringColumns+" FROM firings WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var firings []scheduler.FiringRecord
	for rows.Next() {
		f, err := tables.ScanFiring(rows.Scan, firstOf(rows))
		if err != nil {
			err = unreadable(&f, err)
		}
		if err != nil {
			return nil, err
		}
		firings = append(firings, f)
	}
	return firings, rows.Err()
}

// firstOf scans the first columns of a row of which others cannot be read.
func firstOf(rows *sql.Rows) tables.Scan {
	return func(first ...any) error { return scanFirst(rows, first...) }
}

// firingByID returns sql.ErrNoRows if there is no such firing.
func firingByID(ctx context.Context, q queryer, id int64) (scheduler.FiringRecord, error) {
	firings, err := selectFirings(ctx, q, tables.RefuseFiring, "id = ?", id)
	if err == nil && len(firings) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return scheduler.FiringRecord{}, err
	}
	return firings[0], nil
}

// insertFiring writes a new firing under its number.
func insertFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	values, err := tables.NewFiring(f)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO firings ("+tables.FiringColumns+") VALUES ("+placeholders(tables.NumFiringColumns)+")", values...)
	return err
}

// updateFiring writes the columns of a firing that may change.
func updateFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	values, err := tables.ChangedFiring(f)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE firings SET ("+tables.FiringChanges+") = ("+placeholders(tables.NumFiringChanges)+") WHERE id = ?", values...)
	return err
}

// exists reports whether the query has a row.
func exists(ctx context.Context, q queryer, query string, args ...any) (some bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&some)
	return some, err
}
