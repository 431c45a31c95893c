package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/output"
	"tutti/runner"
	"tutti/ssh/keeper"
)

const keepHelp = `With --persist DURATION, or ControlPersist in ssh_config, connections stay open after a
command for the next one, in a background process that has no keys and no passwords. It
ends with the last of them.`

func newKeepCmd(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keep",
		Short: "List and close the connections that stay open between commands",
		Long:  keepHelp,
		Example: `  tutti run --persist 10m web uptime
  tutti keep list
  tutti keep stop web`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	help.Set(cmd, help.ExitShort)
	cmd.AddCommand(newKeepListCmd(c.Streams), newKeepStopCmd(c), newKeepServeCmd())
	return cmd
}

func newKeepListCmd(std Streams) *cobra.Command {
	json := false
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List the connections that stay open: to which host, since when, until when",
		Example: `  tutti keep list
  tutti keep list --json | jq -r .address`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := keeper.List(cmd.Context(), keeperDirectory(std.Getenv))
			if err != nil && !errors.Is(err, keeper.ErrNone) {
				return err
			}
			if state.Running > 0 && !json {
				if err := std.Say(count(int(state.Running), "command") + " running over others"); err != nil {
					return err
				}
			}
			return listConnections(std, &state, json)
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: func(f *pflag.FlagSet) {
		f.BoolVar(&json, "json", false, "print JSON, one object per line")
	}})
	return cmd
}

// listConnections lists those that wait for the next command.
func listConnections(std Streams, state *keeper.State, json bool) error {
	forms := make([]api.Connection, len(state.Idle))
	for i, c := range state.Idle {
		forms[i] = api.NewConnection(c.Name, c.User, c.Address, c.Port, c.LoggedIn, c.Since, c.Until)
	}
	l := &cli.Roster[api.Connection]{
		Columns: []output.Column{{Title: "HOST"}, {Title: "USER"}, {Title: "ADDRESS"}, {Title: "LOGGED IN"}, {Title: "USED"}, {Title: "UNTIL"}},
		Row: func(c *api.Connection) []string {
			return []string{
				cmp.Or(c.Host, "-"), c.User, net.JoinHostPort(c.Address, strconv.Itoa(c.Port)),
				cli.WhenText(api.AtOf(&c.LoggedIn), "-"), cli.WhenText(api.AtOf(&c.Since), "-"), cli.WhenText(api.AtOf(&c.Until), "-"),
			}
		},
		None: "no connection is open",
	}
	return l.Write(std, forms, json)
}

func newKeepStopCmd(c *console) *cobra.Command {
	o := newLaunchOptions()
	o.Record.Off = true
	cmd := &cobra.Command{
		Use:   "stop [flags] [SELECTOR]",
		Short: "Close the connections that stay open to the selected hosts, or all of them",
		Long: `Running commands go on. Without SELECTOR the background process ends, too, as soon as
they have ended.

` + request.SelectorHelp,
		Example: `  tutti keep stop
  tutti keep stop web`,
		Args:              request.OneSelector,
		ValidArgsFunction: completion.Selector(c.Streams, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := request.TakeHosts(cmd.Flags(), c.In); err != nil {
				return err
			}
			if err := o.Check(); err != nil {
				return err
			}
			if len(args) == 0 && !o.Hosts.AdHoc() {
				return stopKeeping(cmd.Context(), c.Streams, nil)
			}
			if len(args) > 0 && o.Hosts.AdHoc() {
				return syntaxf("-w/--hosts replaces SELECTOR: remove %q", args[0])
			}
			selector := ""
			if len(args) > 0 {
				selector = args[0]
			}
			places, err := placesOf(cmd.Context(), c, o, selector)
			if err != nil {
				return err
			}
			return stopKeeping(cmd.Context(), c.Streams, places)
		},
	}
	help.Set(cmd, help.ExitShort,
		help.Group{Title: "HOSTS", Add: o.Flags().AddHosts},
		help.Group{Title: "LOGIN", Add: o.Flags().AddSSHConfig},
	)
	return cmd
}

// placesOf is where the selected hosts are reached.
func placesOf(ctx context.Context, c *console, o *launchOptions, selector string) ([]keeper.Place, error) {
	screen := newScreen(c.Streams, &o.outputOptions)
	l := c.newLaunch(o, screen)
	defer l.History.Close()
	d, err := l.Decide(ctx, selector, fanout.Task{Action: fanout.Ping{}})
	if err = errors.Join(err, screen.close(ctx)); err != nil {
		return nil, err
	}
	return placesIn(d, d.Plan.Targets), nil
}

// placesIn is where targets of d are reached.
func placesIn(d *runner.Decision, targets []fanout.Target) []keeper.Place {
	places := make([]keeper.Place, len(targets))
	for i, t := range targets {
		e := &d.Endpoints[t.Index]
		places[i] = keeper.Place{Address: e.Address, Port: e.Port}
	}
	return places
}

// closeConnections closes those that stay open to targets of d, whose keys have changed.
func closeConnections(ctx context.Context, std Streams, d *runner.Decision, targets []fanout.Target) {
	_, _, err := keeper.Stop(ctx, keeperDirectory(std.Getenv), placesIn(d, targets))
	if err != nil && !errors.Is(err, keeper.ErrNone) {
		std.Warn("connections that stay open were not closed: " + err.Error())
	}
}

// stopKeeping closes the connections to places; nil: all.
func stopKeeping(ctx context.Context, std Streams, places []keeper.Place) error {
	ended, left, err := keeper.Stop(ctx, keeperDirectory(std.Getenv), places)
	if errors.Is(err, keeper.ErrNone) {
		return std.Say("no connection is open")
	}
	if err != nil {
		return err
	}
	text := count(ended, "connection") + " closed"
	if left.Running > 0 {
		text += ", " + count(int(left.Running), "command") + " running over others"
	}
	return std.Print("%s\n", text)
}

// keepServe is the command that a process in the background runs.
const keepServe = "serve"

func newKeepServeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:    keepServe + " DIRECTORY",
		Short:  "Keep connections open for other commands, which start it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return keeper.ServeInherited(cmd.Context(), args[0], programVersion())
		},
	}
	help.Set(cmd, help.ExitShort)
	return cmd
}

// keeperDirectory is where the process that keeps connections has its socket.
func keeperDirectory(getenv func(string) string) string {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		state = filepath.Join(getenv("HOME"), ".local", "state")
	}
	return keeper.Directory(getenv, filepath.Join(state, "tutti"))
}

// keptVariables are those that the background process gets.
var keptVariables = []string{"HOME", "PATH", "TMPDIR", "LANG", "TZ", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "GOMAXPROCS"}

// persisting is how connections stay open for later commands; nil: this program cannot
// be started again.
func persisting(s Streams) *runner.Persisting {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	p := &runner.Persisting{
		Directory: keeperDirectory(s.Getenv), Version: programVersion(), Program: program,
		Command: []string{"tutti", "keep", keepServe},
	}
	for _, name := range keptVariables {
		if value, set := s.LookupEnv(name); set {
			p.Environment = append(p.Environment, name+"="+value)
		}
	}
	return p
}

// programVersion is equal in two processes if both run this program as it was built: a
// version under development has the name of the one before.
func programVersion() string {
	version := versionText()
	program, err := os.Executable()
	if err != nil {
		return version
	}
	info, err := os.Stat(program)
	if err != nil {
		return version
	}
	return fmt.Sprintf("%s, %d bytes of %s", version, info.Size(), info.ModTime().UTC().Format("2006-01-02T15:04:05.000000000Z"))
}
