package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/ssh"
	"tutti/store"
)

const (
	// DefaultFanout is how many hosts are worked on at once by default.
	DefaultFanout         = 1024
	defaultConnectTimeout = 10 * time.Second
	defaultPort           = 22
)

// A Decision is a plan with what is needed to execute it.
type Decision struct {
	Plan fanout.Plan
	// Endpoints lead to the plan's targets, by their index.
	Endpoints []ssh.Endpoint
	// Inventory names the files the hosts came from.
	Inventory string
	// Given are the keys, with their values, that a rerun repeats.
	Given map[string][]string
	// RerunOf is the number of the run that this one repeats, if it does.
	RerunOf int64
	// Warnings are for the operator.
	Warnings []string
}

// A Lookup is how the hosts of a request are looked up.
type Lookup struct {
	// Unusable includes hosts that cannot be used, for commands that only show them.
	Unusable bool
	// ForJob says that a job runs unattended, with the inventory that it names.
	ForJob bool
	// Previous is set for a rerun: the hosts are those of that run.
	Previous *Previous
	// Runs answers what selectors ask about earlier runs.
	Runs inventory.Runs
	// Scopes are selectors, each of which has to select every host of the plan from the
	// same reading of the inventory; none: the hosts may be any.
	Scopes []string
	// Resting are hosts in maintenance, which are left out.
	Resting []store.Rest
	// Exactly are the names of the hosts, in their order, whatever the selector means
	// now; nil: those of the selector.
	Exactly []string
	// Inventories are those that were read before; nil: each lookup reads its own.
	Inventories *Inventories
}

// Decide makes a plan of a request, a selector and a task. Nothing connects.
func (env *Env) Decide(ctx context.Context, r *Request, how *Lookup, selector string, task fanout.Task) (*Decision, error) {
	chosen, err := env.Choose(ctx, r, how, selector)
	if err == nil {
		err = chosen.leaveOut(how.Resting)
	}
	if err == nil {
		err = chosen.Within(ctx, how.Scopes)
	}
	if err != nil {
		return nil, err
	}
	d := &Decision{Inventory: chosen.Files, Given: r.Repeated(), Warnings: chosen.Warnings}
	d.Plan = fanout.Plan{
		Source:   "cli",
		Selector: chosen.Text,
		Task:     task,
		Policy:   r.Policy(),
	}
	if how.Previous != nil {
		d.Plan.Source, d.RerunOf = "rerun", how.Previous.Run.ID
	}
	config, err := env.SSHConfig(r.Login.SSHConfig)
	if err == nil {
		err = d.Aim(env, r, chosen.From, config, chosen.Hosts)
	}
	d.Plan.Policy.Fanout = d.Fanout(r.Limits.Fanout)
	return d, err
}

// Aim adds hosts of inv to the plan, and says how each of them is reached.
func (d *Decision) Aim(env *Env, r *Request, inv *inventory.Inventory, config *SSHHosts, hosts []*inventory.Host) error {
	route := &router{env: env, request: r, inv: inv, config: config, jumps: map[jumpKey][]ssh.Endpoint{}}
	// These are the largest live data of the whole run.
	d.Endpoints = slices.Grow(d.Endpoints, len(hosts))
	d.Plan.Targets = slices.Grow(d.Plan.Targets, len(hosts))
	for i, h := range hosts {
		settings, err := config.reach(h, r.Login.User, r.Login.Port)
		if err != nil {
			return err
		}
		endpoint, err := route.endpoint(h, settings)
		if err != nil {
			return fault.Usage(err)
		}
		d.Endpoints = append(d.Endpoints, endpoint)
		target := fanout.Target{
			Index:  i,
			Name:   h.Name,
			Labels: h.Labels,
			Env:    variablesOf(h),
			Limits: limitsOf(h, settings, r),
			Gates:  h.Gates,
		}
		d.Plan.Targets = append(d.Plan.Targets, target)
		if err := checkOn(d.Plan.Task, target, &endpoint); err != nil {
			return err
		}
	}
	d.Warnings = append(d.Warnings, config.Warnings()...)
	return nil
}

// variablesOf are those that the inventory has for h, by name.
func variablesOf(h *inventory.Host) []fanout.Variable {
	if len(h.Env) == 0 {
		return nil
	}
	vars := make([]fanout.Variable, 0, len(h.Env))
	for _, name := range slices.Sorted(maps.Keys(h.Env)) {
		vars = append(vars, fanout.Variable{Name: name, Value: h.Env[name]})
	}
	return vars
}

// checkOn is whether task fits into a request to t; without variables of t, that is
// known already.
func checkOn(task fanout.Task, t fanout.Target, e *ssh.Endpoint) error {
	if !task.Runs() || !task.HostEnv && len(t.Env) == 0 {
		return nil
	}
	if err := ssh.CheckTaskOn(task, t, e); err != nil {
		return fault.Usagef("%s: %w", t.Name, err)
	}
	return nil
}

// A Selection is the hosts that were chosen, and how.
type Selection struct {
	Hosts    []*inventory.Host
	From     *inventory.Inventory
	Text     string // the selector, with what was narrowed
	Files    string // those of the inventory
	Warnings []string
	// scopes are the hosts by selector that Within has found; nil: it keeps none.
	scopes map[string]map[string]bool
}

