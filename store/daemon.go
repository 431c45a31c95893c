package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"tutti/scheduler"
)

// daemonLocks is what the number of a daemon is added to for the byte of
// FILE.lock that says whether it is alive; the numbers of runs stay below.
const daemonLocks = 1 << 62

// A Daemon is a process that carries out firings, for as long as it is alive.
// What it has claimed nobody else begins, and what it has not begun when it ends
// others may claim. Its methods may be called by several goroutines at once.
type Daemon struct {
	store  *Store
	id     int64
	serves bool
	lock   *runLock
	// eyes has the connection that only watches what is written: SQLite tells
	// each connection of what the others write.
	eyes *sql.DB

	mu      sync.Mutex // guards what follows
	eye     *sql.Conn
	version int64          // that eye saw last
	seen    bool           // whether it saw any
	now     time.Time      // the last that the caller said
	given   map[int64]bool // the firings for which the caller has tickets
	spaceAt time.Time      // when it was proved that there is space
}

var (
	_ scheduler.Jobs   = (*Daemon)(nil)
	_ scheduler.Outbox = (*Daemon)(nil)
)

// JoinDaemons makes the caller one of the daemons that serve this history. Its
// Daemon has to be closed before the store.
func (s *Store) JoinDaemons(ctx context.Context, now time.Time) (*Daemon, error) {
	return s.join(ctx, true, now)
}

// JoinOnce is JoinDaemons for a process that asks for a firing, carries out that
// one and ends. It is none of the Daemons, and what it has not begun when it ends
// nobody begins: whoever asked is gone.
func (s *Store) JoinOnce(ctx context.Context, now time.Time) (*Daemon, error) {
	return s.join(ctx, false, now)
}

func (s *Store) join(ctx context.Context, serves bool, now time.Time) (*Daemon, error) {
	d := &Daemon{store: s, serves: serves, now: now, given: make(map[int64]bool)}
	err := s.change(ctx, func(tx *sql.Tx) error {
		if err := s.forgetDaemons(ctx, tx); err != nil {
			return err
		}
		// A number that is locked belongs to a history that was deleted under its
		// daemon.
		for d.lock == nil {
			res, err := tx.ExecContext(ctx, "INSERT INTO daemons (pid, serves, started_at) VALUES (?, ?, ?)", os.Getpid(), serves, timeText(now))
			if err != nil {
				return err
			}
			if d.id, err = res.LastInsertId(); err != nil {
				return err
			}
			if d.lock, err = s.locks.acquire(daemonLocks + d.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if d.lock != nil {
			_ = d.lock.release() // nothing was written under it
		}
		return nil, err
	}
	d.eyes = openDB(source(s.path, "mode=rw", "_query_only=1"), pragmas...)
	return d, nil
}

// forgetDaemons deletes the daemons that have ended and left nothing behind.
func (s *Store) forgetDaemons(ctx context.Context, tx *sql.Tx) error {
	ids, err := column[int64](ctx, tx, `
		SELECT id FROM daemons WHERE id NOT IN (
			SELECT daemon_id FROM firings WHERE settled_at IS NULL AND run_id IS NULL AND daemon_id IS NOT NULL)`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		alive, err := s.locks.held(daemonLocks + id)
		if err != nil {
			return err
		}
		if alive {
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM daemons WHERE id = ?", id); err != nil {
			return err
		}
	}
	return nil
}

// ID is the daemon's number.
func (d *Daemon) ID() int64 { return d.id }

// Close ends the daemon. What it has claimed and not begun is for others to
// claim, or for nobody, see JoinOnce.
func (d *Daemon) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if d.eye != nil {
		errs = append(errs, d.eye.Close())
		d.eye = nil
	}
	return d.store.fault("close", errors.Join(append(errs, d.eyes.Close(), d.lock.release())...))
}

// Changed reports whether anything was written since the last call, by this
// process or another. The error wraps ErrMoved if the others write another file.
func (d *Daemon) Changed(ctx context.Context) (bool, error) {
	if err := d.store.inPlace("read"); err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	version, err := d.look(ctx)
	if err != nil {
		if d.eye != nil {
			_ = d.eye.Close() // another one sees anew
			d.eye = nil
		}
		d.seen = false
		return false, d.store.fault("read", err)
	}
	changed := !d.seen || version != d.version
	d.version, d.seen = version, true
	return changed, nil
}

// look is a number that is another one when something was written.
func (d *Daemon) look(ctx context.Context) (version int64, err error) {
	if d.eye == nil {
		if d.eye, err = d.eyes.Conn(ctx); err != nil {
			return 0, err
		}
	}
	err = d.eye.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	return version, err
}

// Kept returns all jobs, see Store.Kept.
func (d *Daemon) Kept(ctx context.Context) ([]scheduler.Kept, error) { return d.store.Kept(ctx) }

// Repair marks the runs of processes that are gone as interrupted.
func (d *Daemon) Repair(ctx context.Context) error {
	if err := d.store.inPlace("repair"); err != nil {
		return err
	}
	return d.store.fault("repair", d.store.repair(ctx))
}

// Killed returns which of the runs somebody wants to be ended.
func (d *Daemon) Killed(ctx context.Context, runs []int64) ([]int64, error) {
	list, err := json.Marshal(runs)
	if err != nil {
		return nil, d.store.fault("read", err)
	}
	killed, err := column[int64](ctx, d.store.r, `
		SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(?)) AND kill_at IS NOT NULL ORDER BY id`, string(list))
	return killed, d.store.fault("read", err)
}

// tick takes down what time it is for the caller, whose clock need not be the
// machine's; what is written without being told the time is of that time.
func (d *Daemon) tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
}

func (d *Daemon) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// A DaemonRow is a daemon that is alive.
type DaemonRow struct {
	ID      int64
	PID     int
	Started time.Time
}

// Daemons lists the daemons that serve this history now, the oldest first.
func (s *Store) Daemons(ctx context.Context) ([]DaemonRow, error) {
	daemons, err := s.daemons(ctx)
	return daemons, s.fault("read", err)
}

func (s *Store) daemons(ctx context.Context) ([]DaemonRow, error) {
	rows, err := s.r.QueryContext(ctx, "SELECT id, pid, started_at FROM daemons WHERE serves ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var daemons []DaemonRow
	for rows.Next() {
		var d DaemonRow
		var started sql.NullString
		if err := rows.Scan(&d.ID, &d.PID, &started); err != nil {
			return nil, err
		}
		if d.Started, err = parseTime(started); err != nil {
			return nil, err
		}
		alive, err := s.locks.held(daemonLocks + d.ID)
		if err != nil {
			return nil, err
		}
		if alive {
			daemons = append(daemons, d)
		}
	}
	return daemons, rows.Err()
}
