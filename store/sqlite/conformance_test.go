package sqlite

import (
	"database/sql"
	"errors"
	"testing"

	"tutti/store"
	"tutti/store/storetest"
)

// TestConformance: SQLite is an engine as any other.
func TestConformance(t *testing.T) {
	storetest.Test(t, storetest.Engine{
		New: func(tb testing.TB) func(testing.TB) store.Store {
			path := tempPath(tb)
			return func(tb testing.TB) store.Store { return openTest(tb, path) }
		},
		Rounds: 10,
		Faults: storetest.Faults{Cut: cutNextCommit, Lose: loseFeed, Evict: evict, BreakAudit: breakAudit},
	})
}

// cutNextCommit makes the next commit of a store fail, before or after SQLite has it.
func cutNextCommit(_ testing.TB, of store.Store, applied bool) {
	s := of.(*Store)
	s.commit = func(tx *sql.Tx) error {
		s.commit = (*sql.Tx).Commit
		if !applied {
			return errors.Join(errCut, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		return errCut
	}
}

var errCut = errors.New("the connection broke")

// loseFeed breaks the connection that sees what other processes write.
func loseFeed(tb testing.TB, of store.Daemon) {
	tb.Helper()
	d := of.(*Daemon)
	d.looking.Lock()
	defer d.looking.Unlock()
	if err := d.conn.Close(); err != nil {
		tb.Fatal(err)
	}
}

// breakAudit has the database refuse every row of the audit.
func breakAudit(tb testing.TB, of store.Store) (mend func()) {
	tb.Helper()
	s := of.(*Store)
	poke(tb, s, "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END")
	return func() { poke(tb, s, "DROP TRIGGER broken") }
}

// evict removes the row by which others know a daemon.
func evict(tb testing.TB, of store.Store, d store.Daemon) {
	tb.Helper()
	poke(tb, of.(*Store), "DELETE FROM daemons WHERE id = ?", d.ID())
}
