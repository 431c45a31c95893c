package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/typed"
	"tutti/runner"
	"tutti/store"
)

type rerunOptions struct {
	*launchOptions
	outcomes outcomesFlag
}

func (o *rerunOptions) addHostFlags(f *pflag.FlagSet) {
	f.Var(&o.outcomes, "outcome", "the hosts with one of `OUTCOMES`, or all (default: those that are not ok)")
	o.Flags().AddInventory(f)
	f.Lookup("inventory").Usage = "use inventory `FILE` instead of those of RUN; repeatable, later files override"
	o.Flags().AddNarrowing(f)
}

func (o *rerunOptions) addCareFlags(f *pflag.FlagSet) {
	o.launchOptions.addCareFlags(f)
	f.Lookup("yes").Usage += ", and without the hosts that are no longer in the inventory"
	o.addDetachFlag(f)
}

func newRerunCmd(c *console) *cobra.Command {
	o := &rerunOptions{launchOptions: newLaunchOptions()}
	cmd := &cobra.Command{
		Use:   "rerun [flags] RUN",
		Short: "Run a command again, on the hosts that are not ok",
		Long: `RUN is a number, last (your newest finished run, even if it was cut off), or last~1
for the one before it. Command, environment, limits, batches and login are those of
RUN; the hosts are looked up in RUN's inventory files as they are now. Flags given
here replace those of RUN; -e adds variables. Secrets are not recorded: tutti asks
for them again, or takes them from the local environment. A script must still be in
the same place, unchanged.`,
		Example: `  tutti rerun last
  tutti rerun 142 --outcome unreachable,lost --connect-timeout 30s
  tutti rerun 142 --outcome all --batch 1,100%`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completion.Runs(c.Streams, &o.Record.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return hint(syntaxf("missing run"), "tutti rerun last repeats the newest run; tutti history lists runs")
			case 1:
				closeServer, err := o.dialServer(c.Streams, cmd)
				if err != nil {
					return err
				}
				defer closeServer()
				if o.isSubmitted() {
					return rerunThere(cmd.Context(), c, cmd.Flags(), o, args[0])
				}
				return runRerun(cmd.Context(), c, cmd.Flags(), o, args[0])
			}
			return hint(syntaxf("only one run can be repeated, with its own command: unexpected %q", args[1]), "tutti run run:"+args[0]+" runs another one on its hosts")
		},
	}
	help.Set(cmd, exitHelp, append(o.groups(o.addHostFlags, o.Flags().AddCommandTask, o.addCareFlags), o.remote.Group())...)
	return cmd
}

// runRerun repeats the run that ref names.
func runRerun(ctx context.Context, c *console, f *pflag.FlagSet, o *rerunOptions, ref string) error {
	var warnings []string // whether they are shown now depends on the run's own flags
	history := &runner.History{Path: o.Record.History, Getenv: c.Getenv, Warn: c.Warn, Obey: true}
	if o.quiet {
		history.Warn = func(text string) { warnings = append(warnings, text) }
	}
	defer history.Close()
	s, err := history.ForReading(ctx)
	if err != nil {
		return place.UsageOfRun(err)
	}
	again, err := repeatRun(ctx, c, f, o, s, ref, func(text string) { history.Warn(text) })
	if err != nil || again == nil {
		return err
	}
	o.previousHistory, o.previousWarnings = history, warnings
	task, err := taskAgain(ctx, c, s, again.run, again.task)
	if err != nil {
		return err
	}
	defer runner.CloseScript(task)
	return c.launchTask(ctx, o.launchOptions, runner.RunItem(again.run.ID, again.outcomes), task)
}

// An again is a run that is to be repeated, on its hosts with one of the outcomes; nil:
// all.
type again struct {
	run      store.Run
	task     fanout.Task // as it is on record
	outcomes []fanout.Outcome
}

// decidedRuns are runs on record, and how they were decided.
type decidedRuns interface {
	runner.Records
	Decided(ctx context.Context, run int64) (store.Decided, error)
}

