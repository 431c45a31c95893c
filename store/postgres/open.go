package postgres

import (
	"context"
	"log/slog"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tutti/store"
)

// A Store is an open history. Its methods may be called by many goroutines at once.
type Store struct {
	*handle
	*History
	*Ledger
	store.Jobs
	queue *Queue
}

// Is reports whether a history is the address of a database, and no file.
func Is(history string) bool {
	return strings.HasPrefix(history, "postgres://") || strings.HasPrefix(history, "postgresql://")
}

// Name is an address for people, without its password and settings.
func Name(dsn string) string {
	_, name, err := config(dsn, false)
	if err != nil {
		return "postgres://…"
	}
	return name
}

// HasPassword reports whether an address has a password in it.
func HasPassword(dsn string) bool {
	if !Is(dsn) {
		return false
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return true // it may be what is wrong with it
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password")
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
	runs, states := &runReader{dead: make(map[int64]bool)}, &states{}
	queue := &Queue{handle: h, runs: runs}
	s := &Store{
		handle:  h,
		History: &History{handle: h, runs: runs, states: states, repairer: &repairer{handle: h, runs: runs, states: states, queue: queue}},
		Ledger:  &Ledger{handle: h, states: states},
		queue:   queue,
	}
	s.views = views{handle: h, history: s.History}
	s.Jobs = store.NewJobs(s)
	s.Ledger.jobs = s.Jobs
	return s
}

// prepare checks the server, and brings the schema up to date.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.repairer.repairFirst(ctx); err != nil {
		return err
	}
	s.repairer.catchUpEnds(ctx)
	return nil
}

// prepareExisting finds out whether the history may be written.
func (s *Store) prepareExisting(ctx context.Context) error {
	if err := s.findRights(ctx); err != nil {
		return err
	}
	if s.unwritable == nil {
		return s.prepare(ctx)
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	return s.repairer.findDead(ctx)
}

// findRights finds out whether the history may be written; the error wraps
// store.ErrNotExist if there is none.
func (h *handle) findRights(ctx context.Context) error {
	var there, standby, writes bool
	err := h.pool.QueryRow(ctx, `
		SELECT to_regclass('history_schema') IS NOT NULL, current_setting('transaction_read_only') = 'on',
			to_regclass('runs') IS NULL OR has_table_privilege(to_regclass('runs'), 'INSERT')`).Scan(&there, &standby, &writes)
	switch {
	case err != nil:
		return err
	case !there:
		return &store.Error{Op: "open", Path: h.name, Kind: store.ErrNotExist}
	case standby:
		h.unwritable = &store.Error{Op: "open", Path: h.name, Kind: store.ErrStandby}
	case !writes:
		h.unwritable = &store.Error{Op: "open", Path: h.name, Kind: store.ErrReadOnly}
	}
	return nil
}
