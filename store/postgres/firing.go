package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// openFirings selects the firings that are not settled.
const openFirings = tables.OpenFiring

// selectFirings calls unreadable with a row that cannot be read, and the error, which it
// may handle.
func selectFirings(ctx context.Context, q queryer, unreadable func(*scheduler.FiringRecord, error) error, where string, args ...any) ([]scheduler.FiringRecord, error) {
	scan := func(rows pgx.Rows) (scheduler.FiringRecord, error) {
		f, err := tables.ScanFiring(rows.Scan, refuseRow)
		if err != nil {
			err = unreadable(&f, err)
		}
		return f, err
	}
	return scanAll(ctx, q, scan, "SELECT "+tables.FiringColumns+" FROM firings WHERE "+where, args...)
}

// errRow: a row has other types than its table, or the connection broke.
var errRow = errors.New("a row cannot be read")

// refuseRow is the [tables.Scan] of the first columns of a row that cannot be read: in
// this database the types are those of the columns.
func refuseRow(...any) error { return errRow }

// Firing returns a firing, or ErrTaken if it does not exist any more.
func (l *Ledger) Firing(ctx context.Context, id int64) (scheduler.FiringRecord, error) {
	firings, err := selectFirings(ctx, l.pool, tables.RefuseFiring, "id = $1", id)
	if err == nil && len(firings) == 0 {
		err = store.ErrTaken
	}
	if err != nil {
		return scheduler.FiringRecord{}, l.fault("read", err)
	}
	return firings[0], nil
}

// places are n arguments of a query, from that number on: "$1, $2, …".
func places(first, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(all, ", ")
}

// insertFiring writes a new firing under its number.
func insertFiring(b *pgx.Batch, f *scheduler.FiringRecord) error {
	values, err := tables.NewFiring(f)
	if err == nil {
		b.Queue("INSERT INTO firings ("+tables.FiringColumns+") VALUES ("+places(1, tables.NumFiringColumns)+")", values...)
	}
	return err
}

// updateFiring writes the columns of a firing that may change.
func updateFiring(b *pgx.Batch, f *scheduler.FiringRecord) error {
	values, err := tables.ChangedFiring(f)
	if err == nil {
		b.Queue("UPDATE firings SET ("+tables.FiringChanges+") = ("+places(1, tables.NumFiringChanges)+") WHERE id = "+places(tables.NumFiringChanges+1, 1), values...)
	}
	return err
}