// Choose loads the inventory and selects from it.
func (env *Env) Choose(ctx context.Context, r *Request, how *Lookup, selector string) (*Selection, error) {
	if how.Inventories != nil {
		return how.Inventories.choose(ctx, env, r, how, selector)
	}
	inv, files, err := env.LoadInventory(ctx, r, how.Previous)
	if err != nil {
		return nil, err
	}
	if how.Exactly != nil {
		return exactly(inv, files, how.Exactly)
	}
	if err := how.Previous.check(inv); err != nil {
		return nil, err
	}
	return Select(ctx, r, how, inv, files, selector)
}

// Select selects from inv, which was read from files.
func Select(ctx context.Context, r *Request, how *Lookup, inv *inventory.Inventory, files, selector string) (*Selection, error) {
	sel, err := r.Selector(selector, how.Previous != nil)
	if err != nil {
		return nil, fault.Usage(err)
	}
	chosen, err := inv.Select(ctx, sel, inventory.SelectOptions{
		Runs:     how.Runs,
		Limit:    r.Hosts.Limit,
		Pick:     r.Hosts.Pick,
		Unusable: how.Unusable,
	})
	if errors.As(err, new(*inventory.NoMatchError)) && files != "" && !how.ForJob {
		err = fault.Advise(err, AdviceNoMatch, files)
	}
	if err != nil {
		return nil, fault.Usage(err)
	}
	text := sel.String()
	if how.Previous == nil {
		text = r.Hosts.Describe(text)
	}
	return &Selection{
		Hosts:    chosen.Hosts,
		From:     inv,
		Text:     text,
		Files:    files,
		Warnings: append(inv.Warnings, chosen.Warnings...),
	}, nil
}

// Selector parses selector and adds the items of the keys only and exclude. If the
// hosts are named, it starts from all of them, unless again says that selector chooses
// among them.
func (r *Request) Selector(selector string, again bool) (sel inventory.Selector, err error) {
	if !r.Hosts.AdHoc() || again {
		if sel, err = inventory.ParseSelector(selector); err != nil {
			return sel, err
		}
	}
	for _, item := range r.Hosts.Only {
		if sel, err = sel.Only(item); err != nil {
			return sel, fault.Errorf("%s: %w", fault.Key("only"), err)
		}
	}
	for _, items := range r.Hosts.Exclude {
		if sel, err = sel.Exclude(items); err != nil {
			return sel, fault.Errorf("%s: %w", fault.Key("exclude"), err)
		}
	}
	return sel, nil
}

// LoadInventory reads the inventory of a request, and returns its files. A rerun
// without an inventory of its own reads that of the previous run.
func (env *Env) LoadInventory(ctx context.Context, r *Request, previous *Previous) (inv *inventory.Inventory, from string, err error) {
	if r.Hosts.AdHoc() {
		inv, err = inventory.ParseHosts(r.Hosts.Named)
		return inv, "", fault.Usage(err)
	}
	files, err := inventory.Find(inventory.Places{
		Given:   r.Hosts.Inventory,
		Env:     env.Getenv("TUTTI_INVENTORY"),
		WorkDir: env.WorkDir,
		Home:    env.Home,
	})
	if previous.knowsInventory() && len(r.Hosts.Inventory) == 0 {
		files, err = previous.inventory(files), nil
	}
	if errors.As(err, new(*inventory.NotFoundError)) {
		err = fault.Advise(err, AdviceNoInventory)
	}
	if err != nil {
		return nil, "", fault.Usage(err)
	}
	inv, err = inventory.LoadWith(ctx, files, env.forPrograms(&r.Task))
	if err != nil {
		return nil, "", fault.Usage(err)
	}
	return inv, joinPaths(files), nil
}

// joinPaths is how the history records the files of an inventory.
func joinPaths(files []inventory.File) string {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = Absolute(f.Path)
	}
	return strings.Join(paths, string(os.PathListSeparator))
}

func limitsOf(h *inventory.Host, s *sshconfig.Settings, r *Request) fanout.Limits {
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
	if r.Given("connect-timeout") {
		l.ConnectTimeout = r.Limits.ConnectTimeout
	}
	if r.Given("timeout") {
		l.Timeout = r.Limits.Timeout
	}
	if r.Given("retries") {
		l.Retries = r.Limits.Retries
	}
	return l
}

// EarlierRuns answers what selectors ask about the history, which is opened on the
// first question. "last" means the runs of User.
type EarlierRuns struct {
	Open func(context.Context) (store.Store, error)
	User string
}

var _ inventory.Runs = EarlierRuns{}

// Hosts returns the hosts of the run that ref names.
func (e EarlierRuns) Hosts(ctx context.Context, ref string, outcomes []fanout.Outcome) ([]string, error) {
	s, err := e.Open(ctx)
	if missing, ok := errors.AsType[*store.Error](err); ok && errors.Is(err, store.ErrNotExist) {
		return nil, fault.Hintf(fmt.Errorf("no earlier runs: no history at %s", missing.Path), "name hosts or groups; or name the history of the runs with %s", fault.Key("history"))
	}
	if err != nil {
		return nil, err
	}
	return s.HostsOf(ctx, ref, e.User, outcomes)
}
