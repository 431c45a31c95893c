package postgres

import (
	"testing"

	"tutti/internal/pgtest"
	"tutti/store"
	"tutti/store/storetest"
)

var _ store.Store = (*Store)(nil)

// TestConformance: PostgreSQL is an engine as any other.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Test(t, storetest.Engine{
		New: func(tb testing.TB) func(testing.TB) store.Store {
			dsn := pgtest.DSN(tb)
			return func(tb testing.TB) store.Store { return openTest(tb, dsn) }
		},
		Rounds: 10,
		Faults: storetest.Faults{Lose: loseFeed, Evict: evict, BreakAudit: breakAudit},
	})
}

// loseFeed breaks the connections of the store of a daemon.
func loseFeed(tb testing.TB, of store.Daemon) {
	tb.Helper()
	of.(*Daemon).ledger.pool.Reset()
}

// breakAudit has the database refuse every row of the audit.
func breakAudit(tb testing.TB, of store.Store) (mend func()) {
	tb.Helper()
	s := of.(*Store)
	poke(tb, s, "ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID")
	return func() { poke(tb, s, "ALTER TABLE audit DROP CONSTRAINT broken") }
}

// evict removes the row by which others know a daemon.
func evict(tb testing.TB, of store.Store, d store.Daemon) {
	tb.Helper()
	poke(tb, of.(*Store), "DELETE FROM controllers WHERE id = $1", d.ID())
}

// poke changes the database behind the back of the store.
func poke(tb testing.TB, s *Store, statement string, args ...any) {
	tb.Helper()
	if _, err := s.pool.Exec(tb.Context(), statement, args...); err != nil {
		tb.Fatal(err)
	}
}
