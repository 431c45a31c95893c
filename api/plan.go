package api

import (
	"fmt"
	"time"

	"tutti/fanout"
	"tutti/runner"
)

// A Plan is what a run would do: what `--dry-run --json` prints.
type Plan struct {
	// Command is "script FILE" for a script, and empty for a ping.
	Command string `json:"command"`
	// Hosts are in the order in which they are started.
	Hosts []PlanHost `json:"hosts"`
	// Inventory are the files it was read from; empty if none was.
	Inventory string        `json:"inventory"`
	Policy    fanout.Policy `json:"policy"`
	Schema    int           `json:"schema"` // 1
	Selector  string        `json:"selector"`
	// Source is what would start it: "cli", "rerun", "job".
	Source string      `json:"source"`
	Task   fanout.Task `json:"task"`
	Type   string      `json:"type"` // "plan"
	// Warnings are about the decision; absent if there are none, and on the command line,
	// which prints them.
	Warnings []string `json:"warnings,omitempty"`
}

// A PlanHost is a host of a plan, and how it would be reached.
type PlanHost struct {
	Host     string   `json:"host"`
	Address  string   `json:"address"`
	Port     int      `json:"port"`
	User     string   `json:"user"`
	Identity []string `json:"identity,omitempty"` // absent: the usual files and the agent
	// Jump are the hosts that it is reached through; absent if none.
	Jump         string            `json:"jump,omitempty"`
	ProxyCommand string            `json:"proxy_command,omitempty"`
	HostKeys     string            `json:"host_keys"`
	Labels       map[string]string `json:"labels,omitempty"`
	// ConnectTimeoutMS and TimeoutMS are for each attempt; 0: no limit.
	ConnectTimeoutMS int64 `json:"connect_timeout_ms"`
	TimeoutMS        int64 `json:"timeout_ms"`
	Retries          int   `json:"retries"`
	// Gates are the groups of which only so many are run at once, in words.
	Gates []string `json:"gates,omitempty"`
}

// NewPlan is the form of d.
func NewPlan(d *runner.Decision) Plan {
	hosts := make([]PlanHost, len(d.Plan.Targets))
	for i, t := range d.Plan.Targets {
		e := d.Endpoints[i]
		hosts[i] = PlanHost{
			Host: t.Name, Address: e.Address, Port: e.Port, User: e.User,
			Jump: runner.JumpText(e), ProxyCommand: e.ProxyCommand,
			Identity: e.Identities, HostKeys: e.HostKeys.String(), Labels: t.Labels,
			ConnectTimeoutMS: limitMS(t.Limits.ConnectTimeout),
			TimeoutMS:        limitMS(t.Limits.Timeout),
			Retries:          t.Limits.Retries,
		}
		for _, g := range t.Gates {
			hosts[i].Gates = append(hosts[i].Gates, fmt.Sprintf("%s (%d at once)", g.Name, g.Parallel))
		}
	}
	return Plan{
		Type: "plan", Schema: 1, Source: d.Plan.Source, Selector: d.Plan.Selector,
		Command: d.Plan.Task.Label(), Task: d.Plan.Task, Inventory: d.Inventory, Policy: d.Plan.Policy, Hosts: hosts,
	}
}

// limitMS is a limit in milliseconds; one that is shorter is not none.
func limitMS(d time.Duration) int64 {
	if d > 0 {
		return max(1, d.Milliseconds())
	}
	return 0
}
