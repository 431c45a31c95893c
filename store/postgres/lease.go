package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// leaseTerms are the terms of a lease.
type leaseTerms struct {
	// lasts is how long a process counts as alive that is not heard of, by the clock of
	// the server.
	lasts time.Duration
	// margin is how long before the others a process treats its lease as over.
	margin time.Duration
	// every is how often a process is heard of, and again the pause after a beat that
	// failed.
	every, again time.Duration
	// limit bounds a beat.
	limit time.Duration
}

// leaseTime is how long a process counts as alive that is not heard of.
const leaseTime = 15 * time.Second

var usualTerms = leaseTerms{lasts: leaseTime, margin: 2 * time.Second, every: 5 * time.Second, again: time.Second, limit: 3 * time.Second}

// A lease keeps a registration alive. It has a connection of its own, so that no other
// work of the process delays it.
type lease struct {
	*handle
	id int64
	// lost is closed by lose when the registration is over, and at the latest terms.margin
	// before another process may treat it as over.
	lost chan struct{}
	lose func()
	// stop ends the beats, and waits for their end.
	stop func()

	clockMu sync.Mutex // guards what follows
	// since is when the beats began that followed one another without a gap.
	since time.Time
	// until is up to when the lease lasts, and skew how far the clock of this machine is
	// ahead of the server's, within a margin of half of what the answer took.
	until        time.Time
	skew, within time.Duration
}

// newLease returns the lease of a registration that was sent at that time, and made when
// the server's clock showed server.
func newLease(h *handle, id int64, sent, server time.Time) *lease {
	l := &lease{handle: h, id: id, lost: make(chan struct{}), stop: func() {}, since: sent}
	l.lose = sync.OnceFunc(func() { close(l.lost) })
	l.renew(sent, time.Now(), server)
	return l
}

// Lost is closed when the registration is over, before another process may treat it as
// over; see [scheduler.Membership].
func (l *lease) Lost() <-chan struct{} { return l.lost }

// isOver reports whether the registration is over.
func (l *lease) isOver() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// Skew is how far the clock of this machine is ahead of the server's, give or take within.
func (l *lease) Skew() (ahead, within time.Duration) {
	l.clockMu.Lock()
	defer l.clockMu.Unlock()
	return l.skew, l.within
}

// steady reports whether the process has been heard of without a gap for as long as a
// lease: one that has been cut off, as others may have been, does not judge them yet.
func (l *lease) steady() bool {
	l.clockMu.Lock()
	defer l.clockMu.Unlock()
	now := time.Now()
	return now.Before(l.until) && now.Sub(l.since) > l.terms.lasts
}

// renew notes a beat that was sent and answered at these times.
func (l *lease) renew(sent, answered, server time.Time) {
	l.clockMu.Lock()
	defer l.clockMu.Unlock()
	if !l.until.IsZero() && sent.After(l.until) {
		l.since = sent
	}
	l.until = sent.Add(l.terms.lasts - l.terms.margin)
	l.within = answered.Sub(sent) / 2
	l.skew = sent.Add(l.within).Sub(server)
}

func (l *lease) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.beatUntil(ctx) })
	running.Go(func() { l.expire(ctx) })
	l.stop = func() {
		cancel()
		running.Wait()
	}
}

// expire closes lost when the lease is over that no beat has renewed in time, whatever
// the connection does meanwhile.
func (l *lease) expire(ctx context.Context) {
	for {
		l.clockMu.Lock()
		left := time.Until(l.until)
		l.clockMu.Unlock()
		if left <= 0 {
			l.lose()
			return
		}
		select {
		case <-time.After(left):
		case <-l.lost:
			return
		case <-ctx.Done():
			return
		}
	}
}

// beatUntil beats until ctx ends, or the registration does not exist any more. It goes on
// when lost is closed: the runs that are recorded under the registration are still its
// own.
func (l *lease) beatUntil(ctx context.Context) {
	var conn *pgx.Conn
	pause := l.terms.every
	for {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			closeConn(conn)
			return
		}
		there, err := l.beat(ctx, &conn)
		switch pause = l.terms.every; {
		case err != nil:
			closeConn(conn)
			conn, pause = nil, l.terms.again
		case !there:
			closeConn(conn)
			l.lose()
			return
		}
	}
}

// beat renews the lease; there is false if the registration does not exist any more.
func (l *lease) beat(ctx context.Context, conn **pgx.Conn) (there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.terms.limit)
	defer cancel()
	if *conn == nil {
		if *conn, err = l.watch.connect(ctx); err != nil {
			return false, err
		}
	}
	skew, _ := l.Skew()
	sent := time.Now()
	rows, err := (*conn).Query(ctx, "UPDATE controllers SET heard_at = clock_timestamp(), expires_at = clock_timestamp() + $2::interval, skew_ms = $3 WHERE id = $1 RETURNING clock_timestamp()",
		l.id, l.terms.lasts, skew.Milliseconds())
	if err != nil {
		return false, err
	}
	server, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil || len(server) == 0 {
		return false, err
	}
	l.renew(sent, time.Now(), server[0])
	return true, nil
}

func closeConn(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_ = conn.Close(ctx) // it only beat
}
