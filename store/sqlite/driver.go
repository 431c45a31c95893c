//go:build cgo

package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"tutti/store"
)

// A connector opens connections to one data source and brings each of them
// into the state that pragmas describe.
type connector struct {
	source string
	driver *sqlite3.SQLiteDriver
}

var _ driver.Connector = (*connector)(nil)

// Connect opens a connection; nothing in it waits for long.
func (c *connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.source) }

// Driver is the driver of the connections.
func (c *connector) Driver() driver.Driver { return c.driver }

// openDB returns a pool of connections to source, a SQLite URI with the
// parameters of the driver; nothing is opened yet. The statements in pragmas
// are executed on every new connection.
func openDB(source string, pragmas ...string) *sql.DB {
	hook := func(conn *sqlite3.SQLiteConn) error {
		for _, p := range pragmas {
			if _, err := conn.Exec(p, nil); err != nil {
				return err
			}
		}
		return nil
	}
	return sql.OpenDB(&connector{source: source, driver: &sqlite3.SQLiteDriver{ConnectHook: hook}})
}

// A sqliteError is an error of SQLite that has one of the operating system as its
// cause.
type sqliteError struct {
	err   sqlite3.Error
	cause syscall.Errno
}

func (e *sqliteError) Error() string { return e.err.Error() }

// Unwrap gives both.
func (e *sqliteError) Unwrap() []error { return []error{e.err, e.cause} }

// withCause is err, with the error of the operating system behind it if SQLite
// knows one.
func withCause(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && e.SystemErrno != 0 {
		return &sqliteError{e, e.SystemErrno}
	}
	return err
}

// kindOf is the sentinel for what SQLite reports in err, nil if there is none.
// A file that it cannot open or write is not always one that may not be written.
func kindOf(err error) error {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return nil
	}
	switch e.Code {
	case sqlite3.ErrCantOpen, sqlite3.ErrIoErr:
		if e.SystemErrno != 0 && e.SystemErrno != syscall.ENOENT {
			return kindOfOS(e.SystemErrno)
		}
	}
	switch e.Code {
	case sqlite3.ErrNotADB:
		return store.ErrNotHistory
	case sqlite3.ErrCorrupt:
		return store.ErrDamaged
	case sqlite3.ErrFull:
		return store.ErrFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrCantOpen:
		return store.ErrReadOnly
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return store.ErrBusy
	}
	return nil
}

// wrongSQL reports whether err says that a statement does not fit the schema.
func wrongSQL(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && e.Code == sqlite3.ErrError
}
