package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
		Faults: storetest.Faults{Cut: cutNextCommit, Lose: loseFeed, Evict: evict, BreakAudit: breakAudit},
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

// cutNextCommit has the next commit of a store fail, before or after the server has it.
func cutNextCommit(_ testing.TB, of store.Store, applied bool) {
	s := of.(*Store)
	usual := s.commit
	s.commit = func(ctx context.Context, tx pgx.Tx) error {
		s.commit = usual
		end := tx.Rollback
		if applied {
			end = tx.Commit
		}
		return errors.Join(end(ctx), errCut)
	}
}

// errCut is what the server says itself when the outcome of a transaction is not known.
var errCut = &pgconn.PgError{Code: "08007", Message: "the connection broke"}
