package sqlite

import (
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
	})
}
