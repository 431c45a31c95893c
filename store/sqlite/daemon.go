package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"time"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// daemonLocks plus the number of a daemon is the byte of FILE.lock that the daemon
// locks while it is alive; the numbers of runs are smaller.
const daemonLocks = 1 << 62

// A Daemon is the registration of a process that executes firings, until it leaves or
// the process ends. No other process starts what it has claimed; once it has ended,
// others may claim what it has not started. Its methods may be called by several
// goroutines at once.
type Daemon struct {
	shared
	ledger *Ledger
	id     int64
	serves bool
	lock   *runLock
	*feed
	voice
	// wake receives after a write to the history, until quiet is called.
	wake  <-chan struct{}
	quiet func()
	// lost is closed by lose when the registration is over: the daemon has left, or its
	// row was deleted.
	lost chan struct{}
	lose func()

	mu      sync.Mutex // guards what follows
	now     time.Time  // the last time that the caller passed
	left    bool       // it was closed
	spaceAt time.Time  // when proveSpace succeeded last
}

// shared is what a Daemon does as its Ledger does, whether it has left or not.
type shared interface {
	Load(ctx context.Context, jobs []int64) ([]scheduler.Subject, error)
	Find(ctx context.Context, name string) ([]scheduler.Subject, error)
	Numbers(ctx context.Context, n int) (int64, error)
	Controllers(ctx context.Context) ([]scheduler.Controller, error)
	Stops(ctx context.Context, runs []int64) ([]scheduler.Stop, error)
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Daemon = (*Daemon)(nil)
)

// Join registers the caller; see [scheduler.Ledger].
func (l *Ledger) Join(ctx context.Context, c scheduler.Controller) (scheduler.Membership, error) {
	return l.joined(ctx, c.Serves, c.Started)
}

// JoinDaemons registers the caller as one of the daemons that serve this history. The
// Daemon has to be closed before the store.
func (l *Ledger) JoinDaemons(ctx context.Context, now time.Time) (store.Daemon, error) {
	return l.joined(ctx, true, now)
}

// JoinOnce is JoinDaemons for a process that requests a firing, executes it and exits.
// It is not among the Daemons. A firing that it has not started when it exits is
// skipped, since its requester is gone.
func (l *Ledger) JoinOnce(ctx context.Context, now time.Time) (store.Daemon, error) {
	return l.joined(ctx, false, now)
}

