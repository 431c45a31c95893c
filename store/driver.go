//go:build cgo

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/mattn/go-sqlite3"
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

// kindOf is the sentinel for what SQLite reports in err, nil if there is none.
func kindOf(err error) error {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return nil
	}
	switch e.Code {
	case sqlite3.ErrNotADB:
		return ErrNotHistory
	case sqlite3.ErrCorrupt:
		return ErrDamaged
	case sqlite3.ErrFull:
		return ErrFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrCantOpen:
		return ErrReadOnly
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return ErrBusy
	}
	return nil
}
