package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"tutti/access"
	"tutti/api"
	"tutti/inventory"
	"tutti/runner"
	"tutti/server/operation"
)

// fleetOperations are those about hosts and daemons.
func (a fleetOps) operations() []operation.Operation {
	spec := func(path, id, summary string, problems ...operation.Kind) operation.Spec {
		return operation.Spec{Method: http.MethodGet, Path: path, ID: id, Summary: summary, Tag: "fleet", Action: access.ReadFleet, Problems: problems}
	}
	return append(a.controllerOperations(),
		operation.ListOf(spec("/hosts", "listHosts", "List the hosts that a selector means, from the daemon's inventory", noInventory, noMatch, localOnly), a.listHosts),
		operation.Of(spec("/hosts/{host}", "getHost", "Show a host of the inventory", noInventory, noHost), a.getHost),
		operation.ListOf(spec("/groups", "listGroups", "List the groups of the inventory", noInventory), a.listGroups),
		operation.ListOf(spec("/labels", "listLabels", "List the labels of the inventory, as name=value", noInventory), a.listLabels),
		operation.ListOf(spec("/daemons", "listDaemons", "List the daemons that serve the history"), a.listDaemons),
	)
}

type listHostsIn struct {
	operation.Page
	Selector string   `query:"selector" maxLength:"4096" doc:"which hosts, as on the command line; all, if it is not given"`
	Health   []string `query:"health" enum:"reachable,unreachable,unknown" doc:"only hosts in one of these states"`
}

func (a fleetOps) listHosts(ctx context.Context, in *listHostsIn, key string, limit int) ([]api.FleetHost, string, error) {
	views, err := a.hostViews(ctx, in.Selector)
	if err != nil {
		return nil, "", err
	}
	if len(in.Health) > 0 {
		if views, err = a.healthy(ctx, views, in.Health); err != nil {
			return nil, "", err
		}
	}
	form := a.hostForm(ctx)
	items, last, err := pageOf(views, key, limit, func(v runner.HostView) string { return v.Name },
		func(v runner.HostView) api.FleetHost { return api.FleetHost{Host: form(v)} })
	if err == nil {
		err = a.addHealth(ctx, items)
	}
	return items, last, err
}

// healthy are the hosts in one of some states.
func (a fleetOps) healthy(ctx context.Context, views []runner.HostView, states []string) ([]runner.HostView, error) {
	if len(views) == 0 {
		return nil, nil
	}
	names := make([]string, len(views))
	for i := range views {
		names[i] = views[i].Name
	}
	health, err := a.Runs.HealthOf(ctx, names)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	var some []runner.HostView
	for i := range views {
		if slices.Contains(states, api.NewHealth(&health[i], now).State) {
			some = append(some, views[i])
		}
	}
	return some, nil
}

// addHealth says of hosts whether they can be reached.
func (a fleetOps) addHealth(ctx context.Context, hosts []api.FleetHost) error {
	if len(hosts) == 0 {
		return nil
	}
	names := make([]string, len(hosts))
	for i := range hosts {
		names[i] = hosts[i].Host.Host
	}
	health, err := a.Runs.HealthOf(ctx, names)
	if err != nil {
		return err
	}
	now := a.Now()
	for i := range hosts {
		hosts[i].Health = api.NewHealth(&health[i], now)
	}
	return a.addMaintenance(ctx, hosts)
}

// hostViews are the hosts of a selector that who asks may see. A selector that means
// hosts out of sight is answered as one that means none, and no name of another host is
// hinted at.
func (a *API) hostViews(ctx context.Context, selector string) ([]runner.HostView, error) {
	everything := selector == "" || selector == "all"
	if everything {
		selector = "all"
	}
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := a.Fleet.Hosts(ctx, selector)
	if visible != nil && errors.As(err, new(*inventory.NoMatchError)) {
		return nil, noMatch.Fail("")
	}
	if err != nil {
		return nil, err
	}
	if visible == nil {
		return hosts.Views, nil
	}
	views := slices.DeleteFunc(hosts.Views, func(v runner.HostView) bool { return !visible(v.Name) })
	if len(views) == 0 && !everything {
		return nil, noMatch.Fail("")
	}
	return views, nil
}