func (l *Ledger) joined(ctx context.Context, serves bool, now time.Time) (store.Daemon, error) {
	d, err := l.join(ctx, serves, now)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (l *Ledger) join(ctx context.Context, serves bool, now time.Time) (*Daemon, error) {
	d := &Daemon{shared: l, ledger: l, serves: serves, now: now, lost: make(chan struct{})}
	d.lose = sync.OnceFunc(func() { close(d.lost) })
	err := l.change(ctx, func(tx *sql.Tx) error {
		if err := l.forgetDaemons(ctx, tx); err != nil {
			return err
		}
		// A number that is locked belongs to a history that was deleted under its
		// daemon.
		for d.lock == nil {
			res, err := tx.ExecContext(ctx, "INSERT INTO daemons (pid, serves, started_at, machine) VALUES (?, ?, ?, ?)",
				os.Getpid(), serves, timeText(now), text(tables.MachineName()))
			if err != nil {
				return err
			}
			if d.id, err = res.LastInsertId(); err != nil {
				return err
			}
			if d.lock, err = l.locks.acquire(daemonLocks + d.id); err != nil {
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
	d.feed = &feed{
		ledger: l, registered: d.registered,
		db: openDB(source(l.path, "mode=rw", "_query_only=1"), pragmas...),
	}
	d.voice = voice{l, d.id}
	d.wake, d.quiet = l.watch.subscribe()
	return d, nil
}

// forgetDaemons deletes the rows of daemons that have ended and own nothing any more.
func (l *Ledger) forgetDaemons(ctx context.Context, tx *sql.Tx) error {
	ids, err := column[int64](ctx, tx, `
		SELECT id FROM daemons WHERE id NOT IN (
			SELECT daemon_id FROM firings WHERE settled_at IS NULL AND run_id IS NULL AND daemon_id IS NOT NULL)`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		alive, err := l.locks.held(daemonLocks + id)
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

// Fence is the daemon's number; see [scheduler.Membership].
func (d *Daemon) Fence() int64 { return d.id }

// Lost is closed when the daemon has left, or finds that its row was deleted, so that
// other processes treat it as ended. The lock that keeps it registered lasts as long as
// its process.
func (d *Daemon) Lost() <-chan struct{} { return d.lost }

// Wake receives after a write to the history; see [scheduler.Membership].
func (d *Daemon) Wake() <-chan struct{} { return d.wake }

// Leave is Close.
func (d *Daemon) Leave(context.Context) error { return d.Close() }

// Close ends the registration. Other daemons may claim the firings that it has claimed
// and not started; those of JoinOnce are skipped.
func (d *Daemon) Close() error {
	d.mu.Lock()
	left := d.left
	d.left = true
	d.mu.Unlock()
	if left {
		return nil
	}
	d.lose()
	d.quiet()
	d.releaseSoon()
	return d.ledger.fault("close", errors.Join(d.feed.close(), d.lock.release()))
}

// isOver reports whether the registration is over.
func (d *Daemon) isOver() bool {
	select {
	case <-d.lost:
		return true
	default:
		return false
	}
}

// registered returns ErrFenced, and closes lost, if the registration is over. In a
// transaction, the result holds until that ends.
func (d *Daemon) registered(ctx context.Context, q queryer) error {
	if d.isOver() {
		return scheduler.ErrFenced
	}
	there, err := exists(ctx, q, "SELECT 1 FROM daemons WHERE id = ?", d.id)
	if err == nil && !there {
		d.lose()
		err = scheduler.ErrFenced
	}
	return err
}

// Sync returns the jobs whose states have changed; see [scheduler.Membership].
func (d *Daemon) Sync(ctx context.Context) (scheduler.Changes, error) {
	if d.isOver() {
		return scheduler.Changes{}, scheduler.ErrFenced
	}
	return d.next(ctx)
}

// Commit commits moves, unless the registration is over.
func (d *Daemon) Commit(ctx context.Context, moves []scheduler.Move) ([]scheduler.Committed, error) {
	for i := range moves {
		d.tick(moves[i].At)
	}
	done, err := d.ledger.commitFor(ctx, d.registered, moves)
	if !errors.Is(err, scheduler.ErrFenced) {
		return done, err
	}
	refused := make([]scheduler.Committed, len(moves))
	for i := range refused {
		refused[i].Err = scheduler.ErrFenced
	}
	return refused, nil
}

// Request is that of [store.Jobs].
func (d *Daemon) Request(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error) {
	return d.ledger.jobs.Request(ctx, d, job, by, now)
}

// Fail closes a claimed firing that was not started; see [scheduler.Desk].
func (d *Daemon) Fail(ctx context.Context, t scheduler.Assignment, decision scheduler.Decision, reason string) error {
	return scheduler.NewDesk(d).Fail(ctx, d, d.clock(), t, decision, reason)
}

// begin ties the run to its firing, in the transaction that writes the run.
func (d *Daemon) begin(ctx context.Context, tx *sql.Tx, firing, run int64) error {
	if d == nil {
		return store.ErrTaken
	}
	if err := d.registered(ctx, tx); err != nil {
		return taken(err)
	}
	f, err := firingByID(ctx, tx, firing)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrTaken
	}
	if err != nil {
		return err
	}
	subjects, err := d.ledger.states.loadSubjects(ctx, tx, []int64{f.JobID})
	if err != nil {
		return err
	}
	t, err := subjects[0].State.Begin(firing, run, d.id, scheduler.Moment{Now: d.clock()})
	if err != nil {
		return err
	}
	return d.ledger.states.move(ctx, tx, &scheduler.Move{From: subjects[0].Rev, Transition: t})
}

// Mark makes starts durable; see [scheduler.Membership]. A recorder does so together
// with its other writes.
func (d *Daemon) Mark(ctx context.Context, c scheduler.Claim, positions []int) error {
	return d.ledger.change(ctx, func(tx *sql.Tx) error {
		if err := d.registered(ctx, tx); err != nil {
			return taken(err)
		}
		if err := checkClaim(ctx, tx, c); err != nil {
			return err
		}
		for _, position := range positions {
			if _, err := tx.ExecContext(ctx, "UPDATE results SET started = 1 WHERE run_id = ? AND position = ?", c.Run, position); err != nil {
				return err
			}
		}
		return nil
	})
}

// taken turns ErrFenced into ErrTaken: the claims of a registration that is over are
// free.
func taken(err error) error {
	if errors.Is(err, scheduler.ErrFenced) {
		return store.ErrTaken
	}
	return err
}

// checkClaim returns ErrTaken if the run is not the claim's any more.
func checkClaim(ctx context.Context, q queryer, c scheduler.Claim) error {
	query, args := "SELECT 1 FROM runs WHERE id = ? AND state = 'running'", []any{c.Run}
	if c.Firing != 0 {
		query, args = "SELECT 1 FROM firings WHERE id = ? AND run_id = ? AND daemon_id = ? AND ended IS NULL AND "+openFirings, []any{c.Firing, c.Run, c.Fence}
	}
	held, err := exists(ctx, q, query, args...)
	if err == nil && !held {
		err = store.ErrTaken
	}
	return err
}

// Marks returns the hosts of a run that were marked; see [scheduler.Membership].
func (d *Daemon) Marks(ctx context.Context, run int64) ([]int, error) {
	marks, err := column[int](ctx, d.ledger.r, "SELECT position FROM results WHERE run_id = ? AND started ORDER BY position", run)
	return marks, d.ledger.fault("read", err)
}

// tick notes the caller's time, whose clock need not be the machine's. Methods without
// a time argument use it.
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
