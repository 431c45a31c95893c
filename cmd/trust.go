package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/completion"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/internal/safefile"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/runner"
	"tutti/ssh"
)

type trustOptions struct {
	*launchOptions
	update bool
}

func (o *trustOptions) addCareFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.update, "update", false, "also replace the known keys of hosts whose key has changed")
	f.BoolVar(&o.yes, "yes", false, "add the keys without asking, even if a security key needs many touches")
}

// addLoginFlags are all but --host-keys, which is what this command is about, and
// --ask-pass: a password is not sent to a host whose key is not known. Nor do its
// connections persist, which accept any key.
func (o *trustOptions) addLoginFlags(f *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Flags().AddLogin(all)
	all.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains([]string{"host-keys", "ask-pass", "persist", "persist-max"}, flag.Name) {
			f.AddFlag(flag)
		}
	})
	f.Lookup("known-hosts").Usage = "read and update known_hosts `FILE` instead of ~/.ssh/known_hosts (default $TUTTI_KNOWN_HOSTS)"
}

func newTrustCmd(c *console) *cobra.Command {
	o := &trustOptions{launchOptions: newLaunchOptions()}
	o.Record.Off = true
	cmd := &cobra.Command{
		Use:   "trust [flags] SELECTOR",
		Short: "Collect host keys, show their fingerprints, and add them to known_hosts when confirmed",
		Long: `tutti attempts a real login on each host, so that intrusion detection does not
mistake it for a scan, and shows the fingerprints of the host keys. Compare them
with the hosts' consoles: nothing is written before you confirm. A host whose key
has changed may be an impostor; its known key stays unless --update is given.

` + request.SelectorHelp,
		Example: `  tutti trust web
  tutti trust --update db3
  tutti trust --yes -w 10.0.0.7`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completion.Selector(c.Streams, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			selector, rest, err := words(cmd, args)
			if err != nil {
				return err
			}
			if wantsHelp(cmd) {
				return helpFor(cmd, args)
			}
			if selector == "" && !cmd.Flags().Changed("hosts") {
				return syntaxf("missing SELECTOR")
			}
			if len(rest) > 0 {
				return syntaxf("tutti trust runs no command: unexpected %q", rest[0])
			}
			if _, err := request.TakeHosts(cmd.Flags(), c.In); err != nil {
				return err
			}
			if err := o.finalize(cmd.Flags(), c.Getenv); err != nil {
				return err
			}
			return runTrust(cmd.Context(), c, o, selector)
		},
	}
	takesFlagsBehind(cmd)
	help.Set(cmd, exitHelp,
		help.Group{Title: "HOSTS", Add: o.Flags().AddHosts},
		help.Group{Title: "LIMITS", Add: o.Flags().AddConnect},
		help.Group{Title: "LOGIN", Add: o.addLoginFlags},
		help.Group{Title: "OUTPUT", Add: o.outputOptions.addPingFlags},
		help.Group{Title: "SAFETY", Add: o.addCareFlags},
	)
	return cmd
}

func runTrust(ctx context.Context, c *console, o *trustOptions, selector string) error {
	if !o.yes && !terminal.Attended() {
		return hint(usagef("no terminal to confirm fingerprints"), "--yes adds the keys without asking")
	}
	t := &keyCollector{update: o.update, yes: o.yes}
	if err := t.collect(ctx, c, o.launchOptions, selector); err != nil {
		return err
	}
	if _, err := fmt.Fprint(c.Out, sanitize.Visible(t.report())); err != nil {
		return err
	}
	return t.confirm(ctx, c.Streams)
}

// A keyCollector collects host keys, and asks before it writes them.
type keyCollector struct {
	update, yes bool
	// trust writes the keys of targets.
	trust func(ctx context.Context, targets []fanout.Target) error
	// plan is the hosts.
	plan *runner.Decision

	fresh, changed, known, silent []presented
}

// presented is a host with what it presented, or why it did not.
type presented struct {
	target fanout.Target
	key    ssh.PresentedKey
	why    string
}

// collect logs in to the hosts. All output of that is written when it returns.
func (t *keyCollector) collect(ctx context.Context, c *console, o *launchOptions, selector string) (err error) {
	screen := newScreen(c.Streams, &o.outputOptions)
	l := c.newLaunch(o, screen)
	defer l.History.Close()
	defer func() { err = errors.Join(err, screen.close(ctx)) }()
	d, err := l.Decide(ctx, selector, fanout.Task{Action: fanout.Ping{}})
	if err != nil {
		return err
	}
	for i := range d.Endpoints {
		d.Endpoints[i].HostKeys = hostkeys.Off // what is presented is what is asked for
	}
	if err := checkLearning(d.Endpoints, l.Env.KnownHosts(o.Login.KnownHosts)); err != nil {
		return err
	}
	client, err := l.Client(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // there is nothing left to lose on it
	results := make([]fanout.Result, len(d.Plan.Targets))
	note := fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind == fanout.TargetFinished {
			results[e.Target.Index] = *e.Result
		}
		return nil
	})
	if _, err := l.Execute(ctx, d.Plan, fanout.Options{Executor: client, Sink: fanout.Tee(note, screen.watch())}); err != nil {
		return err
	}
	if sig := c.interrupts.Signal(); sig != nil {
		return &runner.ExitError{Code: runner.SignalCode(sig)}
	}
	t.trust, t.plan = client.Trust, d
	t.sort(client, d.Plan.Targets, results)
	return nil
}

