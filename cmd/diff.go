package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/completion"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/output"
	"tutti/runner"
)

type diffOptions struct {
	outputOptions
	place.Place
	hosts []string
}

func (o *diffOptions) addFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.hosts, "host", nil, "only these `HOSTS`")
}

func (o *diffOptions) addOutputFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one line per group of hosts, unchanged ones included")
	f.BoolVar(&o.raw, "raw", false, "pass colour codes from the hosts to the terminal")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	o.AddHistory(f)
}

func newDiffCmd(std Streams) *cobra.Command {
	o := &diffOptions{outputOptions: newOutputOptions()}
	cmd := &cobra.Command{
		Use:   "diff [flags] RUN [RUN]",
		Short: "Show what changed between two runs, per host",
		Long: `RUN is a number, last (the newest finished run of yours), or last~1 for the one
before it. A single RUN is compared with last. Hosts with the same change are
shown once: the new outcome, and a unified diff of the output of the last attempt if
the command started in both runs. The exit status does not reflect whether there was
a change.`,
		Example: `  tutti diff last~1
  tutti diff 141 142 --host web01.fra
  tutti diff 141 --json | jq -r 'select(.changed).hosts[]'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completion.Runs(std, &o.History, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			switch len(args) {
			case 0:
				return hint(syntaxf("missing run"), "tutti diff last~1 compares the last two")
			case 1:
				args = append(args, "last")
			case 2:
			default:
				return syntaxf("only two runs can be compared: unexpected %q", args[2])
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			return runDiff(cmd.Context(), std, o, remote, args[0], args[1])
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FILTERS", Add: o.addFlags}, help.Group{Title: "OUTPUT", Add: o.addOutputFlags}, o.Group())
	return cmd
}

func runDiff(ctx context.Context, std Streams, o *diffOptions, remote *client.Client, before, after string) error {
	screen := newScreen(std, &o.outputOptions)
	err := place.WithRecords(ctx, std, o.History, remote, screen.warn, func(s runner.Records) error {
		return compare(ctx, std, o, before, after, s, screen)
	})
	if closeErr := screen.close(ctx); err == nil {
		err = closeErr
	}
	return err
}

func compare(ctx context.Context, std Streams, o *diffOptions, before, after string, s runner.Records, screen *screen) (err error) {
	runs := &runner.Comparison{Store: s}
	if runs.Before, err = runner.EndedRun(ctx, s, before, std.UserName()); err != nil {
		return place.UsageOfRun(err)
	}
	if runs.After, err = runner.EndedRun(ctx, s, after, std.UserName()); err != nil {
		return place.UsageOfRun(err)
	}
	if id := runs.Before.ID; id == runs.After.ID {
		return hint(usagef("cannot compare run %d with itself", id), "tutti diff last~1 compares the last two runs")
	}
	pairs, err := runs.Pairs(ctx, o.hosts)
	if err != nil {
		return place.UsageOfRun(err)
	}
	if o.mode.Word != modeJSON {
		screen.say(runLine(runs.Before))
		screen.say(runLine(runs.After))
	}
	comparison := output.NewComparison(screen.opts, runs.Before.ID, runs.After.ID)
	defer func() { err = errors.Join(err, comparison.Close()) }()
	if err := runs.Feed(ctx, pairs, comparison); err != nil {
		return err
	}
	show := comparison.Print
	if o.mode.Word == modeJSON {
		show = comparison.PrintJSON
	}
	if err := show(); err != nil {
		return err
	}
	screen.say(comparison.Summary())
	return nil
}
