package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/internal/typed"
	"tutti/runner"
)

// launchOptions are the options of the commands that run on hosts.
type launchOptions struct {
	request.Options
	outputOptions
	dryRun bool
	detach bool
	yes    bool
	exit   typed.Choice

	// remote says which server is asked, there is its client, and serverWords name it on
	// the command line, as they were given. nil: the run is one of this machine.
	remote      place.Server
	there       *client.Client
	serverWords string

	// stdinTaken says that -w @- has read standard input.
	stdinTaken bool
	// previousHistory holds the run that a rerun repeats; previousWarnings are the
	// warnings about it that are still to be shown.
	previousHistory  *runner.History
	previousWarnings []string
}

func newLaunchOptions() *launchOptions {
	return &launchOptions{
		Options:       request.New(),
		outputOptions: newOutputOptions(),
		exit:          typed.Choice{Word: exitByClass, Of: []string{exitByClass, exitByRemote}},
	}
}

// groups are the flags of a command that runs something; hosts, task and care
// add those that are not the same for all such commands.
func (o *launchOptions) groups(hosts, task, care func(*pflag.FlagSet)) []help.Group {
	return []help.Group{
		{Title: "HOSTS", Add: hosts},
		{Title: "TASK", Add: task},
		{Title: "LIMITS", Add: o.Flags().AddLimits},
		{Title: "ROLLING", Add: o.Flags().AddRolling},
		{Title: "LOGIN", Add: o.Flags().AddLogin},
		{Title: "OUTPUT", Add: o.outputOptions.addFlags},
		{Title: "RECORD", Add: o.Flags().AddRecord},
		{Title: "SAFETY", Add: care},
	}
}

func (o *launchOptions) addCareFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be done, without connecting")
	f.BoolVar(&o.yes, "yes", false, "do not ask, even if a security key needs many touches")
	f.Var(&o.exit, "exit", "exit status by `RULE`: class (see EXIT STATUS), remote (the highest status of a command, 255 for a host without one, as with ssh)")
}

// dialServer makes the client of the server that is to be asked, if one is.
func (o *launchOptions) dialServer(std Streams, cmd *cobra.Command) (closeServer func(), err error) {
	if o.there, err = o.remote.Client(std, cmd); err != nil || o.there == nil {
		return func() {}, err
	}
	o.serverWords = o.remote.Words(cmd.Flags())
	return o.there.Close, nil
}

func (o *launchOptions) finalize(f *pflag.FlagSet, getenv func(string) string) error {
	return errors.Join(o.Complete(getenv), o.outputOptions.finalize(f))
}

// launch decides on a plan and executes it. Its error is an ExitError if everything
// has been reported and only the exit code is left.
func (c *console) launch(ctx context.Context, o *launchOptions, selector string, task *runner.PreparedTask) error {
	screen := newScreen(c.Streams, &o.outputOptions)
	screen.exit, screen.checksInput = o.exit.Word, true
	l := c.newLaunch(o, screen)
	if o.Previous != nil {
		l.History = o.previousHistory // which is open
		l.History.Warn = screen.warn
		for _, text := range o.previousWarnings {
			screen.warn(text)
		}
	}
	defer l.History.Close()
	err := decideAndRun(ctx, o, l, screen, selector, task.Task)
	if inputErr := task.Failure(); inputErr != nil && runner.OnlyOutcomes(err) {
		err = inputErr
	}
	return c.finish(ctx, l, screen, err)
}

// decideAndRun is launch up to the point where the result is known.
func decideAndRun(ctx context.Context, o *launchOptions, l *runner.Launch, screen *screen, selector string, task fanout.Task) error {
	d, err := l.Decide(ctx, selector, task)
	if err != nil {
		return err
	}
	if o.dryRun {
		if err := screen.checkInput(d); err != nil {
			return err
		}
		plan := api.NewPlan(d)
		return printPlan(screen.out, &plan, o.mode.Word == modeJSON)
	}
	screen.opts.Again = func(run int64) string { return againText(run, d, o.Record.History) }
	return hintNoRecord(l.Run(ctx, d))
}

// hintNoRecord adds to the error of a run that could not be recorded that there
// is another way.
func hintNoRecord(err error) error {
	if errors.As(err, new(*runner.NoRecordError)) {
		return hint(err, "--no-history runs without a record")
	}
	return err
}

// newLaunch is a launch that is shown on the screen.
func (c *console) newLaunch(o *launchOptions, s *screen) *runner.Launch {
	s.interrupts = c.interrupts
	return &runner.Launch{
		Env: c.Env(), Request: &o.Request, Lookup: &o.Lookup,
		View:     s,
		History:  &runner.History{Path: o.Record.History, Getenv: c.Getenv, Warn: s.warn},
		Prompter: &prompter{interrupts: c.interrupts, yes: o.yes},
		Hint:     cli.Remedies(c.Getenv), Persisting: persisting(c.Streams),
		Logger: s.logger(), Warn: s.warn, Banner: s.banner,
	}
}

// finish shows what is left to show of a launch that ended with err, and records the
// exit code of the process.
func (c *console) finish(ctx context.Context, l *runner.Launch, s *screen, err error) error {
	err = c.closeScreen(ctx, s, err)
	if l.RunID() == 0 {
		return err
	}
	code := codeOf(err, c.interrupts)
	if setErr := l.SetExitCode(ctx, code); setErr != nil && runner.OnlyOutcomes(err) {
		err = setErr
		code = codeOf(err, c.interrupts)
	}
	return &decided{err, code}
}

// closeScreen shows what is left to show of a run that ended with err.
func (c *console) closeScreen(ctx context.Context, s *screen, err error) error {
	if err != nil {
		s.reveal()
	}
	// A reader that does not read is waited for until the operator has enough.
	// What was decided from the hosts' outcomes gives way to a stdout that
	// could not be written to its end.
	if closeErr := s.close(ctx); closeErr != nil && runner.OnlyOutcomes(err) {
		err = closeErr
	}
	return err
}

// againText is the command that repeats a run of d on the hosts that were not ok;
// empty if it could not.
func againText(run int64, d *runner.Decision, history string) string {
	if s, ok := d.Plan.Task.Action.(*fanout.Script); ok && s.Name == "-" {
		return "" // which was read from our standard input
	}
	if _, ok := d.Plan.Task.Action.(*fanout.Transfer); ok {
		return "" // the flags are not on record
	}
	command := fmt.Sprintf("tutti rerun %d", run)
	if history != "" {
		command += " --history " + shellWord(runner.Shown(history))
	}
	return command
}
