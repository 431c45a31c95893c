package daemon_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tutti/access"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/scheduler"
	"tutti/store"
)

// submit puts a run of a command on the host web into the queue.
func (r *rig) submit(t *testing.T, command string, change func(*store.Submission)) int64 {
	t.Helper()
	s := store.Submission{
		Plan: fanout.Plan{
			Source: "api", Selector: "web", Task: fanout.Task{Action: fanout.Command(command)},
			Targets: []fanout.Target{{Name: "web"}},
		},
		Info:    store.RunInfo{User: "ann", Principal: "unix:ann", Via: string(access.ViaUnix)},
		Request: store.QueuedRequest{Selector: "web", Command: command},
		Now:     time.Now(),
	}
	if change != nil {
		change(&s)
	}
	done, err := r.store.Queue().Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return done.Run
}

// run is a run as it is now.
func (r *rig) run(t *testing.T, ref string) store.Run {
	t.Helper()
	run, err := r.store.Run(t.Context(), ref, "")
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// Submitted runs are executed by priority, then by age, as many at once as there are
// lanes; what was submitted while the daemon runs is found.
func TestLanes(t *testing.T) {
	r := newRig(t, ok)
	r.submit(t, "echo last", func(s *store.Submission) { s.Priority = -1 })
	r.submit(t, "echo second", nil)
	r.submit(t, "echo third", nil)
	r.submit(t, "echo first", func(s *store.Submission) { s.Priority = 1 })
	// A token that is valid still lets its run begin, with its scope.
	token := access.Token{Name: "ci", Role: access.Operator, Scope: "we*", Created: time.Now(), Expires: time.Now().Add(time.Hour)}
	if _, err := r.store.Access().AddToken(t.Context(), token, access.By{Actor: "test", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r.submit(t, "echo token", func(s *store.Submission) {
		s.Info.Principal, s.Info.Via, s.Priority = "token:ci", string(access.ViaToken), -2
	})
	d := r.start(t, daemon.Config{Lanes: 1})
	var got []string
	for range 5 {
		got = append(got, <-r.visits)
	}
	r.submit(t, "echo late", nil)
	got = append(got, <-r.visits)
	if want := []string{"first", "second", "third", "last", "token", "late"}; !slices.EqualFunc(got, want, func(a, b string) bool { return strings.Contains(a, "echo "+b) }) {
		t.Errorf("got %q, want the order %q", got, want)
	}
	await(t, "the run ends", func() bool { return r.run(t, "6").State.Ended() })
	d.stop()
	d.wait(t)
	run := r.run(t, "1")
	if run.State != store.Finished || run.Summary.Counts[fanout.OK] != 1 || run.Principal != "unix:ann" || run.User != "ann" || run.Daemon == 0 || run.ExitCode == nil || *run.ExitCode != 0 {
		t.Errorf("got %+v", run)
	}
}

// A run begins on the hosts that it was submitted for, or not at all.
func TestLaneRefuses(t *testing.T) {
	r := newRig(t, ok)
	tests := []struct {
		name   string
		change func(*store.Submission)
		want   string
	}{
		{"a host that is gone", func(s *store.Submission) { s.Plan.Targets[0].Name = "db" }, "of its 1 hosts, no longer in the inventory: db"},
		{"a key of this machine", func(s *store.Submission) { s.Request.Keys = map[string][]string{"identity": {"/etc/key"}} }, "identity acts on the daemon's machine, and is never taken from a request"},
		{"a variable of this machine", func(s *store.Submission) { s.Request.Keys = map[string][]string{"env": {"HOME"}} }, "env acts on the daemon's machine, and is never taken from a request"},
		{"a user that is no more", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "eve", string(access.ViaSession) }, "the user is not valid"},
		{"a token that is no more", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "ann/ci", string(access.ViaToken) }, "the token is not valid"},
		{"an unknown way in", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "eve", "" }, "the user is not valid"},
		{"a scope that became smaller", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "bob", string(access.ViaSession) }, "outside"},
		{"a role that became smaller", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "tim", string(access.ViaSession) }, "viewer"},
	}
	accounts := r.store.Access()
	for _, u := range []access.User{{Name: "bob", Role: access.Operator, Scope: "all,!web"}, {Name: "tim", Role: access.Viewer}} {
		if _, err := accounts.AddUser(t.Context(), u, access.By{Actor: "test", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range tests {
		r.submit(t, "true", tt.change)
	}
	d := r.start(t, daemon.Config{Lanes: 2})
	for i, tt := range tests {
		number := string(rune('1' + i))
		await(t, tt.name, func() bool { return r.run(t, number).State.Ended() })
		if run := r.run(t, number); run.Summary.Stopped != fanout.StoppedRefused || !strings.Contains(run.Reason, tt.want) {
			t.Errorf("%s: got %s, %q, want %q", tt.name, run.Summary.Stopped, run.Reason, tt.want)
		}
	}
	d.stop()
	d.wait(t)
	if len(r.visits) > 0 {
		t.Error("a host was given a command")
	}
	refused, err := accounts.Audit(t.Context(), access.AuditQuery{Action: "run.start"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string // two lanes refuse in any order
	for _, row := range refused {
		got = append(got, fmt.Sprint(row.Object, " ", row.Actor, " ", row.Outcome))
	}
	slices.Sort(got)
	want := []string{"run:4 eve refused", "run:5 ann/ci refused", "run:6 eve refused", "run:7 bob refused", "run:8 tim refused"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want the starts that rights did not allow in the audit: %q", got, want)
	}
}

// That rights did not allow a run is in the audit, also if the history was locked when it
// was to be written.
func TestLaneRefusesOnRecord(t *testing.T) {
	r := newRig(t, ok)
	r.submit(t, "true", func(s *store.Submission) { s.Info.Principal, s.Info.Via = "eve", string(access.ViaSession) })
	d := r.start(t, daemon.Config{Lanes: 1}, daemon.BreakQueue)
	await(t, "the audit has the refusal", func() bool {
		refused, err := r.store.Access().Audit(t.Context(), access.AuditQuery{Action: "run.start"})
		return err == nil && len(refused) == 1 && refused[0].Object == "run:1" && refused[0].Actor == "eve"
	})
	d.stop()
	d.wait(t)
}

// What another process asks to stop is stopped, running or not.
func TestLaneStops(t *testing.T) {
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		<-s.Done
		return fleet.Exit{}
	})
	short := func(s *store.Submission) { s.Request.Keys = map[string][]string{"kill-after": {"100ms"}} }
	d := r.start(t, daemon.Config{Lanes: 1})
	r.submit(t, "running", short)
	<-r.visits
	r.submit(t, "waiting", short)
	for _, run := range []int64{2, 1} {
		if err := r.store.StopRun(t.Context(), scheduler.Stop{Run: run, By: "tester", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the run ends", func() bool { return r.run(t, "1").State.Ended() })
	for _, ref := range []string{"1", "2"} {
		if run := r.run(t, ref); run.Summary.Stopped != fanout.StoppedKill || run.KillBy != "tester" {
			t.Errorf("run %s: got %+v", ref, run)
		}
	}
	d.stop()
	d.wait(t)
}

// A daemon that is to stop begins no more runs, gives back what it has claimed, and
// lets those that have begun come to their end.
func TestLanesDrain(t *testing.T) {
	gate, open := context.WithCancel(t.Context())
	defer open()
	r := newRig(t, func(*fleet.Session) fleet.Exit {
		<-gate.Done()
		return fleet.Exit{}
	})
	var stall atomic.Bool // the next reading of the inventory
	stalled, goOn, getenv := make(chan struct{}), make(chan struct{}), r.env.Getenv
	r.env.Getenv = func(key string) string {
		if key == "TUTTI_INVENTORY" && stall.CompareAndSwap(true, false) {
			stalled <- struct{}{}
			<-goOn
		}
		return getenv(key)
	}
	d := r.start(t, daemon.Config{Lanes: 2, StopTimeout: time.Hour})
	r.submit(t, "begun", nil)
	<-r.visits
	stall.Store(true)
	r.submit(t, "claimed", nil)
	<-stalled
	d.stop()
	close(goOn)
	await(t, "the run is given back", func() bool {
		waiting, err := r.store.Queue().Waiting(t.Context())
		return err == nil && len(waiting) == 1 && waiting[0].Owner == 0 && waiting[0].Deaths == 0
	})
	open()
	d.wait(t)
	if run := r.run(t, "1"); run.State != store.Finished || run.Summary.Counts[fanout.OK] != 1 {
		t.Errorf("got %+v", run)
	}
}

// A run that was not over when the stop timeout was is stopped.
func TestLanesStopTimeout(t *testing.T) {
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		<-s.Done
		return fleet.Exit{}
	})
	r.submit(t, "long", func(s *store.Submission) { s.Request.Keys = map[string][]string{"kill-after": {"100ms"}} })
	d := r.start(t, daemon.Config{Lanes: 1})
	<-r.visits
	d.stop()
	d.wait(t)
	if run := r.run(t, "1"); run.State != store.Finished || run.Summary.Stopped != fanout.StoppedSignal {
		t.Errorf("got %+v", run)
	}
}

// A run whose secrets are not in this process does not begin; what a daemon that died
// left behind is in the log.
func TestLaneWithoutSecrets(t *testing.T) {
	r := newRig(t, ok)
	gone, err := r.store.JoinDaemons(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.submit(t, "true", func(s *store.Submission) { s.Secrets = gone })
	if err := gone.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.history.Warn = func(text string) { r.log <- text }
	d := r.start(t, daemon.Config{Lanes: 1})
	r.submit(t, "true", nil)
	<-r.visits
	r.logged(t, "run 1 was not started")
	if run := r.run(t, "1"); run.State != store.Interrupted || run.Summary.Stopped != fanout.StoppedSecretsGone {
		t.Errorf("got %+v", run)
	}
	d.stop()
	d.wait(t)
}