// hostForm is how a host is told to who asks: where its settings come from, and
// what names files and commands of the daemon's machine, to admins only.
func (a *API) hostForm(ctx context.Context) func(runner.HostView) api.Host {
	p := principalOf(ctx)
	whole := p.Check(access.Origins) == nil
	return func(v runner.HostView) api.Host {
		form := api.NewHost(v, whole)
		if !whole {
			form.HidePaths()
		}
		return form
	}
}

// pageOf are the items after the one of a key, at most limit, and the key of the
// last; "" if no more follow. Keys are unique, and stay where they are.
func pageOf[T, F any](all []T, key string, limit int, keyOf func(T) string, form func(T) F) ([]F, string, error) {
	if key != "" {
		at := slices.IndexFunc(all, func(item T) bool { return keyOf(item) == key })
		if at < 0 {
			return nil, "", operation.BadCursor.Fail("what it stands for is not there any more")
		}
		all = all[at+1:]
	}
	last := ""
	if len(all) > limit {
		all = all[:limit]
		last = keyOf(all[limit-1])
	}
	items := make([]F, len(all))
	for i, item := range all {
		items[i] = form(item)
	}
	return items, last, nil
}

// HostPath is a host in a path.
type HostPath struct {
	Host string `path:"host" maxLength:"256" doc:"the name of a host"`
}

func (a fleetOps) getHost(ctx context.Context, in *HostPath) (*operation.Answer[api.FleetHostDetails], error) {
	views, err := a.hostViews(ctx, "all")
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(views, func(v runner.HostView) bool { return v.Name == in.Host })
	if at < 0 {
		return nil, noHost.Fail("the inventory has no such host")
	}
	hosts := []api.FleetHost{{Host: a.hostForm(ctx)(views[at])}}
	if err := a.addHealth(ctx, hosts); err != nil {
		return nil, err
	}
	form := api.FleetHostDetails{FleetHost: hosts[0], Runs: []api.HostRun{}}
	runs, err := a.Runs.HostRuns(ctx, in.Host, shownHostRuns)
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	for i := range runs {
		if p.CheckJob(access.Read, runs[i].Run.Job) == nil {
			form.Runs = append(form.Runs, api.NewHostRun(&runs[i]))
		}
	}
	return operation.Reply(form), nil
}

// shownHostRuns is how many of its newest runs are shown with a host.
const shownHostRuns = 50

type onlyPage struct{ operation.Page }

func (a fleetOps) listGroups(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.Named, string, error) {
	return a.listNames(ctx, key, limit, func(v runner.HostView) []string { return v.Groups })
}

func (a fleetOps) listLabels(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.Named, string, error) {
	return a.listNames(ctx, key, limit, func(v runner.HostView) []string {
		var names []string
		for name, value := range v.Labels {
			names = append(names, name+"="+value)
		}
		return names
	})
}

// listNames lists what the visible hosts have names for, sorted.
func (a fleetOps) listNames(ctx context.Context, key string, limit int, of func(runner.HostView) []string) ([]api.Named, string, error) {
	views, err := a.hostViews(ctx, "")
	if err != nil {
		return nil, "", err
	}
	counts := map[string]int{}
	var names []string
	for _, v := range views {
		for _, name := range of(v) {
			if counts[name] == 0 {
				names = append(names, name)
			}
			counts[name]++
		}
	}
	slices.Sort(names)
	return pageOf(names, key, limit, func(name string) string { return name },
		func(name string) api.Named { return api.Named{Name: name, Hosts: counts[name]} })
}

func (a fleetOps) listDaemons(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.Daemon, string, error) {
	after, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	all, self, err := a.Fleet.Daemons(ctx)
	if err != nil {
		return nil, "", err
	}
	var items []api.Daemon
	for _, c := range all {
		if c.ID <= after {
			continue
		}
		if len(items) == limit {
			return items, keyOfNumber(items[limit-1].Daemon), nil
		}
		items = append(items, api.NewDaemon(c, self))
	}
	return items, "", nil
}
