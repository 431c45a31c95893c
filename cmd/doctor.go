package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/cmd/completion"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/runner"
)

const exitHelpDoctor = `EXIT STATUS
  0    no problems; there may be warnings
  1    a problem on this machine (beats 4)
  2    usage error: flags, selector
  4    login failed on some host
  5    stopped early by the deadline (beats 4)
  129, 130, 143   interrupted by HUP, INT, TERM (beats all)
  141  the reader of stdout closed it`

func newDoctorCmd(c *console) *cobra.Command {
	o := newLaunchOptions()
	cmd := &cobra.Command{
		Use:   "doctor [flags] [SELECTOR]",
		Short: "Check this machine, the inventory and the hosts for problems",
		Long: `The command first checks this machine: open files, inventory, ssh_config, keys,
agent, known_hosts, history, clock. With SELECTOR it then logs in to the hosts as a
run would, opens a session, runs nothing in it, and reports at which step a host
failed. It changes nothing, here or on the hosts, tries no password, and stops at an
address that has refused three logins. It does not test whether a host would run a
command: a login shell or a forced command may refuse it.

` + request.SelectorHelp,
		Example: `  tutti doctor
  tutti doctor web
  tutti doctor --json all | jq 'select(.state == "problem")'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completion.Selector(c.Streams, &o.Request),
		RunE: func(cmd *cobra.Command, args []string) error {
			selector, rest, err := words(cmd, args)
			switch {
			case err != nil:
				return err
			case wantsHelp(cmd):
				return helpFor(cmd, args)
			case len(rest) > 0:
				return request.OneSelector(cmd, append([]string{selector}, rest...))
			}
			if _, err := request.TakeHosts(cmd.Flags(), c.In); err != nil {
				return err
			}
			if err := o.finalize(cmd.Flags(), c.Getenv); err != nil {
				return err
			}
			return runDoctor(cmd.Context(), c, o, selector)
		},
	}
	takesFlagsBehind(cmd)
	help.Set(cmd, exitHelpDoctor,
		help.Group{Title: "HOSTS", Add: o.Flags().AddHosts},
		help.Group{Title: "LIMITS", Add: o.Flags().AddConnect},
		help.Group{Title: "LOGIN", Add: o.Flags().AddLogin},
		help.Group{Title: "OUTPUT", Add: o.addDoctorFlags},
	)
	return cmd
}

// addDoctorFlags are the flags about output that doctor has.
func (o *launchOptions) addDoctorFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one line per check, then the events of the logins")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log each step on stderr")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	f.Var(&o.progress, "progress", "show progress on stderr `WHEN`: auto, always, never")
	o.Flags().AddHistory(f)
}

// A doctor makes the checks, and reports each finding at once.
type doctor struct {
	*runner.Launch
	o      *launchOptions
	screen *screen
	// canAsk says that passphrases can be asked for.
	canAsk bool
	// wanted says that hosts were selected; doctor logs in to them.
	wanted bool
	counts map[api.Finding]int
	// visited counts the findings about hosts, which are no problems of this machine.
	visited map[api.Finding]int
	// broken says that the hosts cannot be tried: this machine has a problem
	// that keeps all of them from being reached.
	broken bool
}

// runDoctor looks at this machine, and with a selector at hosts.
func runDoctor(ctx context.Context, c *console, o *launchOptions, selector string) error {
	o.Record.Off = true
	screen := newScreen(c.Streams, &o.outputOptions)
	d := &doctor{
		Launch: c.newLaunch(o, screen),
		o:      o,
		screen: screen,
		canAsk: terminal.Attended(),
		wanted: selector != "" || o.Hosts.AdHoc(),
		counts: map[api.Finding]int{}, visited: map[api.Finding]int{},
	}
	defer d.History.Close()
	err := d.examine(ctx, selector)
	if closeErr := d.screen.close(ctx); closeErr != nil && (err == nil || errors.As(err, new(*runner.ExitError))) {
		err = closeErr
	}
	return err
}

func (d *doctor) examine(ctx context.Context, selector string) error {
	plan, err := d.checkHere(ctx, selector)
	if err != nil {
		return err
	}
	var summary fanout.Summary
	if d.wanted && !d.broken {
		if summary, err = d.visit(ctx, plan); err != nil {
			return err
		}
	}
	d.summarize(summary)
	if c := d.code(summary); c != runner.ExitOK {
		return &runner.ExitError{Code: c}
	}
	return nil
}

// code is the exit code: a local problem comes before those of hosts.
func (d *doctor) code(s fanout.Summary) int {
	c := runner.ExitCode(s, d.screen.failure(), d.screen.interrupts.Signal())
	if d.counts[api.FindingProblem] > 0 && (c == runner.ExitOK || c == runner.ExitFailed || c == runner.ExitUnreachable || c == runner.ExitStopped) {
		return runner.ExitInternal
	}
	return c
}

// report shows one finding. One that is not ok has a remedy.
func (d *doctor) report(state api.Finding, name, message, remedy string) {
	d.counts[state]++
	if d.o.mode.Word == modeJSON {
		// A stdout that cannot be written shows in the screen's failure.
		_ = output.WriteJSON(d.screen.out, api.NewCheck(name, state, message, remedy))
		return
	}
	d.row(state, name, message, remedy)
}

// row is a finding for people, with further lines under it.
func (d *doctor) row(state api.Finding, name, message string, more ...string) {
	color, reset := "", ""
	if d.screen.opts.StdoutColor {
		color, reset = map[api.Finding]string{api.FindingOK: "\x1b[32m", api.FindingWarning: "\x1b[33m", api.FindingProblem: "\x1b[31m"}[state], "\x1b[0m"
	}
	text := fmt.Sprintf("%s%-7s%s  %-12s  %s\n", color, state, reset, name, indented(message))
	for _, m := range more {
		if m != "" {
			text += margin + indented("fix: "+m) + "\n"
		}
	}
	_, _ = fmt.Fprint(d.screen.out, text) // as above
}

// margin is what stands below the columns of a row.
var margin = strings.Repeat(" ", 23)

// indented is text, whose further lines begin where the first does.
func indented(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = sanitize.Visible(l)
	}
	return strings.Join(lines, "\n"+margin)
}

// ok reports a check without a problem.
func (d *doctor) ok(name, format string, args ...any) {
	d.report(api.FindingOK, name, fmt.Sprintf(format, args...), "")
}

// summarize prints the counts of the findings, on stderr.
func (d *doctor) summarize(s fanout.Summary) {
	n := func(f api.Finding) int { return d.counts[f] + d.visited[f] }
	text := fmt.Sprintf("doctor: %d ok, %s, %s", n(api.FindingOK), count(n(api.FindingWarning), string(api.FindingWarning)), count(n(api.FindingProblem), string(api.FindingProblem)))
	switch {
	case d.wanted && d.broken:
		text += "; no host was contacted"
	case d.wanted:
		text += fmt.Sprintf("; %d of %s accepted the login", s.Counts[fanout.OK], count(s.Hosts, "host"))
	}
	d.screen.say(text)
}