// repeatRun finds the run that ref names, and sets in o what it was given. It returns nil
// if there is nothing to repeat, which it has said.
func repeatRun(ctx context.Context, c *console, f *pflag.FlagSet, o *rerunOptions, s decidedRuns, ref string, warn func(string)) (*again, error) {
	run, err := runner.EndedRun(ctx, s, ref, c.UserName())
	if err != nil {
		return nil, place.UsageOfRun(err)
	}
	outcomes, some := o.outcomes.of(run)
	if !some {
		return nil, nothingAgain(c.Streams, run, o)
	}
	decided, err := s.Decided(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	if err := refuseTransferAgain(run, decided.Task, outcomes); err != nil {
		return nil, err
	}
	if err := repeat(c, f, o, run, decided); err != nil {
		return nil, err
	}
	if err := o.finalize(f, c.Getenv); err != nil {
		return nil, err
	}
	if o.Previous, err = runner.PreviousRun(ctx, s, run, outcomes); err != nil {
		return nil, err
	}
	o.Previous.Yes = o.yes
	if open := o.Previous.Running; open != nil {
		warn(fmt.Sprintf("the command of run %d may still be running on %s", run.ID, hostlist.Fold(open)))
	}
	if !o.quiet {
		text := fmt.Sprintf("repeating run %d on %d of %s: %s", run.ID, len(o.Previous.Hosts), count(run.Summary.Hosts, "host"), cli.CommandOf(run))
		_, _ = fmt.Fprintln(c.Err, cli.OneLine(text, maxAgainText)) // an error of stderr has nowhere to go
	}
	return &again{run, decided.Task, outcomes}, nil
}

// taskAgain is the task of run, with the script that it was submitted with, if it was.
func taskAgain(ctx context.Context, c *console, s store.Store, run store.Run, recorded fanout.Task) (fanout.Task, error) {
	kept, err := s.Queue().Script(ctx, run.ID)
	if err != nil {
		return fanout.Task{}, err
	}
	return runner.TaskAgain(ctx, c.In, run, recorded, kept)
}

// maxAgainText bounds the line that says what is repeated, in characters.
const maxAgainText = 200

// nothingAgain reports that run has no hosts to repeat it on.
func nothingAgain(std Streams, run store.Run, o *rerunOptions) error {
	why := "every host is ok"
	if o.outcomes.set {
		why = "no host is " + strings.ReplaceAll(o.outcomes.String(), ",", " or ")
	}
	_, err := fmt.Fprintf(std.Err, "run %d: %s, nothing to repeat\n", run.ID, why)
	return err
}

// repeat sets the flags of run in o, except those that were set again.
func repeat(c *console, f *pflag.FlagSet, o *rerunOptions, run store.Run, decided store.Decided) error {
	model := modelOf(c, decided.Task)
	var wrong error
	f.Visit(func(flag *pflag.Flag) {
		if model.Flags().Lookup(flag.Name) == nil && flag.Name != "outcome" && flag.Name != "yes" && flag.Name != "detach" && !aboutServer(flag) && wrong == nil {
			wrong = syntaxf("--%s: run %d was a tutti %s, which has no such flag", flag.Name, run.ID, model.Name())
		}
	})
	if wrong != nil {
		return wrong
	}
	return o.Repeat(run.ID, decided.Given)
}

// modelOf is the command that makes runs of task.
func modelOf(c *console, task fanout.Task) *cobra.Command {
	switch task.Action.(type) {
	case *fanout.Script:
		return newScriptCmd(c)
	case fanout.Command:
		return newRunCmd(c)
	}
	return newPingCmd(c)
}

// An outcomesFlag is a flag that takes outcomes, or all. Without it, it stands for
// those that are not ok.
type outcomesFlag struct {
	outcomes typed.Outcomes
	set, all bool
}

var (
	_ pflag.Value  = (*outcomesFlag)(nil)
	_ typed.Worded = (*outcomesFlag)(nil)
)

// Set reads a list of outcomes, or all.
func (v *outcomesFlag) Set(s string) error {
	*v = outcomesFlag{set: true, all: s == "all"}
	if v.all {
		return nil
	}
	err := v.outcomes.Set(s)
	if err != nil {
		return errors.New(err.Error() + ", or all")
	}
	return nil
}

func (v *outcomesFlag) String() string {
	if v.all {
		return "all"
	}
	return v.outcomes.String()
}

// Type is the placeholder in help.
func (v *outcomesFlag) Type() string { return v.outcomes.Type() }

// Words are all outcomes, and all.
func (v *outcomesFlag) Words() ([]string, bool) {
	return append(typed.OutcomeWords(fanout.Outcomes()), "all"), true
}

// of returns the chosen outcomes that at least one host of run ended with, nil for all.
// some reports whether there are any hosts.
func (v *outcomesFlag) of(run store.Run) (outcomes []fanout.Outcome, some bool) {
	if v.all {
		return nil, true
	}
	var wanted []fanout.Outcome
	if v.set {
		wanted = v.outcomes
	}
	outcomes = runner.OutcomesAgain(run, wanted)
	return outcomes, outcomes != nil
}
