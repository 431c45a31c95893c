package daemon_test

import (
	"fmt"
	"testing"
	"time"

	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/pgtest"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/postgres"
)

// onServer moves the history of a rig to a database of its own server.
func (r *rig) onServer(t *testing.T) *pgtest.Server {
	t.Helper()
	server := pgtest.Start(t)
	r.history.Path = server.NewDatabase(t)
	s, err := postgres.Open(t.Context(), r.history.Path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r.store = s
	return server
}

// While the database is down a running command goes on and no further host starts. What
// was recorded meanwhile is there when the database is back, and each host ran once.
func TestDatabaseDownInARun(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(*fleet.Session) fleet.Exit {
		<-release
		return fleet.Exit{}
	})
	server := r.onServer(t)
	r.add(t, "long", "0 0 1 1 *", func(j *scheduler.Job) {
		j.Options["fanout"], j.Selector = []string{"1"}, "web"
	})
	d := r.start(t, daemon.Config{StopTimeout: time.Minute})
	first, err := r.store.RequestFiring(t.Context(), "long", "ann", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	<-r.visits
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	release <- struct{}{}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var f store.FiringRow
	await(t, "the run ends on record", func() bool {
		rows, err := r.store.Firings(t.Context(), store.FiringQuery{Job: "long"})
		if err != nil || len(rows) != 1 || rows[0].ID != first.ID {
			return false
		}
		f = rows[0]
		return f.Run != nil && f.Run.State.Ended()
	})
	if f.Run.State != store.Finished || f.Run.Summary.Counts[fanout.OK] != 1 {
		t.Errorf("got %+v, want it finished", f.Run)
	}
	d.stop()
	d.wait(t)
	if len(r.visits) > 0 {
		t.Errorf("the command was started %d times more", len(r.visits))
	}
}

// A host whose turn comes while the database is down starts when it is back.
func TestNoHostStartsWithoutItsMark(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(*fleet.Session) fleet.Exit {
		<-release
		return fleet.Exit{}
	})
	server := r.onServer(t)
	r.twice(t)
	r.add(t, "long", "0 0 1 1 *", func(j *scheduler.Job) {
		j.Options["fanout"], j.Selector = []string{"1"}, "all"
	})
	d := r.start(t, daemon.Config{StopTimeout: time.Minute})
	if _, err := r.store.RequestFiring(t.Context(), "long", "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	<-r.visits
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	release <- struct{}{} // the next host's turn comes
	select {
	case <-r.visits:
		t.Error("a host was started that nothing says was")
	case <-time.After(2 * time.Second): // long enough to see it if it happens
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	<-r.visits
	release <- struct{}{}
	await(t, "both hosts are ok on record", func() bool {
		runs, err := r.store.Runs(t.Context(), store.Query{})
		return err == nil && len(runs) == 1 && runs[0].State == store.Finished && runs[0].Summary.Counts[fanout.OK] == 2
	})
	d.stop()
	d.wait(t)
}

// twice gives the host of the rig a second name.
func (r *rig) twice(t *testing.T) {
	t.Helper()
	address, port := r.endpoint()
	r.write(t, "hosts.yaml", fmt.Sprintf(
		"defaults: {user: tester, identity: id_ed25519}\nhosts:\n  web: {address: %[1]s, port: %[2]d}\n  web2: {address: %[1]s, port: %[2]d}\n", address, port))
}

// Jobs fire again when the database is back: each scheduled time once, those in between
// as their job says.
func TestDatabaseDownBetweenFirings(t *testing.T) {
	r := newRig(t, ok)
	server := r.onServer(t)
	r.add(t, "tick", "* * * * * *", func(j *scheduler.Job) { j.Seconds, j.Grace = true, time.Second })
	d := r.start(t, daemon.Config{StopTimeout: time.Minute})
	finished := func() (n int) {
		rows, err := r.store.Firings(t.Context(), store.FiringQuery{Job: "tick", Decisions: []scheduler.Decision{scheduler.Run}})
		seen := map[time.Time]bool{}
		for i := range rows {
			if seen[rows[i].ScheduledAt] {
				t.Errorf("%s fired twice", rows[i].ScheduledAt)
			}
			if seen[rows[i].ScheduledAt] = true; rows[i].Run != nil && rows[i].Run.State == store.Finished {
				n++
			}
		}
		if err != nil {
			return -1
		}
		return n
	}
	await(t, "it fires", func() bool { return finished() > 1 })
	for range 2 {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		var before int
		await(t, "the database answers", func() bool { before = finished(); return before >= 0 })
		await(t, "it fires again", func() bool { return finished() > before+1 })
	}
	d.stop()
	d.wait(t)
	if n, last := finished(), len(r.visits); last < n {
		t.Errorf("got %d commands in %d finished runs", last, n)
	}
}
