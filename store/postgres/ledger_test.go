package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tutti/internal/pgtest"
	"tutti/scheduler"
	"tutti/store"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// addJob adds a job that runs as often as it is requested.
func addJob(tb testing.TB, l *Ledger, name string) scheduler.Subject {
	tb.Helper()
	j := scheduler.NewJob(name, "UTC")
	j.Schedules, j.Selector, j.Command = []string{"0 0 1 1 *"}, "web", "uptime"
	j.Overlap, j.MaxRunning = scheduler.OverlapAllow, 1000
	s, err := l.Create(tb.Context(), j, "ann", noon)
	must(tb, err)
	return s
}

// request is a move that requests a firing of a job as it is now.
func request(tb testing.TB, l *Ledger, job int64) scheduler.Move {
	tb.Helper()
	subjects, err := l.Load(tb.Context(), []int64{job})
	must(tb, err)
	first, err := l.Numbers(tb.Context(), 1)
	must(tb, err)
	return scheduler.Move{From: subjects[0].Rev, Transition: subjects[0].State.Request("ann", 0, scheduler.Moment{Now: noon, NextID: first})}
}

// join registers with the ledger until the test ends.
func join(tb testing.TB, l *Ledger) *Daemon {
	tb.Helper()
	d, err := l.join(tb.Context(), true, noon)
	must(tb, err)
	tb.Cleanup(func() { _ = d.Close() }) // its way to the server may be lost
	return d
}

// openLedger opens the ledger of a database for one test.
func openLedger(tb testing.TB, dsn string) *Ledger {
	tb.Helper()
	return newLedger(openTest(tb, dsn).handle, &states{})
}

// A commit whose answer is lost was made if the server has it, and the caller is told so;
// one that did not get to the server was not made.
func TestCommitAnswerLost(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	proxy := server.NewProxy(t)
	l := openLedger(t, proxy.DSN(dsn))
	d := join(t, l)
	job := addJob(t, l, "backup").State.ID
	made := 0
	for round := range 20 {
		before := round%2 == 0
		m := request(t, l, job)
		proxy.LoseAnswer("COMMIT", before)
		done, err := d.Commit(t.Context(), []scheduler.Move{m})
		switch {
		case proxy.Lost() != round+1:
			t.Fatalf("round %d: no answer was lost", round)
		case before && err == nil:
			t.Fatalf("round %d: got %+v for what the server did not get", round, done)
		case !before && (err != nil || done[0].Err != nil || done[0].Rev != m.From+1):
			t.Fatalf("round %d: got %+v, %v for what the server has", round, done, err)
		case !before:
			made++
		}
		subjects, err := l.Load(t.Context(), []int64{job})
		must(t, err)
		if len(subjects[0].State.Open) != made {
			t.Fatalf("round %d: got %d firings, want %d", round, len(subjects[0].State.Open), made)
		}
	}
}

