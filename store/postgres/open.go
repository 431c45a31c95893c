package postgres

import (
	"context"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tutti/store"
)

// A Store is an open history. Its methods may be called by many goroutines at once.
type Store struct {
	*handle
}

// Is reports whether a history is the address of a database, and no file.
func Is(history string) bool {
	return strings.HasPrefix(history, "postgres://") || strings.HasPrefix(history, "postgresql://")
}

// Open opens the history in the database at an address such as
// postgres://USER@HOST/DATABASE for recording and reading. It makes the tables, or brings
// them up to date, and marks the runs of processes that are gone as interrupted. The user's
// password file and service file are read as by PostgreSQL's own programs. Errors are of
// type *store.Error.
func Open(ctx context.Context, dsn string, options store.Options) (*Store, error) {
	h, err := connect(ctx, dsn, options, true)
	if err != nil {
		return nil, err
	}
	s := newStore(h)
	if err := s.prepare(ctx); err != nil {
		_ = s.Close() // the first error counts
		return nil, h.fault("open", err)
	}
	return s, nil
}

// OpenExisting is Open for those who only read: it makes nothing, the error wraps
// store.ErrNotExist if the database has no history, and one that cannot be written, on a
// standby or with the rights of tutti_reader, is opened for reading only.
func OpenExisting(ctx context.Context, dsn string, options store.Options) (*Store, error) {
	h, err := connect(ctx, dsn, options, false)
	if err != nil {
		return nil, err
	}
	s := newStore(h)
	if err := s.prepareExisting(ctx); err != nil {
		_ = s.Close() // the first error counts
		return nil, h.fault("open", err)
	}
	return s, nil
}

func connect(ctx context.Context, dsn string, options store.Options, writes bool) (*handle, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Warn == nil {
		options.Warn = func(string) {}
	}
	c, name, err := config(dsn, writes)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, faultAt("open", name, err)
	}
	h := &handle{name: name, options: options, pool: database{pool}, terms: usualTerms, commit: func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) }}
	h.watch.connect = func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, c.ConnConfig.Copy()) }
	return h, nil
}

// newStore puts together what works on a database.
func newStore(h *handle) *Store {
	return &Store{handle: h}
}

// prepare checks the server, and brings the schema up to date.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	return s.migrate(ctx)
}

// prepareExisting finds out whether the history may be written.
func (s *Store) prepareExisting(ctx context.Context) error {
	var standby, writes bool
	err := s.pool.QueryRow(ctx, `
		SELECT current_setting('transaction_read_only') = 'on',
			to_regclass('runs') IS NULL OR has_table_privilege(to_regclass('runs'), 'INSERT')`).Scan(&standby, &writes)
	switch {
	case err != nil:
		return err
	case standby:
		s.unwritable = &store.Error{Op: "open", Path: s.name, Kind: store.ErrStandby}
	case !writes:
		s.unwritable = &store.Error{Op: "open", Path: s.name, Kind: store.ErrReadOnly}
	}
	there, err := exists(ctx, s.pool, "SELECT 1 WHERE to_regclass('history_schema') IS NOT NULL")
	if err == nil && !there {
		err = &store.Error{Op: "open", Path: s.name, Kind: store.ErrNotExist}
	}
	if err != nil {
		return err
	}
	if s.unwritable == nil {
		return s.prepare(ctx)
	}
	return s.migrate(ctx)
}
