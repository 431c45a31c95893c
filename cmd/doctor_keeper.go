package cmd

import (
	"context"
	"errors"
	"slices"

	"tutti/api"
	"tutti/runner"
	"tutti/ssh"
	"tutti/ssh/keeper"
)

// checkConnections says to how many of the hosts a connection stays open, if any is to.
func checkConnections(ctx context.Context, d *doctor, plan *runner.Decision) {
	state, err := keeper.List(ctx, keeperDirectory(d.Env.Getenv))
	if err != nil && !errors.Is(err, keeper.ErrNone) {
		d.report(api.FindingWarning, "connections", "no connection stays open: "+err.Error(), "remove what is wrong, or name another directory with XDG_RUNTIME_DIR")
		return
	}
	wanted := slices.ContainsFunc(plan.Endpoints, func(e ssh.Endpoint) bool { return e.Persist > 0 })
	if !wanted && len(state.Idle) == 0 {
		return
	}
	d.ok("connections", "%d of %s connected, for the next command; tutti keep list", connected(plan, &state), count(len(plan.Endpoints), "host"))
}

// connected is how many hosts of the plan have a connection that waits for a command.
func connected(plan *runner.Decision, state *keeper.State) int {
	type login struct {
		place keeper.Place
		user  string
	}
	open := make(map[login]bool, len(state.Idle))
	for _, c := range state.Idle {
		open[login{keeper.Place{Address: c.Address, Port: c.Port}, c.User}] = true
	}
	n := 0
	for i := range plan.Endpoints {
		e := &plan.Endpoints[i]
		if open[login{keeper.Place{Address: e.Address, Port: e.Port}, e.User}] {
			n++
		}
	}
	return n
}
