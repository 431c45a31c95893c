package sqlite

import (
	"context"

	"tutti/store"
)

// Unannounced returns the numbers of the jobs that were stored under an earlier
// version's rules, if that was not announced in that place yet.
func (l *Ledger) Unannounced(ctx context.Context, in store.Place) ([]int64, error) {
	ids, err := column[int64](ctx, l.r, "SELECT id FROM jobs WHERE untold & ? ORDER BY name", int(in))
	return ids, l.fault("read", err)
}

// Announced records an announcement in that place. A history that is open for reading
// only does not record it.
func (l *Ledger) Announced(ctx context.Context, in store.Place) error {
	if l.unwritable != nil {
		return nil
	}
	_, err := l.w.ExecContext(ctx, "UPDATE jobs SET untold = untold & ~? WHERE untold & ?", int(in), int(in))
	return l.fault("change", err)
}
