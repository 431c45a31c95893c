package postgres

import (
	"context"

	"tutti/store"
)

// Unannounced returns the numbers of the jobs that were stored under an earlier
// version's rules, if that was not announced in that place yet.
func (l *Ledger) Unannounced(ctx context.Context, in store.Place) ([]int64, error) {
	ids, err := column[int64](ctx, l.pool, "SELECT id FROM jobs WHERE untold & $1 <> 0 ORDER BY name", int64(in))
	return ids, l.fault("read", err)
}

// Announced records an announcement in that place. A history that is open for reading
// only does not record it.
func (l *Ledger) Announced(ctx context.Context, in store.Place) error {
	if l.unwritable != nil {
		return nil
	}
	_, err := l.pool.Exec(ctx, "UPDATE jobs SET untold = untold & ~$1::bigint WHERE untold & $1 <> 0", int64(in))
	return l.fault("change", err)
}
