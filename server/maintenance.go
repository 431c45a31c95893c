package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

// operations are those that take hosts out of runs, and back.
func (a restOps) operations() []operation.Operation {
	if a.Maintenance == nil {
		return nil
	}
	spec := func(method, id, summary string, status int) operation.Spec {
		return operation.Spec{
			Method: method, Path: "/hosts/{host}/maintenance", ID: id, Summary: summary, Tag: "fleet", Action: access.Maintain,
			Statuses: []int{status}, Problems: []operation.Kind{noHost, noInventory},
		}
	}
	return []operation.Operation{
		operation.Of(spec("PUT", "startMaintenance", "Take a host out of runs, or change until when and why it is", http.StatusOK), a.start),
		operation.Of(spec("DELETE", "stopMaintenance", "Take a host back", http.StatusNoContent), a.stop),
	}
}

func (a restOps) start(ctx context.Context, in *struct {
	HostPath
	Body api.MaintenanceRequest
},
) (*operation.Answer[api.Maintenance], error) {
	rest := store.Rest{Host: in.Host, Note: in.Body.Note}
	var err error
	if rest.Until, err = a.until(in.Body.Until); err != nil {
		return nil, err
	}
	if err := rest.Check(a.Now()); err != nil {
		return nil, err
	}
	if err := a.knowsHost(ctx, in.Host); err != nil {
		return nil, err
	}
	who := by(ctx, a.Now())
	if err := a.Maintenance.Start(ctx, rest, who); err != nil {
		return nil, err
	}
	rest.By, rest.Since = who.Actor, who.At
	return operation.Reply(*api.NewMaintenance(&rest)), nil
}

func (a restOps) stop(ctx context.Context, in *HostPath) (*operation.Answer[operation.Nothing], error) {
	if err := a.knowsHost(ctx, in.Host); err != nil {
		return nil, err
	}
	_, err := a.Maintenance.Stop(ctx, in.Host, by(ctx, a.Now()))
	return operation.Reply(operation.Nothing{}), err
}

// knowsHost is a problem unless the inventory has a host that who asks may see.
func (a restOps) knowsHost(ctx context.Context, name string) error {
	views, err := a.hostViews(ctx, "all")
	if err == nil && !slices.ContainsFunc(views, func(v runner.HostView) bool { return v.Name == name }) {
		err = noHost.Fail("the inventory has no such host")
	}
	return err
}

// until is the time that a body says: one that is to come, or how long from now; zero
// if it is empty.
func (a *API) until(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	now := a.Now()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		var life time.Duration
		life, err = quantity.ParseDuration(text)
		at = now.Add(life)
	}
	if err != nil || !at.After(now) {
		return at, operation.Invalid.Fail("").With(api.At("/until", "want a time that is to come, such as 2026-11-20T14:30:00Z, or how long, such as 2h"))
	}
	return at, nil
}

// addMaintenance says of hosts whether they are in maintenance.
func (a *API) addMaintenance(ctx context.Context, hosts []api.FleetHost) error {
	if a.Maintenance == nil || len(hosts) == 0 {
		return nil
	}
	rests, err := a.Maintenance.Rests(ctx, a.Now())
	if err != nil {
		return err
	}
	byHost := make(map[string]*store.Rest, len(rests))
	for i := range rests {
		byHost[rests[i].Host] = &rests[i]
	}
	for i := range hosts {
		if rest := byHost[hosts[i].Host.Host]; rest != nil {
			hosts[i].Maintenance = api.NewMaintenance(rest)
		}
	}
	return nil
}
