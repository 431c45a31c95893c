package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/scheduler"
	"tutti/store"
)

// A site is hosts, and what it takes to fire jobs on them.
type site struct {
	env     *Env
	history *History
	store   store.Store
	owner   store.Daemon
}

func newSite(t *testing.T, hosts ...fleet.Host) *site {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	key := fleet.NewKey()
	opts := fleet.Options{Hosts: hosts}
	opts.Authorized = append(opts.Authorized, key.PublicKey())
	f, err := fleet.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	inventory := "hosts:\n"
	for _, h := range hosts {
		addr, port := f.Endpoint(h.Name)
		inventory += fmt.Sprintf("  %s: {address: %s, port: %d}\n", h.Name, addr, port)
	}
	err = errors.Join(
		key.WriteFile(path("key"), ""),
		os.WriteFile(path("known_hosts"), f.KnownHosts(), 0o600),
		os.WriteFile(path("hosts.yaml"), []byte(inventory), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"TUTTI_INVENTORY": path("hosts.yaml"), "TUTTI_KNOWN_HOSTS": path("known_hosts"), "TUTTI_HISTORY": path("history.db"),
	}
	env := secrets(nil)
	env.Getenv, env.Home, env.WorkDir, env.User = func(name string) string { return vars[name] }, dir, dir, "ada"
	s := &site{env: env, history: &History{Getenv: env.Getenv, Warn: func(text string) { t.Log(text) }, Obey: true}}
	t.Cleanup(s.history.Close)
	if s.store, err = s.history.ForRecording(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.owner, err = s.store.JoinOnce(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.owner.Close() })
	return s
}

// request adds a job and requests a firing of it.
func (s *site) request(t *testing.T, job scheduler.Job) scheduler.Assignment {
	t.Helper()
	now := time.Now()
	job.Schedules, job.Zone = []string{"@daily"}, "UTC"
	job.Options = map[string][]string{"identity": {filepath.Join(s.env.Home, "key")}}
	if _, err := s.store.AddJob(t.Context(), job, "ada", now); err != nil {
		t.Fatal(err)
	}
	assignment, err := s.owner.Request(t.Context(), job.Name, "ada", now)
	if err != nil {
		t.Fatal(err)
	}
	return assignment
}

// A firing is decided, executed and recorded by this package and those below:
// no command line, no screen.
func TestFire(t *testing.T) {
	fails := fleet.Canned(func(string, string) (stdout, stderr []byte, code uint32) { return nil, nil, 7 })
	s := newSite(t, fleet.Host{Name: "good"}, fleet.Host{Name: "bad", Exec: fails})
	tests := []struct {
		name, selector string
		code           int
	}{
		{"ok", "good", ExitOK},
		{"failed", "all", ExitFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := scheduler.NewJob(tt.name, "")
			job.Selector, job.Command = tt.selector, "true"
			var begun int64
			l := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler))
			err := l.Fire(t.Context(), &Firing{Assignment: s.request(t, job), Owner: s.owner, Begun: func(run int64) { begun = run }})
			code := ExitOK
			if exit, ok := errors.AsType[*ExitError](err); ok {
				code = exit.Code
			} else if err != nil {
				t.Fatal(err)
			}
			runs, err := s.store.Runs(t.Context(), store.Query{Limit: 1})
			if err != nil || len(runs) != 1 {
				t.Fatalf("got %v, %v, want a run", runs, err)
			}
			r := runs[0]
			if code != tt.code || r.ExitCode == nil || *r.ExitCode != tt.code {
				t.Errorf("got %d, on record %v, want %d", code, r.ExitCode, tt.code)
			}
			if r.ID != begun || begun != l.RunID() || r.Job != tt.name || r.User != "ada" {
				t.Errorf("got run %d of job %q by %q, begun %d", r.ID, r.Job, r.User, begun)
			}
		})
	}
}

// A firing that does not come to a run is closed with the reason.
func TestFireAttachedSaysWhyThereIsNoRun(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "good"})
	job := scheduler.NewJob("lost", "")
	job.Selector, job.Command = "nowhere", "true"
	assignment := s.request(t, job)
	l := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler))
	err := l.FireAttached(t.Context(), &Firing{Assignment: assignment, Owner: s.owner})
	if err == nil || l.RunID() != 0 {
		t.Fatalf("got run %d, %v, want none", l.RunID(), err)
	}
	rows, listErr := s.store.Firings(t.Context(), store.FiringQuery{Job: "lost", Limit: 1})
	if listErr != nil || len(rows) != 1 || rows[0].Decision != scheduler.Failed || !strings.Contains(rows[0].Reason, "nowhere") {
		t.Errorf("got %+v, %v, want a failed firing with the reason", rows, listErr)
	}
}

// An unattended run has the code of the signal that stopped it, and not that of one
// which came when it was over.
func TestUnseenCode(t *testing.T) {
	term := Unattended{Signal: func() os.Signal { return os.Interrupt }}
	ok := fanout.Summary{Hosts: 1}
	ok.Counts[fanout.OK] = 1
	stopped := fanout.Summary{Hosts: 1, Stopped: fanout.StoppedSignal}
	for _, tt := range []struct {
		name    string
		view    Unattended
		summary fanout.Summary
		want    int
	}{
		{"ok", Unattended{}, ok, ExitOK},
		{"a signal afterwards", term, ok, ExitOK},
		{"stopped by a signal", term, stopped, 130},
	} {
		if got := tt.view.Code(tt.summary); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	ctx, halt, end := term.Attend(context.Background())
	end()
	if ctx.Err() != nil || halt != nil {
		t.Errorf("got %v, %v: the view is unattended", ctx.Err(), halt)
	}
}
