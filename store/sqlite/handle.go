package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tutti/internal/errno"
	"tutti/store"
)

// A fileHandle is an open history file with its connections, and whether it may be
// written. Its methods may be called by many goroutines at once.
type fileHandle struct {
	path string
	// info is of the file that was opened.
	info    fs.FileInfo
	foreign bool // it belongs to another user
	options store.Options
	locks   runLocks
	// unwritable is why the history is open for reading only; nil: it is not.
	unwritable error

	// w is a single connection whose transactions take the write lock when
	// they begin: one that read first and wrote later would fail at once
	// whenever another process had written in between. It is nil in a history
	// that is open for reading only.
	w *sql.DB
	r *sql.DB

	watch watch
	// commit ends a transaction that writes. Tests put faults in its place.
	commit func(tx *sql.Tx) error
}

// newFileHandle returns the handle of a file that is not open yet.
func newFileHandle(file historyFile, options store.Options) *fileHandle {
	h := &fileHandle{
		path:       file.path,
		info:       file.info,
		foreign:    file.foreign,
		options:    options,
		locks:      runLocks{path: file.path + ".lock", uid: file.uid, gid: file.gid},
		unwritable: file.unwritable,
		commit:     (*sql.Tx).Commit,
	}
	h.watch.open = func() *sql.DB {
		mode := "mode=rw" // an immutable file would not be seen to change
		if h.unwritable != nil {
			mode = h.lookMode()
		}
		return openDB(source(h.path, mode, "_query_only=1"), pragmas...)
	}
	return h
}

// ReadOnly reports whether the history is open for reading only.
func (h *fileHandle) ReadOnly() bool { return h.unwritable != nil }

// Changeable is an error if the history cannot be changed.
func (h *fileHandle) Changeable() error {
	if h.unwritable != nil {
		return h.readOnlyError("change")
	}
	return h.inPlace("change")
}

// change runs f in one transaction, which has the write lock from its
// beginning. f must not use the store's own connections. A file that is not at
// its path any more is not changed.
func (h *fileHandle) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := h.Changeable(); err != nil {
		return err
	}
	conn, err := h.w.Conn(ctx)
	if err != nil {
		return h.fault("change", err)
	}
	defer func() { _ = conn.Close() }() // back to the pool
	restore, err := hurry(ctx, conn)
	if err != nil {
		return h.fault("change", err)
	}
	defer restore()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return h.fault("change", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	if err := f(tx); err != nil {
		return h.fault("change", err)
	}
	return h.fault("change", h.commit(tx))
}

// hurry bounds conn's waits for other processes by the deadline of ctx, whose end
// SQLite does not notice while it waits.
func hurry(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	left := busyTimeout
	if wait, ok := store.PatienceOf(ctx); ok {
		left = min(left, wait)
	}
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	if left >= busyTimeout {
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

// readOnlyError returns the error of a change to a history that is open for reading
// only, which distinguishes a full disk from a file that must not be written.
func (h *fileHandle) readOnlyError(op string) error {
	kind, cause := store.ErrReadOnly, error(nil)
	switch {
	case errors.Is(h.unwritable, store.ErrFull):
		kind = store.ErrFull
	case errors.Is(h.unwritable, store.ErrNotOwned):
		cause = fmt.Errorf("it %w (user id %d)", store.ErrNotOwned, h.locks.uid)
	}
	fault := &store.Error{Op: op, Path: h.path, Kind: kind, Err: cause}
	if was, ok := errors.AsType[*store.Error](h.unwritable); ok && errno.Of(was.Err) != 0 {
		fault.Err = was.Err // the system's reason decides the advice
	}
	return fault
}

// Close closes the history. Recorders must have been closed before.
func (h *fileHandle) Close() error {
	var errs []error
	// The writer is closed last: the last connection moves the write-ahead log into the
	// file, which a reader may not.
	for _, db := range []*sql.DB{h.r, h.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return h.fault("close", errors.Join(errs...))
}

// openFault names what the migration found in its own words.
func (h *fileHandle) openFault(err error) error {
	if _, ok := errors.AsType[*newerError](err); ok {
		return &store.Error{Op: "open", Path: h.path, Kind: store.ErrNewer, Err: err}
	}
	if errors.Is(err, errForeign) {
		return &store.Error{Op: "open", Path: h.path, Kind: store.ErrNotHistory, Err: err}
	}
	if _, ok := errors.AsType[*schemaError](err); ok {
		return &store.Error{Op: "open", Path: h.path, Kind: store.ErrDamaged, Err: err}
	}
	return h.fault("open", err)
}
