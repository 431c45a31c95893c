package runner

import (
	"context"

	"tutti/store"
	"tutti/store/postgres"
	"tutti/store/sqlite"
)

// A Copied counts what of a history was copied.
type Copied = postgres.Copied

// CopyHistory copies the history in a file into the database at an address, which must have
// none. Nobody may write to the file meanwhile.
func CopyHistory(ctx context.Context, path, address string, warn func(string)) (c Copied, err error) {
	from, err := sqlite.OpenExisting(ctx, path, store.Options{Warn: warn})
	if err != nil {
		return c, err
	}
	defer func() { _ = from.Close() }() // it only read
	if err := from.Quiet(ctx); err != nil {
		return c, err
	}
	to, err := postgres.Open(ctx, address, store.Options{Warn: warn})
	if err != nil {
		return c, err
	}
	defer func() { _ = to.Close() }() // what was copied is committed
	return to.CopyFrom(ctx, from)
}
