package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"tutti/store"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID marks a SQLite file as a history of tutti: "tutt" in ASCII.
const applicationID = 0x74757474

// A migration brings the schema from version n-1 to version n, its place in
// the list.
type migration struct {
	name string
	sql  string
}

// migrations reads the steps in files, which are named 0001_what.sql, 0002_…
// without a gap.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []migration
	for i, name := range names {
		want := fmt.Sprintf("migrations/%04d_", i+1)
		if len(name) < len(want) || name[:len(want)] != want {
			return nil, fmt.Errorf("migration %s: want a name that begins with %s", name, want)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{name: name, sql: string(text)})
	}
	return steps, nil
}

// migrate brings the schema up to the last of steps, each in a transaction of its own,
// in which may is asked first; nil: every step may be. Several processes may do so at
// once. It refuses a database of another program, or one that is ahead of steps.
func migrate(ctx context.Context, db *sql.DB, steps []migration, may mayMigrate) error {
	for {
		version, err := schemaVersion(ctx, db)
		if err != nil {
			return err
		}
		if err := checkVersion(version, len(steps)); err != nil {
			return err
		}
		if version == len(steps) {
			return nil
		}
		if err := applyNext(ctx, db, steps, may); err != nil {
			return err
		}
	}
}

// applyNext applies the step that follows the version in the database, which is read
// again under the write lock: another process may have been faster.
func applyNext(ctx context.Context, db *sql.DB, steps []migration, may mayMigrate) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	version, err := schemaVersion(ctx, tx)
	if err != nil || version >= len(steps) {
		return err
	}
	if may != nil {
		if err := may(ctx, tx, version); err != nil {
			return err
		}
	}
	step := steps[version]
	pragmas := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version+1)
	if _, err := tx.ExecContext(ctx, step.sql+"\n;"+pragmas); err != nil {
		if wrongSQL(err) {
			return &schemaError{fmt.Sprintf("its schema claims version %d, but %s does not fit: %v", version, filepath.Base(step.name), err)}
		}
		return fmt.Errorf("%s: %w", step.name, err)
	}
	return tx.Commit()
}

// mayMigrate is an error if a schema of that version must not be changed now.
type mayMigrate func(ctx context.Context, q queryer, version int) error

const (
	// jobsVersion is the first schema that has daemons, and haltVersion the first in which
	// a run may be halted: an older daemon would stop its commands.
	jobsVersion, haltVersion = 3, 19
)

// noOlderDaemon refuses to change a history that a daemon of an older version serves:
// that daemon has the file open, does not check the version again, and would neither
// take part in compare and swap, nor spare the runs that wait, nor the commands of those that
// are halted.
func (h *fileHandle) noOlderDaemon(ctx context.Context, q queryer, version int) error {
	if version < jobsVersion || version >= haltVersion {
		return nil
	}
	rows, err := q.QueryContext(ctx, "SELECT id, pid FROM daemons WHERE serves AND id > 0 ORDER BY id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var id, pid int64
		if err := rows.Scan(&id, &pid); err != nil {
			return err
		}
		alive, err := h.locks.held(daemonLocks + id)
		if err != nil {
			return err
		}
		if alive {
			return &store.Error{Op: "open", Path: h.path, Err: fmt.Errorf("a daemon of an older version serves it (process %d), and cannot work with this one: stop it first; its jobs are kept", pid)}
		}
	}
	return rows.Err()
}

// queryer is a database or a transaction in it.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaVersion is the version of the schema, 0 for an empty database. The error wraps
// ErrNotHistory if it is the database of another program.
func schemaVersion(ctx context.Context, q queryer) (int, error) {
	var version, application, objects int
	row := q.QueryRowContext(ctx, `
		SELECT (SELECT user_version FROM pragma_user_version),
		       (SELECT application_id FROM pragma_application_id),
		       (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&version, &application, &objects); err != nil {
		return 0, err
	}
	empty := version == 0 && application == 0 && objects == 0
	switch {
	case !empty && application != applicationID:
		return 0, errForeign
	case !empty && version <= 0:
		return 0, &schemaError{fmt.Sprintf("its schema claims version %d, which tutti never used", version)}
	}
	return version, nil
}

// checkVersion refuses a schema that is newer than the last that is known.
func checkVersion(version, known int) error {
	if version > known {
		return &newerError{version: version, known: known}
	}
	return nil
}

// newestTables are those of the newest schema.
var newestTables = []string{
	"runs", "results", "attempts", "output", "jobs", "job_states", "job_changes", "daemons", "firings", "outbox", "notifications",
	"users", "tokens", "sessions", "login_links", "access_state", "audit", "maintenance",
	"queue", "requests", "callbacks", "scripts", "heartbeats",
}

// checkTables refuses a database in which a table is missing.
func checkTables(ctx context.Context, q queryer) error {
	there, err := column[string](ctx, q, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	for _, name := range newestTables {
		if !slices.Contains(there, name) {
			return &schemaError{"missing table " + name}
		}
	}
	return nil
}

// A schemaError is a problem of the schema of a history.
type schemaError struct{ text string }

func (e *schemaError) Error() string { return e.text }

var errForeign = errors.New("a SQLite database of another program")

// A newerError says how far the file is ahead.
type newerError struct{ version, known int }

func (e *newerError) Error() string {
	return fmt.Sprintf("its schema is version %d; this program supports %d", e.version, e.known)
}
