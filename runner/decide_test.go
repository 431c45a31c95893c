package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/store"
	"tutti/store/sqlite"
)

// testEnv is an environment with a home of its own, and with these files in it.
func testEnv(t *testing.T, files map[string]string) *Env {
	t.Helper()
	home := t.TempDir()
	for name, text := range files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Env{Getenv: func(string) string { return "" }, Home: home, WorkDir: home, User: "me"}
}

const testInventory = `hosts:
  web1: {address: 10.0.0.1, user: deploy, timeout: 30s}
  web2: {address: 10.0.0.2, port: 2022, connect_timeout: 4s, retries: 2}
  db1: {address: 10.0.0.3}
groups:
  web: {hosts: [web1, web2]}
`

const testSSHConfig = "Host web* db*\n  User configured\n  Port 2200\n  ConnectTimeout 7\n"

func decide(t *testing.T, env *Env, how *Lookup, selector string, given ...string) (*Decision, error) {
	t.Helper()
	r := NewRequest()
	for _, g := range given {
		name, text, _ := strings.Cut(g, "=")
		set(t, &r, name, []string{text})
	}
	return env.Decide(t.Context(), &r, how, selector, fanout.Task{Action: fanout.Command("true")})
}

// Keys win over the inventory, that over ssh_config, and that over the defaults.
func TestDecideBySources(t *testing.T) {
	env := testEnv(t, map[string]string{"hosts.yaml": testInventory, ".ssh/config": testSSHConfig})
	type way struct {
		user    string
		port    int
		connect time.Duration
		timeout time.Duration
		retries int
	}
	for _, test := range []struct {
		given []string
		want  map[string]way
	}{
		{nil, map[string]way{
			"web1": {"deploy", 2200, 7 * time.Second, 30 * time.Second, 0},
			"web2": {"configured", 2022, 4 * time.Second, 0, 2},
			"db1":  {"configured", 2200, 7 * time.Second, 0, 0},
		}},
		{[]string{"ssh-config=none"}, map[string]way{
			"web1": {"deploy", 22, 10 * time.Second, 30 * time.Second, 0},
			"web2": {"me", 2022, 4 * time.Second, 0, 2},
			"db1":  {"me", 22, 10 * time.Second, 0, 0},
		}},
		{[]string{"user=u", "port=1", "connect-timeout=1s", "timeout=0", "retries=0"}, map[string]way{
			"web1": {"u", 1, time.Second, 0, 0},
			"web2": {"u", 1, time.Second, 0, 0},
			"db1":  {"u", 1, time.Second, 0, 0},
		}},
	} {
		d, err := decide(t, env, &Lookup{}, "all", test.given...)
		if err != nil {
			t.Errorf("%q: %v", test.given, err)
			continue
		}
		for i, target := range d.Plan.Targets {
			e := d.Endpoints[i]
			got := way{e.User, e.Port, target.Limits.ConnectTimeout, target.Limits.Timeout, target.Limits.Retries}
			if got != test.want[target.Name] {
				t.Errorf("%q: %s: got %+v, want %+v", test.given, target.Name, got, test.want[target.Name])
			}
		}
		if len(d.Plan.Targets) != 3 || d.Plan.Source != "cli" || d.Inventory != filepath.Join(env.Home, "hosts.yaml") {
			t.Errorf("%q: got %d targets from %s by %s", test.given, len(d.Plan.Targets), d.Inventory, d.Plan.Source)
		}
	}
}

func targets(d *Decision) []string {
	var names []string
	for _, target := range d.Plan.Targets {
		names = append(names, target.Name)
	}
	return names
}

func TestDecideHosts(t *testing.T) {
	env := testEnv(t, map[string]string{"hosts.yaml": testInventory})
	for _, test := range []struct {
		selector string
		given    []string
		want     []string
		text     string
	}{
		{"web", nil, []string{"web1", "web2"}, "web"},
		{"all", []string{"exclude=web"}, []string{"db1"}, "all,!web"},
		{"all", []string{"only=web", "limit=1"}, []string{"web1"}, "all,&web"},
		{"", []string{"hosts=a,root@b:22"}, []string{"a", "b"}, "-w a,root@b:22"},
	} {
		d, err := decide(t, env, &Lookup{}, test.selector, test.given...)
		if err != nil {
			t.Errorf("%s %q: %v", test.selector, test.given, err)
			continue
		}
		if got := targets(d); !slices.Equal(got, test.want) || d.Plan.Selector != test.text {
			t.Errorf("%s %q: got %q as %q, want %q as %q", test.selector, test.given, got, d.Plan.Selector, test.want, test.text)
		}
	}
	for selector, want := range map[string]string{
		"none":     "none",
		"web,":     "",
		"run:last": "no history at",
	} {
		how := &Lookup{Runs: EarlierRuns{User: "me", Open: func(ctx context.Context) (store.Store, error) {
			return sqlite.OpenExisting(ctx, filepath.Join(env.Home, "none.db"), store.Options{})
		}}}
		_, err := decide(t, env, how, selector)
		if !errors.As(err, new(*fault.UsageError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a usage error with %q", selector, err, want)
		}
	}
}

// A rerun is refused if some of its hosts have left the inventory, unless that is
// agreed to.
func TestDecideAgain(t *testing.T) {
	env := testEnv(t, map[string]string{"hosts.yaml": testInventory})
	previous := &Previous{Run: store.Run{ID: 7}, Hosts: []string{"web1", "gone"}}
	if _, err := decide(t, env, &Lookup{Previous: previous}, "web1"); err == nil || !strings.Contains(err.Error(), "of the 2 hosts to repeat, no longer in the inventory: gone") {
		t.Errorf("got %v", err)
	}
	previous.Yes = true
	d, err := decide(t, env, &Lookup{Previous: previous}, "web1", "timeout=1m")
	if err != nil {
		t.Fatal(err)
	}
	if d.RerunOf != 7 || d.Plan.Source != "rerun" || !slices.Equal(targets(d), []string{"web1"}) || !slices.Equal(d.Given["timeout"], []string{"1m"}) {
		t.Errorf("got %+v", d)
	}
}

// The programs of this machine are given its environment without the secrets that
// go to the hosts.
func TestEnvironmentForPrograms(t *testing.T) {
	env := &Env{Environ: []string{"PATH=/bin", "TOKEN=secret", "LC_ALL=C", "STAGE=here"}}
	before := slices.Clone(env.Environ)
	got := env.forPrograms(&Task{Env: []string{"TOKEN", "PATH", "LC_ALL", "STAGE=prod"}})
	if want := []string{"PATH=/bin", "LC_ALL=C", "STAGE=here"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(env.Environ, before) {
		t.Errorf("the environment has become %q", env.Environ)
	}
}

func TestNoInventory(t *testing.T) {
	_, err := decide(t, testEnv(t, nil), &Lookup{}, "all")
	if !errors.As(err, new(*inventory.NotFoundError)) || !errors.As(err, new(*fault.UsageError)) {
		t.Errorf("got %v", err)
	}
}
