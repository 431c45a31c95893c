package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/access"
	"tutti/daemon"
	"tutti/internal/fleet"
	"tutti/store"
)

// beating is a rig whose inventory is good, deaf (it says nothing after its version), shut
// (it refuses logins) and resting, and a daemon of it that does not run.
func beating(t *testing.T, struck func()) (*rig, *daemon.Daemon, *fleet.Fleet) {
	t.Helper()
	r := newRig(t, ok)
	key := fleet.NewKey()
	f, err := fleet.Start(fleet.Options{
		Authorized: []gossh.PublicKey{key.PublicKey()},
		Hosts: []fleet.Host{
			{Name: "good"}, {Name: "deaf", Faults: fleet.Faults{Stall: fleet.StepVersion, Struck: struck}}, {Name: "shut", Faults: fleet.Faults{Refuse: true}}, {Name: "resting"},
		},
		Exec: fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
			t.Errorf("a heartbeat runs %q", s.Command)
			return fleet.Exit{}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	hosts := "defaults: {user: tester, identity: id_beat}\nhosts:\n"
	for _, name := range []string{"good", "deaf", "shut", "resting"} {
		addr, port := f.Endpoint(name)
		hosts += fmt.Sprintf("  %s: {address: %s, port: %d}\n", name, addr, port)
	}
	r.write(t, "known_hosts", string(f.KnownHosts()))
	r.write(t, "hosts.yaml", hosts)
	if err := key.WriteFile(r.dir+"/id_beat", ""); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Maintenance().Start(t.Context(), store.Rest{Host: "resting"}, access.By{Actor: "ann", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Join(t.Context(), daemon.Config{Env: r.env, History: r.history})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return r, d, f
}

// healths are the states of the hosts, and what says so.
func (r *rig) healths(t *testing.T) string {
	t.Helper()
	all, err := r.store.HealthOf(t.Context(), []string{"good", "deaf", "shut", "resting"})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for i := range all {
		words = append(words, all[i].Host+" "+all[i].State(time.Now(), time.Hour))
		if all[i].State(time.Now(), time.Hour) != store.HealthUnknown && !all[i].Beat {
			t.Errorf("%s: a run says so", all[i].Host)
		}
	}
	return strings.Join(words, ", ")
}

// The hosts are logged in to, a part of them at a time, the one that was tried longest ago
// first; one that hangs, or refuses logins, is unreachable; one in maintenance is left
// alone. No run is recorded of it.
func TestHeartbeats(t *testing.T) {
	r, d, f := beating(t, nil)
	for range 3 {
		if err := daemon.Beat(t.Context(), d, time.Hour, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	const want = "good reachable, deaf unreachable, shut unreachable, resting unknown"
	if got := r.healths(t); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.SetFaults("deaf", fleet.Faults{})
	if err := daemon.Beat(t.Context(), d, time.Hour, time.Second); err != nil {
		t.Fatal(err)
	}
	if got := r.healths(t); got != want {
		t.Errorf("got %s: a host was logged in to again within the interval", got)
	}
	for range 3 {
		if err := daemon.Beat(t.Context(), d, time.Nanosecond, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.healths(t); got != "good reachable, deaf reachable, shut unreachable, resting unknown" {
		t.Errorf("got %s after an interval", got)
	}
	if runs, err := r.store.Runs(t.Context(), store.Query{}); err != nil || len(runs) > 0 {
		t.Errorf("got the runs %+v, %v", runs, err)
	}
}

// A heartbeat that hangs ends with the daemon, and says nothing of the host.
func TestHeartbeatsEndWithTheDaemon(t *testing.T) {
	struck := make(chan struct{}, 10)
	r, d, _ := beating(t, func() { struck <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = daemon.Beat(ctx, d, time.Hour, time.Hour)
		}
		done <- err
	}()
	<-struck
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := r.healths(t); !strings.Contains(got, "deaf unknown") {
		t.Errorf("got %s", got)
	}
}

// A daemon without an interval logs in to nothing; one with it does so until it stops.
func TestHeartbeatOfADaemon(t *testing.T) {
	r, d, _ := beating(t, nil)
	daemon.RunHeart(t.Context(), d, 0) // returns at once
	if got := r.healths(t); got != "good unknown, deaf unknown, shut unknown, resting unknown" {
		t.Errorf("got %s", got)
	}
	run := r.start(t, daemon.Config{Heartbeat: daemon.MinHeartbeat})
	await(t, "a heartbeat", func() bool { return strings.Contains(r.healths(t), "reachable") })
	run.stop()
	run.wait(t)
}
