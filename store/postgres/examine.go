package postgres

import (
	"context"
	"database/sql"
	"strconv"

	"tutti/store"
)

// Examine examines the history at an address and changes nothing: it makes no table and
// repairs no run. The error is of type *store.Error, and wraps store.ErrNotExist if there is
// no history.
func Examine(ctx context.Context, dsn string) (c store.Condition, err error) {
	h, err := connect(ctx, dsn, store.Options{}, false)
	if err != nil {
		return c, err
	}
	defer func() { _ = h.Close() }() // it only reads
	c.Path = h.name
	if err := h.look(ctx, &c); err != nil {
		return c, h.fault("open", err)
	}
	return c, nil
}

// look reads the condition.
func (h *handle) look(ctx context.Context, c *store.Condition) error {
	if err := h.findRights(ctx); err != nil {
		return err
	}
	c.ReadOnly = h.unwritable
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	version, err := h.schemaVersion(ctx, h.pool)
	if err == nil {
		err = h.checkVersion(version, len(steps))
	}
	if err != nil || version == 0 {
		return err
	}
	var newest sql.NullString
	err = h.pool.QueryRow(ctx, "SELECT count(*), max(started_at), pg_database_size(current_database()) FROM runs").Scan(&c.Runs, &newest, &c.Size)
	if err != nil {
		return err
	}
	c.Newest, err = parseTime(newest)
	return err
}

func formatNumber(n int64) string { return strconv.FormatInt(n, 10) }