// Of several moves one that the server refuses is refused alone.
func TestRefusedMove(t *testing.T) {
	t.Parallel()
	l := openLedger(t, pgtest.DSN(t))
	var moves []scheduler.Move
	for i := range 3 {
		moves = append(moves, request(t, l, addJob(t, l, fmt.Sprintf("job%d", i)).State.ID))
	}
	moves[1].Firings[0].Run = -1 // the run that another firing has
	must(t, exec(t, l, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$"))
	must(t, exec(t, l, "CREATE TRIGGER refuse BEFORE INSERT ON firings FOR EACH ROW WHEN (NEW.run_id = -1) EXECUTE FUNCTION refuse()"))
	done, err := l.Commit(t.Context(), moves)
	must(t, err)
	for i, c := range done {
		if refused := i == 1; (c.Err != nil) != refused {
			t.Errorf("move %d: got %v, want it refused: %t", i, c.Err, refused)
		}
	}
}

func exec(tb testing.TB, l *Ledger, statement string) error {
	tb.Helper()
	_, err := l.pool.Exec(tb.Context(), statement)
	return err
}

// judgeAtOnce has a process count as dead when its lease has ended, also if the server has
// just been started.
func judgeAtOnce(tb testing.TB, l *Ledger) {
	tb.Helper()
	must(tb, exec(tb, l, "CREATE OR REPLACE FUNCTION is_alive(until timestamptz) RETURNS boolean LANGUAGE sql AS $$ SELECT until > clock_timestamp() $$"))
}

// Others end the registration of a process that is not heard of, and accept nothing of it
// afterwards.
func TestLeaseEnded(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	l := openLedger(t, dsn)
	judgeAtOnce(t, l)
	first, second := join(t, l), join(t, openLedger(t, dsn))
	m := request(t, l, addJob(t, l, "backup").State.ID)
	must(t, exec(t, l, fmt.Sprintf("UPDATE controllers SET expires_at = clock_timestamp() - interval '1 s' WHERE id = %d", first.id)))
	if all, err := second.Controllers(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("got %+v, %v of a process that has just joined, want that it does not judge", all, err)
	}
	if all, err := second.ledger.Controllers(t.Context()); err != nil || len(all) != 1 || all[0].ID != second.id {
		t.Errorf("got %+v, %v, want the second alone", all, err)
	}
	done, err := first.Commit(t.Context(), []scheduler.Move{m})
	if err != nil || !errors.Is(done[0].Err, scheduler.ErrFenced) || !first.isOver() {
		t.Errorf("got %+v, %v, want %v", done, err, scheduler.ErrFenced)
	}
	if err := first.Ready(t.Context()); !errors.Is(err, errForgotten) {
		t.Errorf("ready: got %v", err)
	}
	if _, err := first.Sync(t.Context()); !errors.Is(err, scheduler.ErrFenced) {
		t.Errorf("sync: got %v", err)
	}
}

// A process whose way to the server is lost treats its registration as over while the
// others do not yet.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	proxy := server.NewProxy(t)
	l := openLedger(t, proxy.DSN(dsn))
	l.terms = leaseTerms{lasts: 6 * time.Second, margin: 5 * time.Second, every: 100 * time.Millisecond, again: 10 * time.Millisecond, limit: 100 * time.Millisecond}
	other := openLedger(t, dsn)
	judgeAtOnce(t, other)
	d := join(t, l)
	if ahead, within := d.Skew(); ahead > within+time.Second || ahead < -within-time.Second {
		t.Errorf("got a clock that is %s ahead, give or take %s", ahead, within)
	}
	proxy.Hole(true)
	<-d.Lost()
	if all, err := other.Controllers(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("got %+v, %v, want it alive", all, err)
	}
	proxy.Hole(false)
	if _, err := d.Sync(t.Context()); !errors.Is(err, scheduler.ErrFenced) {
		t.Errorf("sync: got %v", err)
	}
}

// A registration outlives its end for the runs that are recorded under it, and has no
// claims any more.
func TestLeaveWhileRecording(t *testing.T) {
	t.Parallel()
	l := openLedger(t, pgtest.DSN(t))
	d := join(t, l)
	done := d.record()
	must(t, d.Close())
	rows := func() (n int) {
		t.Helper()
		must(t, l.pool.QueryRow(t.Context(), "SELECT count(*) FROM controllers").Scan(&n))
		return n
	}
	all, err := l.Controllers(t.Context())
	if err != nil || len(all) != 0 || rows() != 1 {
		t.Errorf("got %+v, %v and %d rows, want nobody, and a row", all, err, rows())
	}
	if done(); rows() != 0 {
		t.Errorf("got %d rows, want none", rows())
	}
}

// A server that is started again finds its processes registered.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	l := openLedger(t, server.NewDatabase(t))
	d := join(t, l)
	job := addJob(t, l, "backup").State.ID
	must(t, exec(t, l, "UPDATE controllers SET expires_at = clock_timestamp() - interval '1 hour'"))
	must(t, server.Kill())
	if _, err := l.Load(t.Context(), []int64{job}); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("while it is down: got %v, want %v", err, store.ErrUnreachable)
	}
	must(t, server.Start())
	var all []scheduler.Controller
	must(t, eventually(t.Context(), func() (err error) {
		all, err = l.Controllers(t.Context())
		return err
	}))
	if len(all) != 1 || all[0].ID != d.id {
		t.Errorf("got %+v, want the process", all)
	}
	if done, err := d.Commit(t.Context(), []scheduler.Move{request(t, l, job)}); err != nil || done[0].Err != nil {
		t.Errorf("got %+v, %v", done, err)
	}
}

// eventually calls do until it succeeds: each connection of a pool has to break once.
func eventually(ctx context.Context, do func() error) error {
	for range 50 {
		if err := do(); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return do()
}
