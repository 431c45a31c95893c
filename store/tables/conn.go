package tables

import "context"

// A Conn is a connection to a database, or a transaction. A question mark in a query is the
// place of the next argument. Strings that the database cannot hold are replaced by the
// engine.
type Conn interface {
	Reader
	// Exec returns how many rows the query has changed.
	Exec(ctx context.Context, query string, args ...any) (changed int64, err error)
}

// A Reader is a Conn for those who only read.
type Reader interface {
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// Rows are the rows of a query, of which Scan reads one after the other. Columns may be
// read into *sql.NullString, and the like.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// A DB is a database, as its engine opens it. Its methods may be called by many goroutines
// at once.
type DB interface {
	// Reader reads what is committed.
	Reader() Conn
	// Change calls f in a transaction, which is committed if f returns nil; f is called
	// again, in another one, if the database undid it. The rows of users, tokens and
	// maintenance that f reads do not change until then.
	Change(ctx context.Context, f func(tx Conn) error) error
	// Fault adds what was tried to an error, which may be nil.
	Fault(op string, err error) error
	// Wake is that of [access.Store].
	Wake() (wake <-chan struct{}, end func())
}

// All makes of each row of a query what scan makes of it.
func All[T any](ctx context.Context, c Reader, scan func(Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Column reads the only column of a query.
func Column[T any](ctx context.Context, c Reader, query string, args ...any) ([]T, error) {
	return All(ctx, c, func(rows Rows) (v T, err error) { return v, rows.Scan(&v) }, query, args...)
}

// Exists reports whether a query has a row.
func Exists(ctx context.Context, c Reader, query string, args ...any) (bool, error) {
	some, err := Column[bool](ctx, c, "SELECT EXISTS ("+query+")", args...)
	return First(some), err
}

// First is the first of the rows, or the zero value.
func First[T any](rows []T) (one T) {
	if len(rows) > 0 {
		one = rows[0]
	}
	return one
}
