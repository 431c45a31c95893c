package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/runner"
	"tutti/ssh"
	"tutti/store"
)

const (
	defaultFanout         = 1024
	defaultConnectTimeout = 10 * time.Second
	defaultPort           = 22
)

// A decision is a plan with what is needed to carry it out.
type decision struct {
	plan fanout.Plan
	// endpoints lead to the plan's targets, by their index.
	endpoints []ssh.Endpoint
	// inventory names the files the hosts came from.
	inventory string
	// given are the flags that a rerun gives again.
	given map[string][]string
	// rerunOf is the number of the run that this one repeats, if it does.
	rerunOf int64
	// warnings are for the operator.
	warnings []string
}

// hostsText is how messages and the history call the selected hosts.
func (o *requestOptions) hostsText(selector string) string {
	if o.Hosts.AdHoc() {
		return "-w " + o.Hosts.Named
	}
	return selector
}

// decide turns flags, inventory and selector into a plan.
func (a *app) decide(ctx context.Context, o *launchOptions, selector string, task fanout.Task, history *historyFile) (*decision, error) {
	o.programEnv = childEnv(&o.Task)
	chosen, err := a.choose(ctx, &o.requestOptions, selector, history)
	if err != nil {
		return nil, err
	}
	d := &decision{inventory: chosen.inventory, given: o.repeated, warnings: chosen.warnings}
	d.plan = fanout.Plan{
		Source:   "cli",
		Selector: chosen.text,
		Task:     task,
		Policy:   o.Policy(),
	}
	if o.former != nil {
		d.plan.Source, d.rerunOf = "rerun", o.former.run.ID
	}
	err = d.aim(a, chosen.from, chosen.hosts, o)
	d.plan.Policy.Fanout = d.fanout(o.Limits.Fanout)
	return d, err
}

// aim says how each of the hosts is reached.
func (d *decision) aim(a *app, inv *inventory.Inventory, hosts []*inventory.Host, o *launchOptions) error {
	config, err := a.sshConfig(o.Login.SSHConfig)
	if err != nil {
		return err
	}
	return d.aimWith(a, inv, config, hosts, o)
}

// aimWith is aim with an ssh_config that has been read.
func (d *decision) aimWith(a *app, inv *inventory.Inventory, config *sshHosts, hosts []*inventory.Host, o *launchOptions) error {
	route := &router{app: a, o: &o.Request, inv: inv, config: config, jumps: map[jumpKey][]ssh.Endpoint{}}
	for i, h := range hosts {
		settings, err := config.reach(h, o.Login.User, o.Login.Port)
		if err != nil {
			return err
		}
		endpoint, err := route.endpoint(h, settings)
		if err != nil {
			return usage(err)
		}
		d.endpoints = append(d.endpoints, endpoint)
		d.plan.Targets = append(d.plan.Targets, fanout.Target{
			Index:  i,
			Name:   h.Name,
			Labels: h.Labels,
			Limits: limitsOf(h, settings, &o.Request),
			Gates:  h.Gates,
		})
	}
	d.warnings = append(d.warnings, config.warnings()...)
	return nil
}

// A selection is the hosts that were chosen, and how.
type selection struct {
	hosts     []*inventory.Host
	from      *inventory.Inventory
	text      string // the selector, with what --only and --exclude add
	inventory string
	warnings  []string
}

