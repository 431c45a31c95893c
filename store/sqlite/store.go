package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tutti/internal/errno"

	"tutti/store"
)

// busyTimeout is how long a writer waits for the other processes that write
// the same history; each of their transactions takes milliseconds.
const busyTimeout = 20 * time.Second

// maxReaders bounds the connections that read; each has its own page cache.
const maxReaders = 4

// oldestSQLite is the first version without a bug in the write-ahead log that
// could corrupt a database several processes write to.
const oldestSQLite = "3.51.3"

// A Store is an open history. Its methods may be called by many goroutines at
// once.
type Store struct {
	store.Jobs
	path string
	// info is of the file that was opened.
	info    fs.FileInfo
	foreign bool // it belongs to another user
	options store.Options
	locks   runLocks
	// unwritable says why the history is open for reading only; nil: it is not.
	unwritable error

	// w is a single connection whose transactions take the write lock when
	// they begin: one that read first and wrote later would fail at once
	// whenever another process had written in between. It is nil in a history
	// that is open for reading only.
	w *sql.DB
	r *sql.DB

	// beforeCommit is called before each commit of a recorder; for tests, and
	// see commitHook.
	beforeCommit func()

	specs specs
	watch watch

	// dead are the runs in state running that nobody records; only in a history
	// that could not be repaired. It does not change after Open.
	dead map[int64]bool
}

// Open opens the history at path for recording and reading. It makes the file,
// with mode 0600, and its directory, with mode 0700, as far as they are
// missing; brings an older schema up to date; and marks the runs of processes
// that are gone as interrupted. Errors are of type *Error.
func Open(ctx context.Context, path string, options store.Options) (*Store, error) {
	err := makeFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a directory that cannot be made
		return nil, &store.Error{Op: "open", Path: path, Err: err}
	case err != nil:
		return nil, &store.Error{Op: "open", Path: path, Kind: kindOfOS(err), Err: err}
	}
	file, err := inspect(path)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, &store.Error{Op: "open", Path: path, Err: errors.New("a link to a file that does not exist")}
	case err != nil:
		return nil, err
	}
	if file.unwritable != nil {
		return nil, file.unwritable
	}
	return open(ctx, file, options)
}

// ReadOnly reports whether the history is open for reading only.
func (s *Store) ReadOnly() bool { return s.unwritable != nil }

// OpenExisting is Open for those who only read: it makes nothing, the error
// wraps ErrNotExist if there is no file, and a file that cannot be written, or
// belongs to another user, is opened for reading only. Begin and Prune fail in
// such a store, and runs that were cut off are told as such without being
// marked in the file.
func OpenExisting(ctx context.Context, path string, options store.Options) (*Store, error) {
	file, err := inspect(path)
	if err != nil {
		return nil, err
	}
	if file.foreign && file.unwritable == nil { // root reads what is another user's
		file.unwritable = file.notOwned()
	}
	s, err := open(ctx, file, options)
	if file.unwritable == nil && readable(err) {
		file.unwritable = err
		return open(ctx, file, options)
	}
	return s, err
}

// readable reports whether a history that err keeps from being opened for writing
// may still be read.
func readable(err error) bool {
	return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) || errno.OutOfFiles(err)
}

func open(ctx context.Context, file historyFile, options store.Options) (*Store, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Warn == nil {
		options.Warn = func(string) {}
	}
	if options.Obey {
		if err := file.obeyable(); err != nil {
			return nil, err
		}
	}
	s := &Store{
		path:       file.path,
		info:       file.info,
		foreign:    file.foreign,
		options:    options,
		locks:      runLocks{path: file.path + ".lock", uid: file.uid, gid: file.gid},
		unwritable: file.unwritable,
		dead:       make(map[int64]bool),
	}
	s.Jobs = store.NewJobs(s)
	s.watch.open = func() *sql.DB {
		mode := "mode=rw" // an immutable file would not be seen to change
		if s.unwritable != nil {
			mode = s.lookMode()
		}
		return openDB(source(s.path, mode, "_query_only=1"), pragmas...)
	}
	var err error
	if s.beforeCommit, err = commitHook(); err != nil {
		return nil, err
	}
	if file.exposed {
		options.Warn(fmt.Sprintf("history %s can be read by other users: chmod 600 it", file.path))
	}
	if err := s.connect(ctx); err != nil {
		_ = s.Close() // the first error counts
		return nil, s.openFault(err)
	}
	return s, nil
}

