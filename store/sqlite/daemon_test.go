package sqlite

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// A seat is a daemon's registration, and the desk at which it works. What it does is
// one step of the loop of a scheduler.Daemon each.
type seat struct {
	*Daemon
	store *Store
	desk  *scheduler.Desk
	given map[int64]bool // the firings of its assignments
}

func seatOf(s *Store, d *Daemon) *seat {
	return &seat{Daemon: d, store: s, desk: scheduler.NewDesk(d), given: make(map[int64]bool)}
}

func joinTest(tb testing.TB, s *Store) *seat {
	tb.Helper()
	d, err := s.JoinDaemons(tb.Context(), noon)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() }) // some tests have
	return seatOf(s, d.(*Daemon))
}

func (d *seat) Decide(ctx context.Context, what scheduler.Decisions) ([]scheduler.Assignment, error) {
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	assignments, errs, err := d.desk.Decide(ctx, d.clock(), []scheduler.Decisions{what})
	if err != nil {
		return nil, err
	}
	return assignments[0], errs[0]
}

func (d *seat) Claim(ctx context.Context, now time.Time) ([]scheduler.Assignment, error) {
	d.tick(now)
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	assignments, err := d.desk.Claim(ctx, d, now, func(id int64) bool { return d.given[id] })
	for _, t := range assignments {
		d.given[t.ID] = true
	}
	return assignments, err
}

func (d *seat) Settle(ctx context.Context, now time.Time) ([]scheduler.Completion, error) {
	d.tick(now)
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	return d.desk.Settle(ctx, now)
}

// Repair writes into the ledger how runs ended whose processes were gone before
// they had.
func (d *seat) Repair(ctx context.Context) error {
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return err
	}
	ends, err := d.store.Ends(ctx, d.desk.Running())
	if err != nil {
		return err
	}
	return d.desk.End(ctx, d.clock(), ends)
}

func (d *seat) Killed(ctx context.Context, runs []int64) (killed []int64, err error) {
	stops, err := d.Stops(ctx, runs)
	for _, x := range stops {
		killed = append(killed, x.Run)
	}
	return killed, err
}

// poke changes jobs behind the back of the program.
func poke(tb testing.TB, s *Store, query string, args ...any) {
	tb.Helper()
	for _, q := range []string{query, "UPDATE job_states SET revision = revision + 1"} {
		if _, err := s.w.ExecContext(tb.Context(), q, args...); err != nil {
			tb.Fatal(err)
		}
		args = nil
	}
}

// minute is the n-th scheduled time after noon of a job that fires every minute.
func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

func firingsAt(minutes ...int) []scheduler.Firing {
	var firings []scheduler.Firing
	for _, n := range minutes {
		firings = append(firings, scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: minute(n)}, Due: minute(n)})
	}
	return firings
}

// decide decides the given minutes of the stored job, and returns what became of them.
func decide(tb testing.TB, d *seat, job string, minutes ...int) []string {
	tb.Helper()
	k, err := d.store.Job(tb.Context(), job)
	if err != nil {
		tb.Fatal(err)
	}
	last := minute(minutes[len(minutes)-1])
	d.tick(last)
	assignments, err := d.Decide(tb.Context(), scheduler.Decisions{Job: k, Firings: firingsAt(minutes...), Cursor: last})
	if err != nil {
		tb.Fatal(err)
	}
	return told(assignments)
}

// told returns the minute and the decision of assignments.
func told(assignments []scheduler.Assignment) []string {
	var out []string
	for _, t := range assignments {
		out = append(out, fmt.Sprintf("%.0f %s", t.Firing.At.Sub(noon).Minutes(), t.Decision))
	}
	return out
}

func claim(tb testing.TB, d *seat, now time.Time) []scheduler.Assignment {
	tb.Helper()
	assignments, err := d.Claim(tb.Context(), now)
	if err != nil {
		tb.Fatal(err)
	}
	return assignments
}

// runInfoOf returns the RunInfo of an assignment.
func runInfoOf(d *seat, t scheduler.Assignment) store.RunInfo {
	return store.RunInfo{
		Job: t.Job.Name, JobID: t.Job.ID, Firing: t.ID, Owner: d.Daemon, ScheduledAt: t.Firing.At, DueAt: t.Firing.Due, StopOnError: true,
	}
}

