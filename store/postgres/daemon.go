package postgres

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// A Daemon is the registration of a process that executes firings: a row that its lease
// renews. It is over when the process leaves, or when others have deleted the row, since
// they have not heard of the process for too long. Its methods may be called by several
// goroutines at once.
type Daemon struct {
	shared
	*lease
	*feed
	ledger *Ledger
	serves bool
	// wake receives after a write to the history, until quiet is called.
	wake  <-chan struct{}
	quiet func()

	mu   sync.Mutex // guards what follows
	now  time.Time  // the last time that the caller passed
	left bool       // it was closed
	// recording counts the runs that are recorded under the registration.
	recording int
}

// shared is what a Daemon does as its Ledger does, whether it has left or not.
type shared interface {
	Load(ctx context.Context, jobs []int64) ([]scheduler.Subject, error)
	Find(ctx context.Context, name string) ([]scheduler.Subject, error)
	Numbers(ctx context.Context, n int) (int64, error)
	Stops(ctx context.Context, runs []int64) ([]scheduler.Stop, error)
}

var _ store.Daemon = (*Daemon)(nil)

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
	if serves {
		l.warnLossy(ctx)
	}
	return d, nil
}

func (l *Ledger) join(ctx context.Context, serves bool, now time.Time) (*Daemon, error) {
	d := &Daemon{shared: l, ledger: l, serves: serves, now: now}
	sent := time.Now()
	var id int64
	var server time.Time
	err := l.change(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			INSERT INTO controllers (name, pid, serves, started_at, expires_at) VALUES ($1, $2, $3, $4, clock_timestamp() + $5::interval)
			RETURNING id, clock_timestamp()`, tables.MachineName(), os.Getpid(), serves, tables.Time(now), l.terms.lasts).Scan(&id, &server)
	})
	if err != nil {
		return nil, err
	}
	d.lease = newLease(l.handle, id, sent, server)
	d.feed = &feed{ledger: l, queueRegistered: d.queueRegistered}
	d.wake, d.quiet = l.watch.subscribe()
	d.lease.start()
	return d, nil
}

// ID is the daemon's number.
func (d *Daemon) ID() int64 { return d.id }

// Fence is the daemon's number; see [scheduler.Membership].
func (d *Daemon) Fence() int64 { return d.id }

// Wake receives after a write to the history; see [scheduler.Membership].
func (d *Daemon) Wake() <-chan struct{} { return d.wake }

// Leave is Close.
func (d *Daemon) Leave(context.Context) error { return d.Close() }

// Close ends the registration. Other daemons may claim the firings that it has claimed
// and not started; those of JoinOnce are skipped. Runs that are still recorded under it
// stay its own until their recorders are closed.
func (d *Daemon) Close() error {
	d.mu.Lock()
	left, last := d.left, d.recording == 0
	d.left = true
	d.mu.Unlock()
	if left {
		return nil
	}
	d.lose()
	d.quiet()
	d.releaseSoon()
	if !last {
		return d.ledger.fault("close", d.endClaims())
	}
	d.stop()
	return d.ledger.fault("close", d.forget())
}

// record has the registration outlive its Close for a run that is recorded under it,
// until done is called.
func (d *Daemon) record() (done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recording++
	return sync.OnceFunc(d.recorded)
}

func (d *Daemon) recorded() {
	d.mu.Lock()
	d.recording--
	over := d.left && d.recording == 0
	d.mu.Unlock()
	if !over {
		return
	}
	d.stop()
	if err := d.forget(); err != nil {
		d.ledger.options.Logger.Warn("cannot leave the history", "daemon", d.id, "error", err)
	}
}

// queueRegistered has a batch fail with ErrFenced, and closes lost, if the registration
// is over. In a transaction, that it is not over holds until the end.
func (d *Daemon) queueRegistered(b *pgx.Batch) {
	b.Queue(`SELECT id FROM controllers WHERE id = $1 AND NOT "over" FOR KEY SHARE`, d.id).Query(func(rows pgx.Rows) error {
		there := rows.Next()
		if rows.Close(); there || rows.Err() != nil {
			return rows.Err()
		}
		d.lose()
		return scheduler.ErrFenced
	})
}

// registered returns ErrFenced if the registration is over; see queueRegistered.
func (d *Daemon) registered(ctx context.Context, tx pgx.Tx) error {
	if d.isOver() {
		return scheduler.ErrFenced
	}
	var b pgx.Batch
	d.queueRegistered(&b)
	return tx.SendBatch(ctx, &b).Close()
}

// taken turns ErrFenced into ErrTaken: the claims of a registration that is over are
// free.
func taken(err error) error {
	if errors.Is(err, scheduler.ErrFenced) {
		return store.ErrTaken
	}
	return err
}

// Controllers lists the processes that are registered, see [Ledger.Controllers].
func (d *Daemon) Controllers(ctx context.Context) ([]scheduler.Controller, error) {
	return d.ledger.controllersSeenBy(ctx, d.steady())
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
	err := error(scheduler.ErrFenced)
	if !d.isOver() {
		var done []scheduler.Committed
		if done, err = d.ledger.commitFor(ctx, d, moves); !errors.Is(err, scheduler.ErrFenced) {
			return done, err
		}
	}
	refused := make([]scheduler.Committed, len(moves))
	for i := range refused {
		refused[i].Err = err
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

// errForgotten: other processes have ended the registration.
var errForgotten = errors.New("the daemon is not registered in the history")

// Ready returns why the daemon cannot write its decisions, which it finds out by a
// write without effect.
func (d *Daemon) Ready(ctx context.Context) error {
	return d.ledger.change(ctx, func(tx pgx.Tx) error {
		var id sql.NullInt64
		err := tx.QueryRow(ctx, `UPDATE controllers SET pid = pid WHERE id = $1 AND NOT "over" RETURNING id`, d.id).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errForgotten
		}
		return err
	})
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