// openFault names what the migration found in its own words.
func (s *Store) openFault(err error) error {
	if _, ok := errors.AsType[*newerError](err); ok {
		return &store.Error{Op: "open", Path: s.path, Kind: store.ErrNewer, Err: err}
	}
	if errors.Is(err, errForeign) {
		return &store.Error{Op: "open", Path: s.path, Kind: store.ErrNotHistory, Err: err}
	}
	if _, ok := errors.AsType[*schemaError](err); ok {
		return &store.Error{Op: "open", Path: s.path, Kind: store.ErrDamaged, Err: err}
	}
	return s.fault("open", err)
}

// Changeable is an error if the history cannot be changed.
func (s *Store) Changeable() error {
	if s.unwritable != nil {
		return s.refuse("change")
	}
	return s.inPlace("change")
}

// change runs f in one transaction, which has the write lock from its
// beginning. f must not use the store's own connections. A file that is not at
// its path any more is not changed.
func (s *Store) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := s.Changeable(); err != nil {
		return err
	}
	conn, err := s.w.Conn(ctx)
	if err != nil {
		return s.fault("change", err)
	}
	defer func() { _ = conn.Close() }() // back to the pool
	restore, err := hurry(ctx, conn)
	if err != nil {
		return s.fault("change", err)
	}
	defer restore()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return s.fault("change", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	if err := f(tx); err != nil {
		return s.fault("change", err)
	}
	return s.fault("change", tx.Commit())
}

// hurry lets conn wait for other processes no longer than ctx lives: SQLite does not
// hear that it has ended while it waits.
func hurry(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	deadline, ok := ctx.Deadline()
	left := time.Until(deadline)
	if !ok || left >= busyTimeout {
		return func() {}, nil
	}
	set := func(ctx context.Context, d time.Duration) error {
		_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", max(d, 0).Milliseconds()))
		return err
	}
	restore = func() {
		// A connection of which that is not certain is not used again.
		if err := set(context.WithoutCancel(ctx), busyTimeout); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
	}
	return restore, set(ctx, left)
}

// refuse is the error of a change to a history that is open for reading only:
// one that is so because the disk is full is to be told from one that may not be
// written.
func (s *Store) refuse(op string) error {
	kind, cause := store.ErrReadOnly, error(nil)
	switch {
	case errors.Is(s.unwritable, store.ErrFull):
		kind = store.ErrFull
	case errors.Is(s.unwritable, store.ErrNotOwned):
		cause = fmt.Errorf("it %w (user id %d)", store.ErrNotOwned, s.locks.uid)
	}
	fault := &store.Error{Op: op, Path: s.path, Kind: kind, Err: cause}
	if was, ok := errors.AsType[*store.Error](s.unwritable); ok && errno.Of(was.Err) != 0 {
		fault.Err = was.Err // why the system refuses it decides what can be done
	}
	return fault
}

func (s *Store) connect(ctx context.Context) error {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	if s.unwritable != nil {
		return s.connectReadOnly(ctx, len(steps))
	}
	s.w = openDB(source(s.path, "mode=rw", "_txlock=immediate", "_synchronous=FULL", "_foreign_keys=1", "_stmt_cache_size=16"), pragmas...)
	s.w.SetMaxOpenConns(1)
	if err := retryBusy(ctx, func() error { return s.prepare(ctx, len(steps)) }); err != nil {
		return err
	}
	if err := migrate(ctx, s.w, steps, s.noOlderDaemon); err != nil {
		return err
	}
	if err := checkTables(ctx, s.w); err != nil {
		return err
	}
	s.r = openDB(source(s.path, "mode=rw", "_query_only=1"), pragmas...)
	s.r.SetMaxOpenConns(maxReaders)
	s.r.SetMaxIdleConns(maxReaders)
	if err := s.repairFirst(ctx); err != nil {
		return err
	}
	s.catchUpEnds(ctx)
	return nil
}

