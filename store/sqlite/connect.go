package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

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

func (h *fileHandle) connect(ctx context.Context) error {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	if h.unwritable != nil {
		return h.connectReadOnly(ctx, len(steps))
	}
	h.w = openDB(source(h.path, "mode=rw", "_txlock=immediate", "_synchronous=FULL", "_foreign_keys=1", "_stmt_cache_size=16"), pragmas...)
	h.w.SetMaxOpenConns(1)
	if err := retryBusy(ctx, func() error { return h.prepare(ctx, len(steps)) }); err != nil {
		return err
	}
	if err := migrate(ctx, h.w, steps, h.noOlderDaemon); err != nil {
		return err
	}
	if err := checkTables(ctx, h.w); err != nil {
		return err
	}
	h.r = openDB(source(h.path, "mode=rw", "_query_only=1"), pragmas...)
	h.r.SetMaxOpenConns(maxReaders)
	h.r.SetMaxIdleConns(maxReaders)
	return nil
}

// prepare prepares a new file for its first table. It checks first whose database an
// old one is, since a switch of the journal would change that of another program.
func (h *fileHandle) prepare(ctx context.Context, known int) error {
	if err := checkLibrary(ctx, h.w); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, h.w)
	if err == nil {
		err = checkVersion(version, known)
	}
	if err != nil {
		return err
	}
	if version == 0 { // later it does nothing but write
		if _, err := h.w.ExecContext(ctx, "PRAGMA auto_vacuum = incremental"); err != nil {
			return err
		}
	}
	_, err = h.w.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}

// lookMode are the parameters for reading without making files next to the history:
// without a log no process is writing.
func (h *fileHandle) lookMode() string {
	switch {
	case !hasLog(h.path):
		return "immutable=1"
	case h.foreign:
		return "mode=ro&readonly_shm=1"
	}
	return "mode=ro"
}

// connectReadOnly opens a history that cannot be written. For that SQLite makes files
// next to it, unless a parameter says that no process writes, which is so if there is
// no write-ahead log. Root could make them next to another user's history, and does
// not.
func (h *fileHandle) connectReadOnly(ctx context.Context, schema int) error {
	var version int
	try := func(param string) (err error) {
		h.r = openDB(source(h.path, param, "_query_only=1"), pragmas...)
		h.r.SetMaxOpenConns(maxReaders)
		if err = checkLibrary(ctx, h.r); err == nil {
			version, err = schemaVersion(ctx, h.r)
		}
		return err
	}
	mode := "mode=ro"
	if h.foreign {
		mode = h.lookMode()
	}
	err := try(mode)
	if readable(faultAt("open", h.path, err)) && !hasLog(h.path) {
		_ = h.r.Close() // it never opened
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
		return &store.Error{Op: "open", Path: h.path, Kind: store.ErrNotExist, Err: errors.New("the file is empty")}
	case version < schema:
		return &store.Error{Op: "open", Path: h.path, Kind: store.ErrOlder}
	}
	return checkTables(ctx, h.r)
}

// pragmas for every connection. A history made by another user must not run code
// through its schema; a log that a long reader let grow shrinks again.
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
