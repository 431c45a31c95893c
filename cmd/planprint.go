package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/output"
	"tutti/runner"
)

// planHost is a target as a dry run shows it.
type planHost struct {
	Host             string            `json:"host"`
	Address          string            `json:"address"`
	Port             int               `json:"port"`
	User             string            `json:"user"`
	Identity         []string          `json:"identity,omitempty"`
	Jump             string            `json:"jump,omitempty"`
	ProxyCommand     string            `json:"proxy_command,omitempty"`
	HostKeys         string            `json:"host_keys"`
	Labels           map[string]string `json:"labels,omitempty"`
	ConnectTimeoutMS int64             `json:"connect_timeout_ms"`
	TimeoutMS        int64             `json:"timeout_ms"`
	Retries          int               `json:"retries"`
	Gates            []string          `json:"gates,omitempty"`
}

// planJSON is what `--dry-run --json` prints. Its field names are public.
type planJSON struct {
	Command   string        `json:"command"`
	Hosts     []planHost    `json:"hosts"`
	Inventory string        `json:"inventory"`
	Policy    fanout.Policy `json:"policy"`
	Schema    int           `json:"schema"`
	Selector  string        `json:"selector"`
	Source    string        `json:"source"`
	Task      fanout.Task   `json:"task"`
	Type      string        `json:"type"`
}

// printPlan shows d for people, and with asJSON for programs.
func printPlan(w io.Writer, d *runner.Decision, asJSON bool) error {
	hosts := make([]planHost, len(d.Plan.Targets))
	for i, t := range d.Plan.Targets {
		e := d.Endpoints[i]
		hosts[i] = planHost{
			Host: t.Name, Address: e.Address, Port: e.Port, User: e.User,
			Jump: runner.JumpText(e), ProxyCommand: e.ProxyCommand,
			Identity: e.Identities, HostKeys: e.HostKeys.String(), Labels: t.Labels,
			ConnectTimeoutMS: t.Limits.ConnectTimeout.Milliseconds(),
			TimeoutMS:        t.Limits.Timeout.Milliseconds(),
			Retries:          t.Limits.Retries,
		}
		for _, g := range t.Gates {
			hosts[i].Gates = append(hosts[i].Gates, fmt.Sprintf("%s (%d at once)", g.Name, g.Parallel))
		}
	}
	if asJSON {
		return json.NewEncoder(w).Encode(planJSON{
			Type: "plan", Schema: 1, Source: d.Plan.Source, Selector: d.Plan.Selector,
			Command: d.Plan.Task.Command, Task: d.Plan.Task, Inventory: d.Inventory, Policy: d.Plan.Policy, Hosts: hosts,
		})
	}
	_, err := io.WriteString(w, planText(d, hosts))
	return err
}

// planText is d for people: hosts that are treated alike share a line.
func planText(d *runner.Decision, hosts []planHost) string {
	var b strings.Builder
	what := "log in"
	if d.Plan.Task.Command != "" {
		what = "run " + d.Plan.Task.Command
	}
	names := make([]string, len(hosts))
	alike := map[string][]string{}
	var order []string
	for i, h := range hosts {
		names[i] = h.Host
		limits := d.Plan.Targets[i].Limits
		how := fmt.Sprintf("as %s, port %d, host keys %s, login within %s, command within %s, %s",
			h.User, h.Port, h.HostKeys, orNone(limits.ConnectTimeout), orNone(limits.Timeout), count(h.Retries, "retry"))
		if h.Jump != "" {
			how += ", through " + h.Jump
		}
		if h.ProxyCommand != "" {
			how += ", by the command " + h.ProxyCommand
		}
		for _, g := range h.Gates {
			how += ", gate " + g
		}
		if alike[how] == nil {
			order = append(order, how)
		}
		alike[how] = append(alike[how], h.Host)
	}
	fmt.Fprintf(&b, "would %s\n  on %s (%d), %d at once\n", what, hostlist.Fold(names), len(hosts), min(d.Plan.Policy.Fanout, len(hosts)))
	for _, s := range surroundings(d.Plan.Task) {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for _, line := range policyText(d.Plan.Policy, len(hosts)) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, how := range order {
		fmt.Fprintf(&b, "%s: %s\n", hostlist.Fold(alike[how]), how)
	}
	return output.Visible(b.String())
}

// policyText says, in lines for people, how a plan over so many hosts is carried
// out.
func policyText(p fanout.Policy, hosts int) []string {
	var lines []string
	if len(p.Batches) > 0 {
		line := "in batches of " + (*typed.Shares)(&p.Batches).String() + ", the last size repeats"
		if p.Pause > 0 {
			line += ", " + quantity.FormatDuration(p.Pause) + " between two"
		}
		lines = append(lines, line)
	}
	if p.MaxFail != nil {
		lines = append(lines, fmt.Sprintf("begins nothing new once more than %s of %s are not ok", p.MaxFail, count(hosts, "host")))
	}
	if p.Deadline > 0 {
		lines = append(lines, "deadline "+quantity.FormatDuration(p.Deadline)+" for the whole run")
	}
	return lines
}

func orNone(d time.Duration) string {
	if d == 0 {
		return "any time"
	}
	return quantity.FormatDuration(d)
}
