package hosts

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/cmd/internal/request"
	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/internal/phrase"
	"tutti/internal/quantity"
	"tutti/output"
	"tutti/runner"
	"tutti/store"
)

// NewMaintenanceCmd makes tutti maintenance and what is below it.
func NewMaintenanceCmd(std cli.Streams) *cobra.Command {
	return help.Parent(&cobra.Command{
		Use:   "maintenance COMMAND",
		Short: "Leave hosts out of jobs and of runs over HTTP for a while",
		Long: `A host in maintenance is left out of the firings of jobs, of runs requested over HTTP
and of heartbeats, with a warning. Commands on this machine, such as tutti run, are not
limited by it.`,
		Example: `  tutti maintenance set 'dc=madrid' --until 4h --note 'new switches'
  tutti maintenance list
  tutti maintenance rm 'dc=madrid'`,
	}, newMaintenanceSetCmd(std), newMaintenanceRemoveCmd(std), newMaintenanceListCmd(std))
}

// exitHelpMaintenance is the exit table of these commands.
const exitHelpMaintenance = `EXIT STATUS
  0  done
  1  local error (file, history, disk)
  2  usage error: flags, no such host`

type maintenanceOptions struct {
	request.Options
	until, note string
}

func (o *maintenanceOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.until, "until", "", "end it after, or at, `WHEN`: 2h, 2026-11-20T14:30 (default: when it is removed)")
	f.StringVar(&o.note, "note", "", "say why, in a `TEXT` for others")
	o.Flags().AddHistory(f)
}

func newMaintenanceSetCmd(std cli.Streams) *cobra.Command {
	o := &maintenanceOptions{Options: request.New()}
	cmd := &cobra.Command{
		Use:   "set [flags] SELECTOR",
		Short: "Put hosts into maintenance, or change until when and why they are",
		Example: `  tutti maintenance set web07 --note 'disk is replaced'
  tutti maintenance set 'web,!web01' --until 2h`,
		Args:              request.OneSelector,
		ValidArgsFunction: completion.Selector(std, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := o.names(cmd, std, args)
			if err != nil {
				return err
			}
			rest := store.Rest{Note: o.note}
			if cmd.Flags().Changed("until") {
				if rest.Until, err = quantity.ParseUntil(o.until, std.Time()); err != nil {
					return fault.Syntaxf("--until %w", err)
				}
			}
			if err := rest.Check(std.Time()); err != nil {
				return fault.Usagef("--%w", err)
			}
			return o.with(cmd.Context(), std, place.MakesHistory, func(m store.Maintenance) error {
				return startMaintenance(cmd.Context(), std, m, names, rest)
			})
		},
	}
	help.Set(cmd, exitHelpMaintenance, help.Group{Title: "HOSTS", Add: o.Flags().AddHosts}, help.Group{Title: "FLAGS", Add: o.addFlags})
	return cmd
}

// names are the hosts of the inventory that the words of the command line choose.
func (o *maintenanceOptions) names(cmd *cobra.Command, std cli.Streams, args []string) ([]string, error) {
	if _, err := request.TakeHosts(cmd.Flags(), std.In); err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Hosts.AdHoc() {
		return nil, fault.Usagef("-w/--hosts cannot be used: maintenance is of hosts in the inventory")
	}
	if len(args) == 0 {
		return nil, fault.Hint(fault.Syntaxf("missing SELECTOR"), "tutti hosts lists the hosts")
	}
	o.Unusable = true
	history := &runner.History{Path: o.Record.History, Getenv: std.Getenv, Warn: std.Warn}
	defer history.Close()
	chosen, err := request.Choose(cmd.Context(), std, &o.Options, args[0], history)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(chosen.Hosts))
	for i, h := range chosen.Hosts {
		names[i] = h.Name
	}
	return names, nil
}

// with calls do with the maintenance of the history.
func (o *maintenanceOptions) with(ctx context.Context, std cli.Streams, missing place.Missing, do func(store.Maintenance) error) error {
	return place.WithHistory(ctx, std, o.Record.History, missing, "tutti maintenance set creates the history; --history names another", func(s store.Store) error {
		return do(s.Maintenance())
	})
}

