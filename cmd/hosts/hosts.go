// Package hosts has the commands about hosts that connect to none: their settings, and their
// maintenance.
package hosts

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/client"
	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/cmd/internal/request"
	"tutti/internal/fault"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/runner"
)

type hostsOptions struct {
	request.Options
	place.Server
	json    bool
	explain bool
}

func (o *hostsOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one line per host")
	f.BoolVar(&o.explain, "explain", false, "show where each value came from")
	o.Flags().AddHistory(f)
}

// NewCmd makes tutti hosts.
func NewCmd(std cli.Streams) *cobra.Command {
	o := &hostsOptions{Options: request.New()}
	cmd := &cobra.Command{
		Use:   "hosts [flags] [SELECTOR]",
		Short: "List hosts and their settings",
		Long:  request.SelectorHelp,
		Example: `  tutti hosts
  tutti hosts 'web,!web13.fra' --json
  tutti hosts web01.fra --explain`,
		Args:              request.OneSelector,
		ValidArgsFunction: completion.Selector(std, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := request.TakeHosts(cmd.Flags(), std.In); err != nil {
				return err
			}
			if err := o.Check(); err != nil {
				return err
			}
			selector := "all"
			if len(args) > 0 {
				if o.Hosts.AdHoc() {
					return fault.Syntaxf("-w/--hosts replaces SELECTOR: remove %q", args[0])
				}
				selector = args[0]
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			if remote != nil {
				defer remote.Close()
				return listHostsOf(cmd.Context(), std, remote, selector, o)
			}
			o.Unusable = true
			history := &runner.History{Path: o.Record.History, Getenv: std.Getenv, Warn: std.Warn}
			defer history.Close()
			chosen, err := request.Choose(cmd.Context(), std, &o.Options, selector, history)
			if err != nil {
				return err
			}
			for _, w := range chosen.Warnings {
				std.Warn(w)
			}
			config, err := std.Env().SSHConfig(o.Login.SSHConfig)
			if err != nil {
				return err
			}
			hosts, err := runner.ViewHosts(config, chosen.From, chosen.Hosts, o.explain || o.json)
			if err != nil {
				return err
			}
			for _, w := range config.Warnings() {
				std.Warn(w)
			}
			return o.print(std.Out, hosts)
		},
	}
	help.Set(cmd, help.ExitShort,
		help.Group{Title: "HOSTS", Add: o.Flags().AddHosts},
		help.Group{Title: "LOGIN", Add: o.Flags().AddSSHConfig},
		help.Group{Title: "OUTPUT", Add: o.addFlags},
		o.Group(),
	)
	return cmd
}

// listHostsOf lists the hosts of a server.
func listHostsOf(ctx context.Context, std cli.Streams, remote *client.Client, selector string, o *hostsOptions) error {
	for _, name := range []string{"only", "exclude", "limit", "pick"} {
		if o.Given(name) {
			return fault.Hint(fault.Usagef("--%s does not work with a server here", name), "a selector can do the same: 'web,!web13'")
		}
	}
	if o.explain && !o.json {
		return fault.Usagef("--explain needs --json with a server, which tells admins only where settings come from")
	}
	hosts, err := remote.Hosts(ctx, selector)
	if err != nil {
		return place.UsageOfServer(err)
	}
	if !o.explain {
		hideOrigins(hosts)
	}
	if o.json {
		return cli.PrintJSON(std.Out, hosts)
	}
	return printHostsTable(std.Out, hosts)
}

// hideOrigins takes out where settings come from.
func hideOrigins(hosts []api.Host) {
	for i := range hosts {
		hosts[i].Origins = nil
		hideOrigins(hosts[i].Via)
	}
}

// hostForms are the forms of hosts; with explain they say where each value comes from.
func hostForms(hosts []runner.HostView, explain bool) []api.Host {
	forms := make([]api.Host, len(hosts))
	for i, h := range hosts {
		forms[i] = api.NewHost(h, explain)
	}
	return forms
}

func (o *hostsOptions) print(w io.Writer, hosts []runner.HostView) error {
	switch {
	case o.json:
		return cli.PrintJSON(w, hostForms(hosts, o.explain))
	case o.explain:
		return printHostsExplained(w, hosts)
	}
	return printHostsTable(w, hostForms(hosts, false))
}

// printHostsExplained shows each host with a line per value, uncut, with the place that
// it comes from.
func printHostsExplained(w io.Writer, hosts []runner.HostView) error {
	for _, h := range hosts {
		if _, err := fmt.Fprintln(w, sanitize.Visible(h.Name)); err != nil {
			return err
		}
		t := output.NewTable(output.Column{}, output.Column{}, output.Column{})
		t.Indent = "  "
		if len(h.Groups) > 0 {
			t.Add("groups", strings.Join(h.Groups, ", "))
		}
		for _, s := range h.Settings() {
			t.Add(string(s.Key), s.Value, s.Origin.String())
		}
		for _, b := range h.Via {
			for _, s := range b.Settings() {
				t.Add("via "+b.Name+": "+string(s.Key), s.Value, s.Origin.String())
			}
		}
		for _, r := range h.SSH.Refused {
			t.Add("cannot be used", runner.RefusedText(r), r.Origin.String())
		}
		for _, r := range h.Unusable {
			t.Add("cannot be used", r.Reason, r.Origin.String())
		}
		for _, g := range h.Gates {
			t.Add("gate", fmt.Sprintf("%s: %d at once", g.Name, g.Parallel))
		}
		if err := t.Write(w, 0); err != nil {
			return err
		}
	}
	return nil
}

// leastHostColumn is how far a column of the table of hosts is cut.
const leastHostColumn = 10

// printHostsTable shows one line per host, and on a terminal a heading: elsewhere
// each line is a host.
func printHostsTable(w io.Writer, hosts []api.Host) error {
	columns := []output.Column{{}, {Least: leastHostColumn}, {Least: leastHostColumn}, {Least: leastHostColumn, Optional: true}}
	if terminal.Is(w) {
		for i, title := range []string{"HOST", "LOGIN", "GROUPS", "LABELS"} {
			columns[i].Title = title
		}
	}
	t := output.NewTable(columns...)
	for _, h := range hosts {
		labels := make([]string, 0, len(h.Labels))
		for _, name := range slices.Sorted(maps.Keys(h.Labels)) {
			labels = append(labels, name+"="+h.Labels[name])
		}
		t.Add(h.Host, loginText(&h), strings.Join(h.Groups, ","), strings.Join(labels, ","))
	}
	return t.Write(w, terminal.Width(w))
}

// loginText is the user@address:port of h by the inventory and ssh_config. --explain
// shows why a host cannot be reached at all.
func loginText(h *api.Host) string {
	if len(h.Refusals) > 0 {
		return "cannot be used"
	}
	text := cmp.Or(h.Address, strings.Trim(h.Host, "[]"))
	if h.Port != 0 {
		text = net.JoinHostPort(text, strconv.Itoa(h.Port))
	}
	if h.User != "" {
		text = h.User + "@" + text
	}
	return text
}