// choose loads the inventory and selects from it.
func (a *app) choose(ctx context.Context, o *requestOptions, selector string, history *historyFile) (*selection, error) {
	inv, from, err := a.loadInventory(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := o.former.check(inv); err != nil {
		return nil, err
	}
	return o.from(ctx, inv, from, selector, history)
}

// from selects from inv, which was read from the files that path names.
func (o *requestOptions) from(ctx context.Context, inv *inventory.Inventory, path, selector string, history *historyFile) (*selection, error) {
	sel, err := o.parse(selector)
	if err != nil {
		return nil, usage(err)
	}
	chosen, err := inv.Select(ctx, sel, inventory.SelectOptions{
		Runs:    earlierRuns{history},
		Limit:   o.Hosts.Limit,
		Pick:    o.Hosts.Pick,
		Refused: o.refused,
	})
	if errors.As(err, new(*inventory.NoMatchError)) && path != "" && !o.forJob {
		err = hint(err, "the inventory is "+path+"; tutti hosts lists what is in it")
	}
	if err != nil {
		return nil, usage(err)
	}
	text := o.hostsText(sel.String())
	if o.former != nil {
		text = sel.String()
	}
	return &selection{
		hosts:     chosen.Hosts,
		from:      inv,
		text:      text,
		inventory: path,
		warnings:  append(inv.Warnings, chosen.Warnings...),
	}, nil
}

// parse reads selector, and what --only and --exclude add to it. Without a
// selector, as with -w, it starts from all hosts.
func (o *requestOptions) parse(selector string) (sel inventory.Selector, err error) {
	if !o.Hosts.AdHoc() || o.former != nil {
		if sel, err = inventory.ParseSelector(selector); err != nil {
			return sel, err
		}
	}
	for _, item := range o.Hosts.Only {
		if sel, err = sel.Only(item); err != nil {
			return sel, fmt.Errorf("--only: %w", err)
		}
	}
	for _, items := range o.Hosts.Exclude {
		if sel, err = sel.Exclude(items); err != nil {
			return sel, fmt.Errorf("-x/--exclude: %w", err)
		}
	}
	return sel, nil
}

// loadInventory also says where the hosts came from.
func (a *app) loadInventory(ctx context.Context, o *requestOptions) (inv *inventory.Inventory, from string, err error) {
	if o.Hosts.AdHoc() {
		inv, err = inventory.ParseHosts(o.Hosts.Named)
		return inv, "", usage(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		wd = "" // it was deleted: what is not named by a path from the root is not there
	}
	files, err := inventory.Find(inventory.Places{
		Given:   o.Hosts.Inventory,
		Env:     a.Getenv("TUTTI_INVENTORY"),
		WorkDir: wd,
		Home:    a.home(),
	})
	if o.former.knowsInventory() && len(o.Hosts.Inventory) == 0 {
		files, err = o.former.inventory(files), nil
	}
	if errors.As(err, new(*inventory.NotFoundError)) {
		err = hint(err, "name one with -i FILE, or take hosts as they are with -w HOSTS; tutti demo needs neither")
	}
	if err != nil {
		return nil, "", usage(err)
	}
	inv, err = inventory.LoadWith(ctx, files, o.programEnv)
	if err != nil {
		return nil, "", usage(err)
	}
	return inv, joinPaths(files), nil
}

// joinPaths is how the history calls the files of an inventory.
func joinPaths(files []inventory.File) string {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = runner.Absolute(f.Path)
	}
	return strings.Join(paths, string(os.PathListSeparator))
}

func limitsOf(h *inventory.Host, s *sshconfig.Settings, o *runner.Request) fanout.Limits {
	l := fanout.Limits{
		ConnectTimeout: defaultConnectTimeout,
		Timeout:        h.Timeout,
		Retries:        h.Retries,
	}
	if _, set := s.Origin(inventory.KeyConnectTimeout); set {
		l.ConnectTimeout = s.ConnectTimeout
	}
	if _, set := h.Origin(inventory.KeyConnectTimeout); set {
		l.ConnectTimeout = h.ConnectTimeout
	}
	if o.Given("connect-timeout") {
		l.ConnectTimeout = o.Limits.ConnectTimeout
	}
	if o.Given("timeout") {
		l.Timeout = o.Limits.Timeout
	}
	if o.Given("retries") {
		l.Retries = o.Limits.Retries
	}
	return l
}

// userName is who the history says it was, and who logs in where nothing else
// is said.
func (a *app) userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return a.Getenv("USER")
}

// earlierRuns answers what selectors ask about the history.
type earlierRuns struct{ history *historyFile }

var _ inventory.Runs = earlierRuns{}

// Hosts returns the hosts of the run that ref names.
func (e earlierRuns) Hosts(ctx context.Context, ref string, outcomes []fanout.Outcome) ([]string, error) {
	s, err := e.history.forReading(ctx)
	if missing, ok := errors.AsType[*store.Error](err); ok && errors.Is(err, store.ErrNotExist) {
		return nil, hint(fmt.Errorf("there are no earlier runs: no history is at %s", missing.Path), "name hosts or groups; or with --history the file that the runs are in")
	}
	if err != nil {
		return nil, err
	}
	return s.HostsOf(ctx, ref, e.history.app.userName(), outcomes)
}
