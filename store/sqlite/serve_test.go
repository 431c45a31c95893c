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

// Three daemons on one history run each instant once, with what it leaves
// behind, and go on when two of them have stopped.
func TestDaemonsFireTogether(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	addJob(t, s, notified(scheduler.OnAlways))
	var clock atomic.Int64 // seconds since noon
	stops := make([]func(), 3)
	for i := range stops {
		d := joinTest(t, openTest(t, path))
		daemon := &scheduler.Daemon{
			Member: d, Ends: s.Ends,
			Carry: func(ctx context.Context, x scheduler.Ticket, begun func(int64)) error {
				r, err := d.store.Begin(ctx, jobPlan("a", "b"), ofTicket(d, x))
				if err != nil {
					return err
				}
				begun(r.RunID())
				finish(t, r, 0, 0)
				return nil
			},
			StopTimeout: time.Minute,
			Now:         func() time.Time { return noon.Add(time.Duration(clock.Load()) * time.Second) },
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- daemon.Run(ctx) }()
		stops[i] = func() {
			cancel(errors.New("enough"))
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		}
	}
	for n := 1; n <= 4; n++ {
		if n == 4 {
			stops[0]()
			stops[1]()
		}
		clock.Store(int64(60 * n))
		await(t, fmt.Sprintf("minute %d", n), func() bool {
			rows, err := s.Firings(t.Context(), store.FiringQuery{Since: minute(n)})
			if err != nil {
				t.Fatal(err)
			}
			return len(rows) > 0 && rows[0].ScheduledAt.Equal(minute(n)) && rows[0].Run != nil && rows[0].Run.State == store.Finished
		})
	}
	stops[2]()
	checkInt(t, s.r, "SELECT count(*) FROM runs WHERE state = 'finished' AND job = 'backup'", 4)
	checkInt(t, s.r, "SELECT count(*) FROM firings WHERE decision = 'run' AND settled_at IS NOT NULL", 4)
	checkInt(t, s.r, "SELECT count(*) FROM outbox WHERE occasion = 'always'", 8)
}
