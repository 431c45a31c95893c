package daemon

import (
	"context"
	"path/filepath"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// A fleet is the hosts and the daemons, for clients over HTTP: what a selector means
// is decided here and now, by the daemon's own inventory.
type fleet struct {
	env   *runner.Env
	store store.Store
	self  func() int64
}

// NewFleet is the hosts that env knows and the daemons of a history; self tells the
// number of the daemon that answers.
func NewFleet(env *runner.Env, s store.Store, self func() int64) server.Fleet {
	return &fleet{env, s, self}
}

// Hosts are those that a selector chooses, also those that cannot be used.
func (f *fleet) Hosts(ctx context.Context, selector string) (*server.Hosts, error) {
	if err := checkRemoteSelector(selector); err != nil {
		return nil, err
	}
	request := runner.NewRequest()
	chosen, err := f.env.Choose(ctx, &request, f.lookup(), selector)
	if err != nil {
		return nil, err
	}
	config, err := f.env.SSHConfig("")
	if err != nil {
		return nil, err
	}
	views, err := runner.ViewHosts(config, chosen.From, chosen.Hosts, true)
	if err != nil {
		return nil, err
	}
	return &server.Hosts{Views: views, Warnings: append(chosen.Warnings, config.Warnings()...)}, nil
}

// lookup is how hosts are looked up for a client.
func (f *fleet) lookup() *runner.Lookup {
	return &runner.Lookup{Unusable: true, ForJob: true, Runs: runner.EarlierRuns{
		Open: func(context.Context) (store.Store, error) { return f.store, nil },
	}}
}

// checkRemoteSelector refuses a selector that names files of this machine.
func checkRemoteSelector(selector string) error {
	parsed, err := inventory.ParseSelector(selector)
	if err != nil {
		return fault.Usage(err)
	}
	if files := parsed.Files(); len(files) > 0 {
		return &server.LocalError{Key: "selector", What: "files of the daemon's machine"}
	}
	return nil
}

// Scopes are the names of the hosts that each of the selectors chooses. A scope that
// chooses none is an empty one.
func (f *fleet) Scopes(ctx context.Context, selectors []string) ([]map[string]bool, error) {
	request := runner.NewRequest()
	inv, files, err := f.env.LoadInventory(ctx, &request, nil)
	if err != nil {
		return nil, err
	}
	sets := make([]map[string]bool, len(selectors))
	for i, selector := range selectors {
		sets[i] = map[string]bool{}
		chosen, err := runner.Select(ctx, &request, f.lookup(), inv, files, selector)
		if err != nil {
			continue // it means nothing any more, and so lets nothing be seen
		}
		for _, h := range chosen.Hosts {
			sets[i][h.Name] = true
		}
	}
	return sets, nil
}

// Means returns what says whether a selector means something; see [server.Fleet].
func (f *fleet) Means(ctx context.Context, visible store.Visible) (func(selector string) bool, error) {
	request := runner.NewRequest()
	inv, _, err := f.env.LoadInventory(ctx, &request, nil)
	if err != nil {
		return nil, err
	}
	if visible != nil {
		inv = inv.Among(visible)
	}
	return func(selector string) bool {
		parsed, err := inventory.ParseSelector(selector)
		if err != nil || len(parsed.Files()) > 0 {
			return false
		}
		_, err = inv.Select(ctx, parsed, inventory.SelectOptions{Unusable: true, Runs: anyRun{inv}})
		return err == nil
	}, nil
}

// anyRun has each earlier run on all hosts of an inventory.
type anyRun struct{ *inventory.Inventory }

// Hosts are those of any run.
func (r anyRun) Hosts(context.Context, string, []fanout.Outcome) ([]string, error) {
	var names []string
	for _, h := range r.Inventory.Hosts() {
		names = append(names, h.Name)
	}
	return names, nil
}

// Daemons are those that serve the history.
func (f *fleet) Daemons(ctx context.Context) ([]scheduler.Controller, int64, error) {
	all, err := f.store.Daemons(ctx)
	return all, f.self(), err
}

// Drain has a daemon start nothing any more, or runs again.
func (f *fleet) Drain(ctx context.Context, daemon int64, drain bool) error {
	return f.store.Drain(ctx, daemon, drain)
}

// SocketPath is where a daemon serves its local socket if nothing is said: in the
// user's directory for such things, or else next to the history.
func SocketPath(getenv func(string) string, history string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tutti", "api.sock")
	}
	return filepath.Join(filepath.Dir(history), "socket", "api.sock")
}
