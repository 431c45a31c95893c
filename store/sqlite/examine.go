package sqlite

import (
	"context"
	"database/sql"
	"os"

	"tutti/store"
)

// Examine examines the history at path and changes nothing: it makes no file, migrates
// no schema, repairs no run. The error is of type *Error, and wraps ErrNotExist if
// there is no file.
func Examine(ctx context.Context, path string) (store.Condition, error) {
	file, err := inspect(path)
	if err != nil {
		return store.Condition{}, err
	}
	sizeOf := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0 // there need not be a log
		}
		return info.Size()
	}
	c := store.Condition{Path: file.path, Size: sizeOf(file.path) + sizeOf(file.path+"-wal"), Exposed: file.exposed, ReadOnly: file.unwritable}
	if sizeOf(file.path) == 0 {
		return c, nil // a process that died while it made the file leaves this
	}
	h := &fileHandle{path: file.path, foreign: file.foreign}
	defer func() { _ = h.Close() }() // it only reads
	if err := h.look(ctx, &c); err != nil {
		return c, h.openFault(err)
	}
	return c, nil
}

// look opens the history for reading only.
func (h *fileHandle) look(ctx context.Context, c *store.Condition) error {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	h.r = openDB(source(h.path, h.lookMode(), "_query_only=1"), pragmas...)
	if err := checkLibrary(ctx, h.r); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, h.r)
	if err == nil {
		err = checkVersion(version, len(steps))
	}
	if err != nil || version == 0 {
		return err
	}
	var newest sql.NullString
	if err := h.r.QueryRowContext(ctx, "SELECT count(*), max(started_at) FROM runs").Scan(&c.Runs, &newest); err != nil {
		return err
	}
	c.Newest, err = parseTime(newest)
	return err
}
