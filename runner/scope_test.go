package runner

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/scheduler"
	"tutti/store"
)

// Every host of a plan has to be in each scope, in the inventory that the plan was made
// of; and the error says how many are outside, not which.
func TestDecideWithinScopes(t *testing.T) {
	dir := t.TempDir()
	hosts := filepath.Join(dir, "hosts.yaml")
	if err := os.WriteFile(hosts, []byte("hosts:\n  web1: {labels: {dc: madrid}}\n  web2: {labels: {dc: paris}}\n  db1: {labels: {dc: madrid}}\n  odd: {identity: /no/such/key}\ngroups:\n  web: {hosts: [web1, web2]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := secrets(nil)
	env.Getenv = func(name string) string { return map[string]string{"TUTTI_INVENTORY": hosts}[name] }
	env.Home, env.WorkDir, env.User = dir, dir, "ada"
	for _, tt := range []struct {
		name, selector string
		named          []string
		scopes         []string
		outside        int
	}{
		{"no scope", "all", nil, nil, 0},
		{"inside", "web", nil, []string{"web"}, 0},
		{"inside by a label", "web1,db1", nil, []string{"dc=madrid"}, 0},
		{"inside by a range", "web[1-2]", nil, []string{"web*"}, 0},
		{"some outside", "web,db1", nil, []string{"web"}, 1},
		{"excluded from the scope", "web", nil, []string{"all,!web2"}, 1},
		{"each scope counts", "web", nil, []string{"web", "dc=madrid"}, 1},
		{"outside both", "db1", nil, []string{"web", "dc=paris"}, 1},
		{"a scope of nothing", "web", nil, []string{"lost"}, 2},
		{"all is every host of the inventory", "web,db1", nil, []string{"all"}, 0},
		{"hosts of no inventory", "", []string{"web1,198.51.100.7"}, []string{"all"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Hosts: Hosts{Named: strings.Join(tt.named, ",")}}
			_, err := env.Decide(t.Context(), r, &Lookup{Scopes: tt.scopes}, tt.selector, fanout.Task{Action: fanout.Command("uptime")})
			denied, ok := errors.AsType[*access.ScopeError](err)
			if ok != (tt.outside > 0) || ok && denied.Outside != tt.outside || !ok && err != nil {
				t.Fatalf("got %v, want %d outside", err, tt.outside)
			}
			if ok && (strings.Contains(err.Error(), "web2") || strings.Contains(err.Error(), "db1")) {
				t.Errorf("the error names hosts: %v", err)
			}
		})
	}
}

// A group that grows does not widen a right: the firing is refused, and nothing connects.
func TestFiringOutsideItsScope(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"}, fleet.Host{Name: "web2"})
	job := scheduler.NewJob("backup", "UTC")
	job.Selector, job.Command, job.Scopes = "all", "echo hello", []string{"web1"}
	assignment := s.request(t, job)
	if got := assignment.Job.Scopes; len(got) != 1 || got[0] != "web1" {
		t.Fatalf("got the scopes %q, want those of the job", got)
	}
	err := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler)).FireAttached(t.Context(), &Firing{Assignment: assignment, Owner: s.owner})
	const want = "1 of 2 hosts outside the scope: ada changed the job last and may use only web1"
	if !errors.Is(err, scheduler.ErrRefused) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	rows, err := s.store.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 || rows[0].Decision != scheduler.Refused || rows[0].Reason != want || rows[0].RunID != 0 {
		t.Errorf("got %+v, %v, want it refused with the reason", rows, err)
	}
	// Within the scope it runs; who changes it next has another one, or none.
	kept, err := s.store.Job(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	narrow := kept.Job
	narrow.Selector = "web1"
	if kept, err = s.store.ChangeJob(t.Context(), narrow, "ada", time.Now()); err != nil || len(kept.Scopes) != 1 {
		t.Fatalf("got %+v, %v, want the scope kept", kept, err)
	}
	s.fire(t, "backup")
	wide := kept.Job
	wide.Selector, wide.Scopes = "all", nil
	if kept, err = s.store.ChangeJob(t.Context(), wide, "bob", time.Now()); err != nil || len(kept.Scopes) != 0 {
		t.Fatalf("got %+v, %v, want no scope", kept, err)
	}
	s.fire(t, "backup")
}

// fire runs the job now, which has to come to a run.
func (s *site) fire(t *testing.T, job string) {
	t.Helper()
	assignment, err := s.owner.Request(t.Context(), job, "ada", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	run := int64(0)
	f := &Firing{Assignment: assignment, Owner: s.owner, Begun: func(n int64) { run = n }}
	if err := UnattendedLaunch(s.env, s.history, slog.New(slog.DiscardHandler)).FireAttached(t.Context(), f); err != nil || run == 0 {
		t.Errorf("got run %d, %v, want one", run, err)
	}
}
