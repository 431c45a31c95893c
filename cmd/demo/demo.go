// Package demo has the command that shows the program at work on hosts of its own.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/internal/fault"
	"tutti/internal/fleet"
	"tutti/internal/phrase"
	"tutti/runner"
)

// The hosts of the demo that are not like the others.
const (
	demoBroken = "web08.demo"  // has no release file
	demoHung   = "cache3.demo" // reading its release file never ends
	demoDown   = "db4.demo"    // does not respond
	demoOld    = "web03.demo"  // has an older release
)

// A CommandLine executes a command line of this program, and returns its exit code.
type CommandLine func(ctx context.Context, args []string, std cli.Streams) int

type demoOptions struct{ keep, console bool }

func (o *demoOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.keep, "keep", false, "keep the hosts running, to try tutti from a second terminal")
	f.BoolVar(&o.console, "console", false, "serve the console for them, and print its address with a login link")
}

// NewCmd makes tutti demo, whose commands run executes.
func NewCmd(std cli.Streams, run CommandLine) *cobra.Command {
	o := &demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start twenty hosts on this machine and tour tutti on them",
		Long: `The hosts are SSH servers on loopback addresses in this process, with a temporary
key, inventory, known_hosts and history. They run real commands, each in its own
directory; everything is removed at the end.`,
		Example: `  tutti demo
  tutti demo --keep
  tutti demo --console`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.keep && o.console {
				return fault.Syntaxf("--keep and --console cannot be combined")
			}
			return runDemo(cmd.Context(), std, run, o)
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: o.addFlags})
	return cmd
}

func runDemo(ctx context.Context, std cli.Streams, run CommandLine, o *demoOptions) (err error) {
	dir, err := os.MkdirTemp("", "tutti-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site, err := newDemoSite(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.fleet.Close()) }()
	if std.Getenv("TUTTI_SERVER") != "" {
		site.env = append(site.env, [2]string{"TUTTI_SERVER", ""}) // the hosts are here
	}

	switch {
	case o.keep:
		return demoKeep(ctx, std, site)
	case o.console:
		return demoConsole(ctx, std, run, site)
	}
	return demoTour(ctx, std, run, site)
}

// A demoSite is a fleet with everything that a tutti needs to work on it.
type demoSite struct {
	fleet *fleet.Fleet
	dir   string
	// env is what has to be set, in this order.
	env [][2]string
}

func newDemoSite(dir string) (*demoSite, error) {
	key := fleet.NewKey()
	opts := fleet.Options{}
	opts.Authorized = append(opts.Authorized, key.PublicKey())
	for _, name := range demoNames() {
		home := filepath.Join(dir, "hosts", name)
		if err := writeDemoHost(home, name); err != nil {
			return nil, err
		}
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: name, Exec: fleet.Shell(home), Down: name == demoDown})
	}
	f, err := fleet.Start(opts)
	if err != nil {
		return nil, err
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	err = errors.Join(
		key.WriteFile(path("id_ed25519"), ""),
		os.WriteFile(path("known_hosts"), f.KnownHosts(), 0o600),
		os.WriteFile(path("hosts.yaml"), demoInventory(f), 0o600),
	)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &demoSite{fleet: f, dir: dir, env: [][2]string{
		{"TUTTI_INVENTORY", path("hosts.yaml")},
		{"TUTTI_KNOWN_HOSTS", path("known_hosts")},
		{"TUTTI_HISTORY", path("history.db")},
	}}, nil
}

func demoNames() []string {
	var names []string
	for i := 1; i <= 12; i++ {
		names = append(names, fmt.Sprintf("web%02d.demo", i))
	}
	for _, kind := range []string{"cache", "db"} {
		for i := 1; i <= 4; i++ {
			names = append(names, fmt.Sprintf("%s%d.demo", kind, i))
		}
	}
	return names
}

