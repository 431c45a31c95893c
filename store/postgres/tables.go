package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/store"
	"tutti/store/tables"
)

// A table is the database as package tables uses it.
type table struct {
	*handle
	// serial is what changes exclude each other for; noSerial: nothing.
	serial serial
}

var _ tables.DB = table{}

// A serial is the number of an advisory lock that changes take which look at several rows
// before they write: an admin, say, that is to be the last one.
type serial int32

const (
	noSerial serial = iota
	serialAccess
	serialMaintenance
	serialSubmissions
)

// serialLocks is the class of the locks of all serials.
const serialLocks = 0x74757474

// take waits until no other change of s is under way, which tx then keeps off.
func (s serial) take(ctx context.Context, tx pgx.Tx) error {
	if s == noSerial {
		return nil
	}
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", int32(serialLocks), int32(s))
	return err
}

// Reader reads what is committed.
func (t table) Reader() tables.Conn { return on(t.pool) }

// Change is that of the handle, one at a time of its serial.
func (t table) Change(ctx context.Context, f func(tx tables.Conn) error) error {
	return t.change(ctx, func(tx pgx.Tx) error {
		if err := t.serial.take(ctx, tx); err != nil {
			return err
		}
		return f(on(tx))
	})
}

// Fault adds the history to an error.
func (t table) Fault(op string, err error) error { return t.fault(op, err) }

// A conn is a connection, or a transaction, as package tables uses it.
type conn struct{ q queryer }

func on(q queryer) tables.Conn { return conn{q} }

// Query returns the rows of a query.
func (c conn) Query(ctx context.Context, query string, args ...any) (tables.Rows, error) {
	rows, err := c.q.Query(ctx, numbered(query), args...)
	return tableRows{rows}, err
}

// Exec returns how many rows a query has changed.
func (c conn) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	tag, err := c.q.Exec(ctx, numbered(query), args...)
	return tag.RowsAffected(), err
}

// numbered is a query with numbers for its question marks.
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// tableRows are rows as package tables reads them.
type tableRows struct{ pgx.Rows }

// Close ends the query.
func (r tableRows) Close() error {
	r.Rows.Close()
	return r.Err()
}

// Access is who may do what, as the database has it.
func (s *Store) Access() access.Store { return tables.Accounts(table{s.handle, serialAccess}) }

// Maintenance is which hosts runs leave out.
func (s *Store) Maintenance() store.Maintenance {
	return tables.Maintenance(table{s.handle, serialMaintenance})
}

// Heartbeats are the newest of each host.
func (s *Store) Heartbeats() store.Heartbeats { return tables.Heartbeats(table{s.handle, noSerial}) }

// Callbacks are those of submitted runs.
func (s *Store) Callbacks() store.Callbacks { return tables.Callbacks(table{s.handle, noSerial}) }

// Messages are those of the outbox.
func (s *Store) Messages() store.Messages { return tables.Messages(table{s.handle, noSerial}) }

// noteAudited adds the entry that goes with a change, if there is one; see [store.Audited].
func noteAudited(ctx context.Context, tx pgx.Tx, object string, outcome access.Outcome, after access.Details) error {
	return tables.NoteAudited(ctx, on(tx), object, outcome, after)
}

// noteRun is noteAudited for a change of a run.
func noteRun(ctx context.Context, tx pgx.Tx, run int64, after access.Details) error {
	return tables.NoteRun(ctx, on(tx), run, after)
}