// byHere is who does something on this machine, for the audit.
func byHere(std cli.Streams) access.By {
	return access.By{Actor: "unix:" + std.UserName(), Via: access.ViaLocal, At: std.Time()}
}

func startMaintenance(ctx context.Context, std cli.Streams, m store.Maintenance, names []string, rest store.Rest) error {
	by := byHere(std)
	for _, name := range names {
		rest.Host = name
		if err := m.Start(ctx, rest, by); err != nil {
			return err
		}
	}
	text := "in maintenance"
	if !rest.Until.IsZero() {
		text += " until " + cli.ClockText(rest.Until.Local())
	}
	return std.Print("%s %s: %s\n", phrase.Count(len(names), "host"), text, hostlist.Fold(names))
}

func newMaintenanceRemoveCmd(std cli.Streams) *cobra.Command {
	o := &maintenanceOptions{Options: request.New()}
	cmd := &cobra.Command{
		Use:     "rm [flags] SELECTOR",
		Aliases: []string{"remove", "delete", "del"},
		Short:   "End the maintenance of hosts",
		Example: `  tutti maintenance rm web07
  tutti maintenance rm all`,
		Args:              request.OneSelector,
		ValidArgsFunction: completion.Selector(std, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.with(cmd.Context(), std, place.WantsHistory, func(m store.Maintenance) error {
				return o.end(cmd, std, m, args)
			})
		},
	}
	help.Set(cmd, exitHelpMaintenance, help.Group{Title: "HOSTS", Add: o.Flags().AddHosts}, help.Group{Title: "FLAGS", Add: o.Flags().AddHistory})
	return cmd
}

// end ends the maintenance of hosts. One by its whole name may have left the inventory.
func (o *maintenanceOptions) end(cmd *cobra.Command, std cli.Streams, m store.Maintenance, args []string) error {
	rests, err := m.Rests(cmd.Context(), std.Time())
	if err != nil {
		return err
	}
	resting := func(name string) bool {
		return slices.ContainsFunc(rests, func(r store.Rest) bool { return r.Host == name })
	}
	names := args
	if len(args) != 1 || !resting(args[0]) {
		if names, err = o.names(cmd, std, args); err != nil {
			return err
		}
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !resting(name) })
	for _, name := range names {
		if _, err := m.Stop(cmd.Context(), name, byHere(std)); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return std.Print("nothing to change: none of them is in maintenance\n")
	}
	return std.Print("%s not in maintenance any more: %s\n", phrase.Count(len(names), "host"), hostlist.Fold(names))
}

func newMaintenanceListCmd(std cli.Streams) *cobra.Command {
	o := &maintenanceOptions{Options: request.New()}
	json := false
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List the hosts in maintenance: since when, until when, by whom, why",
		Example: `  tutti maintenance list
  tutti maintenance list --json | jq -r .host`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), std, place.WantsHistory, func(m store.Maintenance) error {
				rests, err := m.Rests(cmd.Context(), std.Time())
				if err != nil {
					return err
				}
				return listMaintenance(std, rests, json)
			})
		},
	}
	help.Set(cmd, exitHelpMaintenance, help.Group{Title: "FLAGS", Add: func(f *pflag.FlagSet) {
		f.BoolVar(&json, "json", false, "print JSON, one object per line")
		o.Flags().AddHistory(f)
	}})
	return cmd
}

func listMaintenance(std cli.Streams, rests []store.Rest, json bool) error {
	forms := make([]api.Maintenance, len(rests))
	for i := range rests {
		forms[i] = *api.NewMaintenance(&rests[i])
	}
	l := &cli.Roster[api.Maintenance]{
		Columns: []output.Column{{Title: "HOST"}, {Title: "SINCE"}, {Title: "UNTIL"}, {Title: "BY"}, {Title: "NOTE", Least: cli.LeastColumn}},
		Row: func(m *api.Maintenance) []string {
			return []string{m.Host, cli.WhenText(api.AtOf(&m.Since), "-"), cli.WhenText(api.AtOf(m.Until), "-"), m.By, cli.OrDash(m.Note)}
		},
		None: "no host is in maintenance",
	}
	return l.Write(std, forms, json)
}
