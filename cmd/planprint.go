package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"tutti/api"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/sanitize"
	"tutti/internal/typed"
)

// printPlan shows a plan for people, and with asJSON for programs.
func printPlan(w io.Writer, plan *api.Plan, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(plan)
	}
	_, err := io.WriteString(w, planText(plan))
	return err
}

// planText is a plan for people: hosts that are treated alike share a line.
func planText(plan *api.Plan) string {
	var b strings.Builder
	what := "log in"
	if plan.Task.Runs() {
		what = "run " + plan.Task.Label()
	}
	hosts := plan.Hosts
	names := make([]string, len(hosts))
	alike := map[string][]string{}
	var order []string
	for i, h := range hosts {
		names[i] = h.Host
		how := fmt.Sprintf("as %s, port %d, host keys %s, %s, %s, %s",
			h.User, h.Port, h.HostKeys, timeoutText("login", h.ConnectTimeoutMS), timeoutText("command", h.TimeoutMS), count(h.Retries, "retry"))
		if h.Jump != "" {
			how += ", through " + h.Jump
		}
		if h.ProxyCommand != "" {
			how += ", proxy command " + h.ProxyCommand
		}
		for _, g := range h.Gates {
			how += ", gate " + g
		}
		if alike[how] == nil {
			order = append(order, how)
		}
		alike[how] = append(alike[how], h.Host)
	}
	fmt.Fprintf(&b, "would %s\n  on %s (%d), %d at once\n", what, hostlist.Fold(names), len(hosts), min(plan.Policy.Fanout, len(hosts)))
	for _, s := range environmentText(plan.Task) {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for _, line := range policyText(plan.Policy, len(hosts)) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, how := range order {
		fmt.Fprintf(&b, "%s: %s\n", hostlist.Fold(alike[how]), how)
	}
	return sanitize.Visible(b.String())
}

// policyText says, in lines for people, how a plan over so many hosts is executed.
func policyText(p fanout.Policy, hosts int) []string {
	var lines []string
	if len(p.Batches) > 0 {
		line := "in batches of " + (*typed.Shares)(&p.Batches).String() + ", the last size repeats"
		if p.Pause > 0 {
			line += ", " + quantity.FormatDuration(p.Pause) + " between batches"
		}
		lines = append(lines, line)
	}
	if p.MaxFail != nil {
		lines = append(lines, maxFailText(*p.MaxFail, hosts))
	}
	if p.Deadline > 0 {
		lines = append(lines, "deadline "+quantity.FormatDuration(p.Deadline)+" for the whole run")
	}
	return lines
}

// maxFailText says when a plan over so many hosts stops for its failures.
func maxFailText(most fanout.Share, hosts int) string {
	if most.Value == 0 {
		return "stops at the first failure"
	}
	return fmt.Sprintf("starts no more hosts once more than %s of %s are not ok", most, count(hosts, "host"))
}

// timeoutText is the limit of a step, in milliseconds; 0 is none.
func timeoutText(step string, limit int64) string {
	if limit == 0 {
		return "no " + step + " timeout"
	}
	return step + " timeout " + quantity.FormatDuration(time.Duration(limit)*time.Millisecond)
}
