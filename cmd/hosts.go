package cmd

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/inventory"
	"tutti/output"
	"tutti/runner"
)

type hostsOptions struct {
	requestOptions
	json    bool
	explain bool
}

func (o *hostsOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one line per host")
	f.BoolVar(&o.explain, "explain", false, "show where each value came from")
	o.flags().addHistory(f)
}

func newHostsCmd(std Streams) *cobra.Command {
	o := &hostsOptions{requestOptions: newRequestOptions()}
	cmd := &cobra.Command{
		Use:   "hosts [flags] [SELECTOR]",
		Short: "List hosts and their settings",
		Long:  selectorHelp,
		Example: `  tutti hosts
  tutti hosts 'web,!web13.fra' --json
  tutti hosts web01.fra --explain`,
		Args:              oneSelector,
		ValidArgsFunction: completeSelector(std, &o.requestOptions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := takeHosts(cmd.Flags(), std.In); err != nil {
				return err
			}
			if err := o.Check(); err != nil {
				return err
			}
			selector := "all"
			if len(args) > 0 {
				if o.Hosts.AdHoc() {
					return syntaxf("-w/--hosts replaces SELECTOR: remove %q", args[0])
				}
				selector = args[0]
			}
			o.Unusable = true
			history := &runner.History{Path: o.Record.History, Getenv: std.Getenv, Warn: std.warn}
			defer history.Close()
			chosen, err := choose(cmd.Context(), std, &o.requestOptions, selector, history)
			if err != nil {
				return err
			}
			for _, w := range chosen.Warnings {
				std.warn(w)
			}
			config, err := std.env().SSHConfig(o.Login.SSHConfig)
			if err != nil {
				return err
			}
			hosts, err := runner.ViewHosts(config, chosen.From, chosen.Hosts, o.explain || o.json)
			if err != nil {
				return err
			}
			for _, w := range config.Warnings() {
				std.warn(w)
			}
			return o.print(std.Out, hosts)
		},
	}
	setHelp(cmd, exitHelpShort,
		flagGroup{"HOSTS", o.flags().addHosts},
		flagGroup{"LOGIN", o.flags().addSSHConfig},
		flagGroup{"OUTPUT", o.addFlags},
	)
	return cmd
}

func (o *hostsOptions) print(w io.Writer, hosts []runner.HostView) error {
	switch {
	case o.json:
		return printHostsJSON(w, hosts, o.explain)
	case o.explain:
		return printHostsExplained(w, hosts)
	}
	return printHostsTable(w, hosts)
}

func printHostsJSON(w io.Writer, hosts []runner.HostView, explain bool) error {
	for _, h := range hosts {
		if err := output.WriteJSON(w, api.NewHost(h, explain)); err != nil {
			return err
		}
	}
	return nil
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
func printHostsTable(w io.Writer, hosts []runner.HostView) error {
	columns := []output.Column{{}, {Least: leastHostColumn}, {Least: leastHostColumn}, {Least: leastHostColumn, Optional: true}}
	if terminal.Is(w) {
		for i, title := range []string{"HOST", "LOGIN", "GROUPS", "LABELS"} {
			columns[i].Title = title
		}
	}
	t := output.NewTable(columns...)
	for _, h := range hosts {
		labels := make([]string, 0, len(h.Labels))
		for _, s := range h.Settings() {
			if name, ok := strings.CutPrefix(string(s.Key), string(inventory.LabelKey(""))); ok {
				labels = append(labels, name+"="+s.Value)
			}
		}
		t.Add(h.Name, loginText(h), strings.Join(h.Groups, ","), strings.Join(labels, ","))
	}
	return t.Write(w, terminal.Width(w))
}

// loginText is the user@address:port of h by the inventory and ssh_config. --explain
// shows why a host cannot be reached at all.
func loginText(h runner.HostView) string {
	if len(h.Unusable) > 0 {
		return "cannot be used"
	}
	text := h.Address
	if text == "" {
		text = runner.HostWord(h.Host)
	}
	if h.Adds(inventory.KeyAddress) {
		text = h.SSH.HostName
	}
	if port := cmp.Or(h.Port, h.SSH.Port); port != 0 {
		text = net.JoinHostPort(text, strconv.Itoa(port))
	}
	if user := cmp.Or(h.User, h.SSH.User); user != "" {
		text = user + "@" + text
	}
	return text
}

// oneSelector refuses more than one argument.
func oneSelector(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return hint(syntaxf("one SELECTOR at a time: unexpected %q", args[1]), "separate items with commas: "+shellWord(strings.Join(args, ",")))
}

// warn shows a warning of a command that has no screen.
func (s Streams) warn(text string) {
	_, _ = fmt.Fprintln(s.Err, warning(text))
}
