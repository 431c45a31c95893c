package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"tutti/access"
	"tutti/api"
	"tutti/server/operation"
	"tutti/store"
)

// noController is the problem of a daemon that does not serve the history.
var noController = operation.Kind{
	Name: "no-controller", Title: "There is no such controller", Status: http.StatusNotFound,
	Text: "It has ended, or was never there. Those that serve the history are at /controllers.",
}

// controllerOperations are those about the daemons, and what each of them says.
func (a fleetOps) controllerOperations() []operation.Operation {
	drain := func(method, id, summary string) operation.Spec {
		return operation.Spec{
			Method: method, Path: "/controllers/{controller}/drain", ID: id, Summary: summary, Tag: "fleet", Action: access.Drain,
			Statuses: []int{http.StatusNoContent}, Changes: true, Problems: []operation.Kind{noController},
		}
	}
	return []operation.Operation{
		operation.ListOf(operation.Spec{
			Method: http.MethodGet, Path: "/controllers", ID: "listControllers", Tag: "fleet", Action: access.ReadFleet,
			Summary: "List the daemons that serve the history, with their load, clock and local files",
		}, a.listControllers),
		operation.Of(drain("PUT", "drainController", "Have a daemon start nothing any more; what it executes goes on"), a.drain),
		operation.Of(drain("DELETE", "resumeController", "Have a daemon start runs again"), a.resume),
	}
}

func (a fleetOps) listControllers(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.Controller, string, error) {
	after, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	all, self, err := a.Fleet.Daemons(ctx)
	if err != nil {
		return nil, "", err
	}
	p := principalOf(ctx)
	paths := p.Check(access.Origins) == nil
	var items []api.Controller
	for _, c := range api.NewControllers(all, self) {
		if c.Controller <= after {
			continue
		}
		if len(items) == limit {
			return items, keyOfNumber(items[limit-1].Controller), nil
		}
		if !paths { // those of the daemon's machine are for admins
			c.Files = slices.DeleteFunc(c.Files, func(f api.ControllerFile) bool { return filepath.IsAbs(f.Name) })
		}
		items = append(items, c)
	}
	return items, "", nil
}

// ControllerPath is a daemon in a path, by its number.
type ControllerPath struct {
	Controller int64 `path:"controller" minimum:"1" doc:"a number"`
}

func (a fleetOps) drain(ctx context.Context, in *ControllerPath) (*operation.Answer[operation.Nothing], error) {
	return a.setDrain(ctx, "controller.drain", in.Controller, true)
}

func (a fleetOps) resume(ctx context.Context, in *ControllerPath) (*operation.Answer[operation.Nothing], error) {
	return a.setDrain(ctx, "controller.resume", in.Controller, false)
}

func (a fleetOps) setDrain(ctx context.Context, action string, id int64, drain bool) (*operation.Answer[operation.Nothing], error) {
	ctx = store.Audited(ctx, access.Entry{By: by(ctx, a.Now()), Action: action, Object: fmt.Sprintf("daemon:%d", id)})
	err := a.Fleet.Drain(ctx, id, drain)
	if errors.As(err, new(*store.NoControllerError)) {
		err = noController.Fail(err.Error())
	}
	return operation.Reply(operation.Nothing{}), err
}
