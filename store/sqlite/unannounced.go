package sqlite

import (
	"context"

	"tutti/store"
)

// Unannounced are the numbers of the jobs that were stored under an earlier version's
// rules and of which nothing has been told in that place.
func (l *Ledger) Unannounced(ctx context.Context, in store.Place) ([]int64, error) {
	ids, err := column[int64](ctx, l.r, "SELECT id FROM jobs WHERE untold & ? ORDER BY name", int(in))
	return ids, l.fault("read", err)
}

// Announced notes that it has been told in that place. In a history that cannot be
// written to it is told again.
func (l *Ledger) Announced(ctx context.Context, in store.Place) error {
	if l.unwritable != nil {
		return nil
	}
	_, err := l.w.ExecContext(ctx, "UPDATE jobs SET untold = untold & ~? WHERE untold & ?", int(in), int(in))
	return l.fault("change", err)
}