func jobPlan(hosts ...string) fanout.Plan {
	p := testPlan(hosts...)
	p.Source = "job"
	return p
}

// beginAssigned begins the firing on the hosts a and b.
func beginAssigned(tb testing.TB, d *seat, t scheduler.Assignment) *store.Recorder {
	tb.Helper()
	return begin(tb, d.store, jobPlan("a", "b"), runInfoOf(d, t))
}

// finish ends the run of an assignment: each host with the code given for it.
func finish(tb testing.TB, r *store.Recorder, codes ...uint32) {
	tb.Helper()
	p := jobPlan("a", "b")
	var results []*fanout.Result
	for i, code := range codes {
		events := hostEvents(&p, i, "", code)
		handle(tb, r, events...)
		results = append(results, events[len(events)-1].Result)
	}
	handle(tb, r, endEvent(results...))
	closeRecorder(tb, r)
}

func checkStrings(tb testing.TB, what string, got []string, want ...string) {
	tb.Helper()
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		tb.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// A firing belongs to the daemon that claimed it for as long as that is alive.
func TestClaimIsInherited(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	first, second := joinTest(t, s), joinTest(t, openTest(t, path))
	addJob(t, s, testJob("backup"))
	decide(t, first, "backup", 1)
	assignment := claim(t, first, minute(1))[0]
	checkStrings(t, "while the first is alive", told(claim(t, second, minute(1))))
	if _, err := second.store.Begin(t.Context(), jobPlan("a"), runInfoOf(second, assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the other begins it: got %v, want %v", err, store.ErrTaken)
	}
	if err := second.Fail(t.Context(), assignment, scheduler.Failed, "x"); !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("the other closes it: got %v, want %v", err, scheduler.ErrConflict)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	inherited := claim(t, second, minute(1))
	checkStrings(t, "after it ended", told(inherited), "1 run")
	if _, err := s.Begin(t.Context(), jobPlan("a"), runInfoOf(first, assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the first begins it: got %v, want %v", err, store.ErrTaken)
	}
	r := beginAssigned(t, second, inherited[0])
	if _, err := s.Begin(t.Context(), jobPlan("a"), runInfoOf(second, assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("twice: got %v, want %v", err, store.ErrTaken)
	}
	runs, err := s.Runs(t.Context(), store.Query{})
	if err != nil || len(runs) != 1 || runs[0].Job != "backup" || runs[0].JobID != 1 || !runs[0].ScheduledAt.Equal(minute(1)) || !runs[0].DueAt.Equal(minute(1)) {
		t.Errorf("got %+v, %v, want one run of the job, scheduled at 12:01", runs, err)
	}
	finish(t, r, 0, 0)
}

// A decided firing that cannot be started any more is closed and notified.
func TestClaimCloses(t *testing.T) {
	change := func(f func(j *scheduler.Job)) func(t *testing.T, s *Store) {
		return func(t *testing.T, s *Store) {
			k, err := s.Job(t.Context(), "backup")
			if err != nil {
				t.Fatal(err)
			}
			f(&k.Job)
			if _, err := s.ChangeJob(t.Context(), k.Job, "ann", minute(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		do   func(t *testing.T, s *Store)
		at   time.Time
		want []string
	}{
		{"paused", change(func(j *scheduler.Job) { j.Paused = true }), minute(1), []string{"1 skipped"}},
		{"changed", change(func(j *scheduler.Job) { j.Command = "df" }), minute(1), []string{"1 run"}},
		{"broken", func(t *testing.T, s *Store) {
			poke(t, s, "UPDATE jobs SET spec = '{'")
		}, minute(1), []string{"1 failed"}},
		{"removed", func(t *testing.T, s *Store) {
			if err := s.RemoveJob(t.Context(), "backup", 0, "ann", minute(1)); err != nil {
				t.Fatal(err)
			}
		}, minute(1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			addJob(t, s, testJob("backup"))
			decide(t, d, "backup", 1)
			tt.do(t, s)
			assignments := claim(t, d, tt.at)
			checkStrings(t, "claimed", told(assignments), tt.want...)
			for _, x := range assignments {
				if (x.Reason == "") != (x.Decision == scheduler.Run) {
					t.Errorf("got reason %q of %s", x.Reason, x.Decision)
				}
			}
			checkStrings(t, "again", told(claim(t, d, tt.at)))
		})
	}
}

func TestChanged(t *testing.T) {
	path := tempPath(t)
	s, other := openTest(t, path), openTest(t, path)
	d := joinTest(t, s)
	look := func(what string, want bool) {
		t.Helper()
		if got, err := d.changed(t.Context()); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", what, got, err, want)
		}
	}
	look("at first", true)
	look("nothing happened", false)
	addJob(t, s, testJob("ours"))
	look("this process wrote", true)
	addJob(t, other, testJob("theirs"))
	look("another store wrote", true)
	look("nothing happened", false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.changed(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	look("after an error", true)
}

func TestDaemonsThatAreAlive(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	first := joinTest(t, s)
	second := joinTest(t, openTest(t, path))
	once, err := s.JoinOnce(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = once.Close() }()
	ids := func() (ids []string) {
		t.Helper()
		daemons, err := s.Daemons(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range daemons {
			ids = append(ids, fmt.Sprint(x.ID))
			if x.PID == 0 || !x.Started.Equal(noon) {
				t.Errorf("got %+v, want a process that began at noon", x)
			}
		}
		return ids
	}
	checkStrings(t, "alive", ids(), fmt.Sprint(first.ID()), fmt.Sprint(second.ID()))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	checkStrings(t, "after one ended", ids(), fmt.Sprint(second.ID()))
	third := joinTest(t, s)
	if third.ID() <= second.ID() {
		t.Errorf("got number %d after %d", third.ID(), second.ID())
	}
	checkInt(t, s.r, "SELECT count(*) FROM daemons WHERE serves", 2)
}

// Many daemons decide and claim the same scheduled times at the same time: each is run
// exactly once.
func TestManyDaemonsDecideOnce(t *testing.T) {
	path := tempPath(t)
	const daemons, times = 4, 25
	addJob(t, openTest(t, path), func() scheduler.Job {
		j := testJob("backup")
		j.Overlap, j.MaxRunning = scheduler.OverlapAllow, 1000
		return j
	}())
	var mu sync.Mutex // guards runs
	runs := map[int64]int{}
	var wg sync.WaitGroup
	for range daemons {
		s := openTest(t, path)
		d := joinTest(t, s)
		wg.Go(func() {
			for n := 1; n <= times; {
				k, err := s.Job(t.Context(), "backup")
				if err != nil {
					t.Error(err)
					return
				}
				n = int(k.Cursor.Sub(noon)/time.Minute) + 1
				if n <= times {
					_, err = d.Decide(t.Context(), scheduler.Decisions{Job: k, Firings: firingsAt(n), Cursor: minute(n)})
					if err != nil && !errors.Is(err, scheduler.ErrConflict) {
						t.Error(err)
						return
					}
				}
				assignments, err := d.Claim(t.Context(), minute(n))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, x := range assignments {
					runs[x.Firing.At.Unix()]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := 1; n <= times; n++ {
		if got := runs[minute(n).Unix()]; got != 1 {
			t.Errorf("minute %d: got %d runs, want 1", n, got)
		}
	}
	if len(runs) != times {
		t.Errorf("got %d times, want %d", len(runs), times)
	}
}

// A claim that is on disk although its caller was told of an error is found
// again, and given once.
func TestClaimedWithoutAssignment(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	decide(t, d, "backup", 1)
	poke(t, s, "UPDATE firings SET daemon_id = ?", d.ID())
	checkStrings(t, "claimed", told(claim(t, d, minute(1))), "1 run")
	checkStrings(t, "again", told(claim(t, d, minute(1))))
}

// A daemon that waits for the history blocks no other process.
func TestLookingKeepsNobodyWaiting(t *testing.T) {
	d := joinTest(t, openTest(t, tempPath(t)))
	d.db.SetMaxOpenConns(1)
	conn, err := d.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	looked := make(chan error)
	go func() {
		_, err := d.changed(t.Context())
		looked <- err
	}()
	for d.db.Stats().WaitCount == 0 {
		time.Sleep(time.Millisecond)
	}
	if !d.mu.TryLock() {
		t.Error("who wants to know whether it has left has to wait")
	} else {
		d.mu.Unlock()
	}
	if err := errors.Join(conn.Close(), <-looked); err != nil {
		t.Error(err)
	}
}
