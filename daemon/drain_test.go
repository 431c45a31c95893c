package daemon_test

import (
	"testing"
	"time"

	"tutti/daemon"
	"tutti/internal/fleet"
	"tutti/scheduler"
)

// self is the only daemon of the history.
func (r *rig) self(t *testing.T) scheduler.Controller {
	t.Helper()
	all, err := r.store.Daemons(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("got %+v, %v, want one daemon", all, err)
	}
	return all[0]
}

// A daemon that drains starts nothing, and what it executes goes on; it starts runs again
// when an admin asks for it.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		select {
		case <-release:
		case <-s.Done:
		}
		return fleet.Exit{}
	})
	r.add(t, "rare", "0 2 29 2 *", nil)
	d := r.start(t, daemon.Config{Lanes: 2, StopTimeout: time.Minute})
	r.submit(t, "first", nil)
	<-r.visits
	await(t, "it says what it executes", func() bool { s := r.self(t).Said; return s.Runs == 1 && s.Hosts == 1 && s.MaxRuns == 2 })
	if err := r.store.Drain(t.Context(), r.self(t).ID, true); err != nil {
		t.Fatal(err)
	}
	await(t, "it drains", func() bool { return r.self(t).Said.Waits == "draining" })
	r.submit(t, "second", nil)
	if _, err := r.store.RequestFiring(t.Context(), "rare", "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	close(release)
	await(t, "what ran goes on to its end", func() bool { return r.run(t, "1").State.Ended() && r.self(t).Said.Runs == 0 })
	again := time.Now().Truncate(time.Millisecond)
	if err := r.store.Drain(t.Context(), r.self(t).ID, false); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"2", "3"} {
		<-r.visits
		await(t, "the runs end", func() bool { run, err := r.store.Run(t.Context(), run, ""); return err == nil && run.State.Ended() })
		if run := r.run(t, run); run.Summary.Started.Before(again) {
			t.Errorf("run %d: got a start at %s, want it after %s, when draining was over", run.ID, run.Summary.Started, again)
		}
	}
	d.stop()
	d.wait(t)
}

// No submitted run starts while the runs of the daemon have as many hosts as it may have.
func TestMaxHosts(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		select {
		case <-release:
		case <-s.Done:
		}
		return fleet.Exit{}
	})
	d := r.start(t, daemon.Config{Lanes: 4, MaxHosts: 1})
	r.submit(t, "first", nil)
	r.submit(t, "second", nil)
	<-r.visits
	await(t, "it says why it waits", func() bool { s := r.self(t).Said; return s.Waits == "hosts" && s.MaxHosts == 1 })
	close(release)
	<-r.visits
	await(t, "both end", func() bool { return r.run(t, "1").State.Ended() && r.run(t, "2").State.Ended() })
	if a, b := r.run(t, "1"), r.run(t, "2"); b.Summary.Started.Before(a.Summary.Started) {
		t.Errorf("got %+v before %+v", b, a)
	}
	d.stop()
	d.wait(t)
}

// Daemons tell what the files of their machines have.
func TestLocalFiles(t *testing.T) {
	r := newRig(t, ok)
	r.write(t, "backup.sh", "true\n")
	r.add(t, "nightly", "0 2 * * *", func(k *scheduler.Job) { k.Command, k.Script = "", r.dir+"/backup.sh" })
	d := r.start(t, daemon.Config{})
	await(t, "it says which files it has", func() bool { return len(r.self(t).Said.Files) > 0 })
	first := r.self(t)
	d.stop()
	d.wait(t)
	r.write(t, "backup.sh", "false\n")
	d = r.start(t, daemon.Config{})
	await(t, "it says which files it has", func() bool { return len(r.self(t).Said.Files) > 0 })
	second := r.self(t)
	d.stop()
	d.wait(t)
	if got := scheduler.Differing([]scheduler.Controller{first, second}); len(got) != 1 || got[0] != r.dir+"/backup.sh" {
		t.Errorf("got %q, want the script", got)
	}
	for _, f := range second.Said.Files {
		if f.Digest == "" {
			t.Errorf("got no digest of %s", f.Name)
		}
	}
}
