package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"tutti/store"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration brings the schema from version n-1 to version n, its place in the list.
type migration struct{ name, sql string }

// migrations reads the steps, which are named 0001_what.sql, 0002_… without a gap.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []migration
	for i, name := range names {
		if want := fmt.Sprintf("%04d_", i+1); len(filepath.Base(name)) < len(want) || filepath.Base(name)[:len(want)] != want {
			return nil, fmt.Errorf("migration %s: want a name that begins with %s", name, want)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{name: filepath.Base(name), sql: string(text)})
	}
	return steps, nil
}

// migrationLock is the advisory lock of the one process that changes the schema.
const migrationLock = 0x74757474 // "tutt"

const (
	// schemaTable has the version of the schema, in its only row.
	schemaTable = "CREATE TABLE IF NOT EXISTS history_schema (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL)"
	setVersion  = "INSERT INTO history_schema (version) VALUES ($1) ON CONFLICT (one) DO UPDATE SET version = excluded.version"
)

// migrate brings the schema up to the last step. Several processes may do so at once.
func (h *handle) migrate(ctx context.Context) error {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	version, err := h.schemaVersion(ctx, h.pool)
	if err == nil {
		err = h.checkVersion(version, len(steps))
	}
	if err != nil || version == len(steps) {
		return err
	}
	if h.unwritable != nil {
		kind := store.ErrOlder
		if version == 0 {
			kind = store.ErrNotExist
		}
		return &store.Error{Op: "open", Path: h.name, Kind: kind}
	}
	return pgx.BeginTxFunc(ctx, h.pool, writing, func(tx pgx.Tx) error { return h.applySteps(ctx, tx, steps) })
}

// applySteps applies the steps that follow the version, which is read again under the
// lock: another process may have been faster.
func (h *handle) applySteps(ctx context.Context, tx pgx.Tx, steps []migration) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '60s'"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return err
	}
	version, err := h.schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	for ; version < len(steps); version++ {
		if _, err := tx.Exec(ctx, schemaTable); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, steps[version].sql); err != nil {
			if stateOf(err) == codeTableExists {
				return &store.Error{Op: "open", Path: h.name, Kind: store.ErrNotHistory, Err: bare(err)}
			}
			return fmt.Errorf("%s: %w", steps[version].name, err)
		}
		if _, err := tx.Exec(ctx, setVersion, version+1); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, grants)
	return err
}

// schemaVersion is the version of the schema; 0: there is none.
func (h *handle) schemaVersion(ctx context.Context, q queryer) (version int, err error) {
	there, err := exists(ctx, q, "SELECT 1 WHERE to_regclass('history_schema') IS NOT NULL")
	if err != nil || !there {
		return 0, err
	}
	err = q.QueryRow(ctx, "SELECT version FROM history_schema").Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// checkVersion refuses a schema that is newer than the last that is known.
func (h *handle) checkVersion(version, known int) error {
	if version <= known {
		return nil
	}
	return &store.Error{
		Op: "open", Path: h.name, Kind: store.ErrNewer,
		Err: fmt.Errorf("its schema has version %d, this tutti knows %d", version, known),
	}
}

// grants gives the roles of docs/history.md what they may, as far as they exist: a reader
// sees what happened, and nothing of access or of what is still to be sent.
const grants = `
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tutti_reader') THEN
		GRANT SELECT ON history_schema, controllers, runs, hosts, starts, ended, attempts, output, results,
			jobs, job_changes, firings, notifications, maintenance, heartbeats, queue TO tutti_reader;
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tutti_writer') THEN
		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO tutti_writer', current_schema());
		EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO tutti_writer', current_schema());
	END IF;
END $$`