// checkLearning refuses files that keys cannot be written to.
func checkLearning(endpoints []ssh.Endpoint, usual []string) error {
	checked := make(map[string]bool)
	for i := range endpoints {
		files := endpoints[i].KnownHosts
		if files == nil {
			files = usual
		}
		if len(files) == 0 || checked[files[0]] {
			continue
		}
		checked[files[0]] = true
		if err := safefile.CheckRegular(files[0]); err != nil {
			return hint(usagef("known_hosts: %w", err), "--known-hosts names another file")
		}
	}
	return nil
}

// sort groups the hosts by what is to be done about them.
func (t *keyCollector) sort(client *ssh.Client, targets []fanout.Target, results []fanout.Result) {
	for i, target := range targets {
		key, ok := client.PresentedKey(target)
		p := presented{target: target, key: key}
		switch {
		case !ok:
			p.why = "not tried"
			if f := results[i].Report.Failure; f != nil {
				p.why = string(f.Op) + ": " + f.Message
			}
			t.silent = append(t.silent, p)
		case key.Standing == ssh.KeyUnknown:
			t.fresh = append(t.fresh, p)
		case key.Standing == ssh.KeyChanged:
			t.changed = append(t.changed, p)
		default:
			t.known = append(t.known, p)
		}
	}
}

// report lists the collected keys by what is to be done.
func (t *keyCollector) report() string {
	return section("not trusted yet:", t.fresh, func(p presented) string { return p.key.Type + " " + p.key.Fingerprint }) +
		section("HOST KEY CHANGED: possible impostor:", t.changed, func(p presented) string {
			var b strings.Builder
			for _, k := range p.key.Known {
				fmt.Fprintf(&b, "\n    was %s %s (%s:%d)", k.Type, k.Fingerprint, k.File, k.Line)
			}
			return b.String() + "\n    now " + p.key.Type + " " + p.key.Fingerprint
		}) +
		section("already trusted:", t.known, func(presented) string { return "" }) +
		section("no key:", t.silent, func(p presented) string { return p.why })
}

// section is one part of the report; hosts with the same text share a line.
func section(title string, list []presented, text func(presented) string) string {
	if len(list) == 0 {
		return ""
	}
	alike := map[string][]string{}
	var order []string
	for _, p := range list {
		s := text(p)
		if alike[s] == nil {
			order = append(order, s)
		}
		alike[s] = append(alike[s], p.target.Name)
	}
	var b strings.Builder
	fmt.Fprintln(&b, title)
	for _, s := range order {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %s (%d)  %s", hostlist.Fold(alike[s]), len(alike[s]), s), " "))
	}
	return b.String()
}

// confirm asks, writes, and decides on the exit code.
func (t *keyCollector) confirm(ctx context.Context, std Streams) error {
	take := t.fresh
	if t.update {
		take = slices.Concat(t.fresh, t.changed)
	} else if len(t.changed) > 0 {
		std.Warn(fmt.Sprintf("the known key of %s is kept: --update replaces it", count(len(t.changed), "host")))
	}
	agreed := true
	if len(take) > 0 {
		if !t.yes {
			var err error
			question := fmt.Sprintf("Add the keys of %s to known_hosts? [yes/no] ", count(len(take), "host"))
			if agreed, err = terminal.AskYes(ctx, question); err != nil {
				return err
			}
		}
		if !agreed {
			_ = std.Say("not confirmed: nothing was written") // stderr may be gone
		} else if err := t.write(ctx, std, take); err != nil {
			return err
		}
	}
	switch {
	case len(t.silent) > 0:
		return &runner.ExitError{Code: runner.ExitUnreachable}
	case !agreed, len(t.changed) > 0 && !t.update:
		return &runner.ExitError{Code: runner.ExitFailed}
	}
	return nil
}

func (t *keyCollector) write(ctx context.Context, std Streams, take []presented) error {
	targets := make([]fanout.Target, len(take))
	for i, p := range take {
		targets[i] = p.target
	}
	if err := t.trust(ctx, targets); err != nil {
		return err
	}
	closeConnections(ctx, std, t.plan, targets)
	_, err := fmt.Fprintf(std.Err, "%s written to %s\n", count(len(take), "host"), sanitize.Visible(take[0].key.File))
	return err
}
