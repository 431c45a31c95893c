package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// await returns once cond is true.
func await(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Minute)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			tb.Fatalf("%s: it did not happen", what)
		}
	}
}

// A served history has daemons whose clock is the test's.
type served struct {
	*Store
	path  string
	clock atomic.Int64 // seconds since noon
}

// serve starts a daemon, in a process of its own, and returns what stops it.
func (s *served) serve(t *testing.T, change ...func(*Store, *scheduler.Daemon)) (d *Daemon, stop func()) {
	t.Helper()
	member := joinTest(t, openTest(t, s.path))
	daemon := &scheduler.Daemon{
		Member: member.Daemon, Ends: s.Ends,
		Execute: func(ctx context.Context, by scheduler.Membership, x scheduler.Assignment, _ <-chan struct{}, begun func(int64)) error {
			info := runInfoOf(member, x)
			info.Owner = by
			r, err := member.store.Begin(ctx, jobPlan("a", "b"), info)
			if err != nil {
				return err
			}
			begun(r.RunID())
			finish(t, r, 0, 0)
			return nil
		},
		StopTimeout: time.Minute,
		Now:         func() time.Time { return noon.Add(time.Duration(s.clock.Load()) * time.Second) },
	}
	for _, f := range change {
		f(member.store, daemon)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- daemon.Run(ctx) }()
	return member.Daemon, func() {
		cancel(errors.New("enough"))
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}

// awaitMinute puts the clock to a minute, and waits until what is due then has run.
func (s *served) awaitMinute(t *testing.T, n int) {
	t.Helper()
	s.clock.Store(int64(60 * n))
	await(t, fmt.Sprintf("minute %d", n), func() bool {
		rows, err := s.Firings(t.Context(), store.FiringQuery{Since: minute(n)})
		if err != nil {
			t.Fatal(err)
		}
		return len(rows) > 0 && rows[0].ScheduledAt.Equal(minute(n)) && rows[0].Run != nil && rows[0].Run.State == store.Finished
	})
}

func newServed(t *testing.T) *served {
	t.Helper()
	path := tempPath(t)
	s := &served{Store: openTest(t, path), path: path}
	addJob(t, s.Store, notified(scheduler.OnAlways))
	return s
}

// A daemon whose row was removed registers again and fires what is due.
func TestDaemonServesAfterItWasForgotten(t *testing.T) {
	s := newServed(t)
	var again atomic.Int64
	d, stop := s.serve(t, func(of *Store, daemon *scheduler.Daemon) {
		daemon.Rejoin = func(ctx context.Context) (scheduler.Membership, error) {
			d, err := of.JoinDaemons(ctx, noon)
			if err == nil {
				again.Store(d.ID())
				t.Cleanup(func() { _ = d.Close() })
			}
			return d, err
		}
	})
	s.awaitMinute(t, 1)
	evict(t, s.Store, d)
	await(t, "the registration", func() bool { return again.Load() > d.ID() })
	s.awaitMinute(t, 2)
	stop()
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE decision = 'run' AND settled_at IS NOT NULL", 2)
	checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'finished'", 2)
}

// Three daemons on one history run each scheduled time once, with what it leaves
// behind, and go on when two of them have stopped.
func TestDaemonsFireTogether(t *testing.T) {
	s := newServed(t)
	stops := make([]func(), 3)
	for i := range stops {
		_, stops[i] = s.serve(t)
	}
	for n := 1; n <= 4; n++ {
		if n == 4 {
			stops[0]()
			stops[1]()
		}
		s.awaitMinute(t, n)
	}
	stops[2]()
	checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'finished' AND job = 'backup'", 4)
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE decision = 'run' AND settled_at IS NOT NULL", 4)
	checkInt(t, s.r, "SELECT count(*) FROM outbox WHERE occasion = 'always'", 8)
}