// prepare makes a new file ready for its first table, and looks before at what an
// old one is: to switch the journal changes the database of another program.
func (s *Store) prepare(ctx context.Context, known int) error {
	if err := checkLibrary(ctx, s.w); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, s.w)
	if err == nil {
		err = checkVersion(version, known)
	}
	if err != nil {
		return err
	}
	if version == 0 { // later it does nothing but write
		if _, err := s.w.ExecContext(ctx, "PRAGMA auto_vacuum = incremental"); err != nil {
			return err
		}
	}
	_, err = s.w.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}

// lookMode are the parameters for one who only reads, and makes no files beside the
// history: without a log nobody is writing.
func (s *Store) lookMode() string {
	switch {
	case !hasLog(s.path):
		return "immutable=1"
	case s.foreign:
		return "mode=ro&readonly_shm=1"
	}
	return "mode=ro"
}

// connectReadOnly opens a history that cannot be written. SQLite wants to make
// files beside it for that, unless it is told that nobody writes; without a
// write-ahead log nobody does. Beside another user's history root could make them,
// and does not.
func (s *Store) connectReadOnly(ctx context.Context, schema int) error {
	var version int
	try := func(param string) (err error) {
		s.r = openDB(source(s.path, param, "_query_only=1"), pragmas...)
		s.r.SetMaxOpenConns(maxReaders)
		if err = checkLibrary(ctx, s.r); err == nil {
			version, err = schemaVersion(ctx, s.r)
		}
		return err
	}
	mode := "mode=ro"
	if s.foreign {
		mode = s.lookMode()
	}
	err := try(mode)
	if readable(faultAt("open", s.path, err)) && !hasLog(s.path) {
		_ = s.r.Close() // it never opened
		err = try("immutable=1")
	}
	if err == nil {
		err = checkVersion(version, schema)
	}
	if err != nil {
		return err
	}
	switch {
	case version == 0:
		return &store.Error{Op: "open", Path: s.path, Kind: store.ErrNotExist, Err: errors.New("the file is empty")}
	case version < schema:
		return &store.Error{Op: "open", Path: s.path, Kind: store.ErrOlder}
	}
	if err := checkTables(ctx, s.r); err != nil {
		return err
	}
	return s.findDead(ctx)
}

// Close closes the history. Recorders must have been closed before.
func (s *Store) Close() error {
	var errs []error
	// The writer goes last: whoever closes the last connection empties the
	// write-ahead log into the file, and a reader may not.
	for _, db := range []*sql.DB{s.r, s.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return s.fault("close", errors.Join(errs...))
}

// pragmas for every connection. A history made by somebody else must not run
// code through its schema; a log that a long reader let grow shrinks again.
var pragmas = []string{"PRAGMA trusted_schema = OFF", "PRAGMA journal_size_limit = 16777216"}

// source is the URI of path with parameters of SQLite and its driver. Without a
// mode SQLite makes a file that is missing, as it may be under an open history.
func source(path string, params ...string) string {
	u := url.URL{Scheme: "file", Path: path}
	params = append(params, "_busy_timeout="+strconv.FormatInt(busyTimeout.Milliseconds(), 10))
	return u.String() + "?" + strings.Join(params, "&")
}

func checkLibrary(ctx context.Context, db *sql.DB) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if compareVersions(version, oldestSQLite) < 0 {
		return &store.Error{Op: "open", Kind: store.ErrLibrary, Err: fmt.Errorf("version %s, want %s or newer", version, oldestSQLite)}
	}
	return nil
}

// compareVersions compares dotted numbers.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i]) // what is no number counts as 0
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

// retryBusy repeats f while the history is locked. SQLite's own timeout does
// not cover the switch of a new file to a write-ahead log, which several
// processes may try at the same time.
func retryBusy(ctx context.Context, f func() error) error {
	limit := time.NewTimer(busyTimeout)
	defer limit.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := f()
		if !errors.Is(kindOf(err), store.ErrBusy) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-limit.C:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