// writeDemoHost makes the directory in which a host's commands run.
func writeDemoHost(home, name string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	release := filepath.Join(home, "release")
	switch name {
	case demoBroken:
		return nil
	case demoHung:
		return syscall.Mkfifo(release, 0o600)
	case demoOld:
		return os.WriteFile(release, []byte("4.1.9\n"), 0o600)
	}
	return os.WriteFile(release, []byte("4.2.0\n"), 0o600)
}

func demoInventory(f *fleet.Fleet) []byte {
	var b strings.Builder
	b.WriteString("defaults: {user: demo, identity: id_ed25519, connect_timeout: 5s, jump: none}\nhosts:\n")
	for _, name := range demoNames() {
		addr, port := f.Endpoint(name)
		fmt.Fprintf(&b, "  %s: {address: %s, port: %d}\n", name, addr, port)
	}
	b.WriteString(`groups:
  web:   {hosts: ["web[01-12].demo"], labels: {tier: front}}
  cache: {hosts: ["cache[1-4].demo"], labels: {tier: back}}
  db:    {hosts: ["db[1-4].demo"], labels: {tier: back}, parallel: 1}
`)
	return []byte(b.String())
}

// A demoStep is one command of the tour.
type demoStep struct {
	say  string
	args []string
	code int // with which it has to end
}

var demoSteps = []demoStep{
	{
		"twenty hosts in three groups:",
		[]string{"hosts", "db"},
		runner.ExitOK,
	},
	{
		"a command on all hosts of a group in parallel, output line by line:",
		[]string{"run", "web[01-04].demo", `echo "$HOSTNAME runs release $(cat release)"`},
		runner.ExitOK,
	},
	{
		"on every host, identical output shown once. One host fails, one is down, one hangs until its timeout:",
		[]string{"run", "-b", "-t", "4s", "all", "cat", "release"},
		runner.ExitUnreachable,
	},
	{
		"every run is recorded; the results of the hosts that are not ok:",
		[]string{"show", "last", "--outcome", "failed,timeout,unreachable"},
		runner.ExitOK,
	},
	{
		"the same hosts, as a selector:",
		[]string{"ping", "run:last:failed+timeout"},
		runner.ExitOK,
	},
	{
		"all runs so far:",
		[]string{"history"},
		runner.ExitOK,
	},
}

func demoTour(ctx context.Context, std cli.Streams, run CommandLine, site *demoSite) error {
	for _, step := range demoSteps {
		_, _ = fmt.Fprintf(std.Err, "\n# %s\n$ tutti %s\n", step.say, phrase.ShellWords(step.args))
		code := run(ctx, step.args, site.streams(std))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if code != step.code {
			return fmt.Errorf("the tour failed: tutti %s ended with exit status %d, not %d",
				phrase.ShellWords(step.args), code, step.code)
		}
	}
	_, err := fmt.Fprintln(std.Err, "\n# end of the tour; `tutti demo --keep` keeps the hosts running to try tutti on, `tutti help run` explains tutti run")
	return err
}

// streams are s with the environment of the site.
func (d *demoSite) streams(s cli.Streams) cli.Streams {
	outer := s.Getenv
	s.Getenv = func(key string) string {
		for _, kv := range d.env {
			if kv[0] == key {
				return kv[1]
			}
		}
		if key == "SSH_AUTH_SOCK" {
			return "" // the operator's own keys are not needed here
		}
		return outer(key)
	}
	return s
}

// demoKeep says how to use the site and waits for a signal.
func demoKeep(ctx context.Context, std cli.Streams, site *demoSite) error {
	for _, kv := range site.env {
		if _, err := fmt.Fprintf(std.Out, "export %s=%s\n", kv[0], phrase.ShellWord(kv[1])); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(std.Err, "# twenty hosts are up: paste the lines above into a second terminal, then try\n"+
		"#   tutti hosts\n#   tutti run -b -t 4s all cat release\n#   tutti show last\n# Ctrl-C here stops the hosts")
	<-ctx.Done()
	return context.Cause(ctx)
}
