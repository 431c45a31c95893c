package cmd

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/output"
	"tutti/runner"
	"tutti/store"
)

type diffOptions struct {
	outputOptions
	history string
	hosts   []string
}

func (o *diffOptions) addFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.hosts, "host", nil, "only these `HOSTS`")
}

func (o *diffOptions) addOutputFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "one JSON object per group and line, hosts without a change included")
	f.BoolVar(&o.raw, "raw", false, "let colour codes from the hosts pass on a terminal")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	addHistoryFlag(f, &o.history)
}

func newDiffCmd(std Streams) *cobra.Command {
	o := &diffOptions{outputOptions: newOutputOptions()}
	cmd := &cobra.Command{
		Use:   "diff [flags] RUN [RUN]",
		Short: "Show what changed between two runs, per host",
		Long: `RUN is a number, last (the newest finished run of yours), or last~1 for the one
before it. A single RUN is compared with last. Hosts with the same change are
shown once: a new outcome, and how the output of the last attempt differs, as a
unified diff, where the command was started in both runs. The exit status does
not say whether there was a change.`,
		Example: `  tutti diff last~1
  tutti diff 141 142 --host web01.fra
  tutti diff 141 --json | jq -r 'select(.changed).hosts[]'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeRuns(std, &o.history, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			switch len(args) {
			case 0:
				return hint(syntaxf("which runs?"), "tutti diff last~1 compares the last two")
			case 1:
				args = append(args, "last")
			case 2:
			default:
				return syntaxf("two runs at a time: unexpected %q", args[2])
			}
			return runDiff(cmd.Context(), std, o, args[0], args[1])
		},
	}
	setHelp(cmd, exitHelpShort, flagGroup{"FILTERS", o.addFlags}, flagGroup{"OUTPUT", o.addOutputFlags})
	return cmd
}

func runDiff(ctx context.Context, std Streams, o *diffOptions, before, after string) error {
	screen := newScreen(std, &o.outputOptions)
	history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: screen.warn}
	defer history.Close()
	err := compare(ctx, std, o, before, after, history, screen)
	if closeErr := screen.close(ctx); err == nil {
		err = closeErr
	}
	return err
}

func compare(ctx context.Context, std Streams, o *diffOptions, before, after string, history *runner.History, screen *screen) (err error) {
	s, err := history.ForReading(ctx)
	if err != nil {
		return usageOfRun(err)
	}
	d := &comparing{store: s, read: make(map[string]bool)}
	for i, ref := range []string{before, after} {
		if d.runs[i], err = endedRun(ctx, std, s, ref); err != nil {
			return err
		}
	}
	if id := d.runs[0].ID; id == d.runs[1].ID {
		return hint(usagef("run %d does not differ from itself", id), "tutti diff last~1 compares the last two runs")
	}
	pairs, err := d.pairs(ctx, o.hosts)
	if err != nil {
		return err
	}
	if o.mode.Word != modeJSON {
		for _, r := range d.runs {
			screen.say(runLine(r))
		}
	}
	d.comparison = output.NewComparison(screen.opts, d.runs[0].ID, d.runs[1].ID)
	defer func() { err = errors.Join(err, d.comparison.Close()) }()
	for chunk := range slices.Chunk(pairs, comparedHosts) {
		if err := d.add(ctx, chunk); err != nil {
			return err
		}
	}
	show := d.comparison.Print
	if o.mode.Word == modeJSON {
		show = d.comparison.PrintJSON
	}
	if err := show(); err != nil {
		return err
	}
	screen.say(d.comparison.Summary())
	return nil
}

// endedRun is the run that ref names, which must have ended.
func endedRun(ctx context.Context, std Streams, s *store.Store, ref string) (store.Run, error) {
	run, err := s.Run(ctx, ref, std.userName())
	if err != nil {
		return run, usageOfRun(err)
	}
	if run.State == store.Running {
		return run, hint(usagef("run %d is still running", run.ID), "wait until it has ended")
	}
	return run, nil
}

// comparedHosts is how many hosts are read at once from each run.
const comparedHosts = 64

// comparing is one comparison with where its runs come from.
type comparing struct {
	store      *store.Store
	runs       [2]store.Run
	comparison *output.Comparison
	// read are the outputs, as HostPair has them, that the comparison knows.
	read map[string]bool
}

// pairs are the hosts of both runs: those of the second in its order, then
// those of the first only. Names, if there are any, are the only ones wanted.
func (d *comparing) pairs(ctx context.Context, names []string) ([]output.HostPair, error) {
	before, err := d.store.Results(ctx, d.runs[0].ID)
	if err != nil {
		return nil, err
	}
	after, err := d.store.Results(ctx, d.runs[1].ID)
	if err != nil {
		return nil, err
	}
	earlier := make(map[string]*store.HostResult, len(before))
	for i := range before {
		earlier[before[i].Target.Name] = &before[i]
	}
	var pairs []output.HostPair
	for i := range after {
		now := &after[i]
		pair := output.HostPair{Host: now.Target.Name, After: &now.Result}
		if then := earlier[pair.Host]; then != nil {
			pair.Before = &then.Result
			if then.OutputHash != "" && now.OutputHash != "" {
				pair.SameOutput = then.OutputHash == now.OutputHash
				pair.Output = then.OutputHash + now.OutputHash
			}
			delete(earlier, pair.Host)
		}
		pairs = append(pairs, pair)
	}
	for i := range before {
		if name := before[i].Target.Name; earlier[name] != nil {
			pairs = append(pairs, output.HostPair{Host: name, Before: &before[i].Result})
		}
	}
	return d.filter(pairs, names)
}

func (d *comparing) filter(pairs []output.HostPair, names []string) ([]output.HostPair, error) {
	if len(names) == 0 {
		return pairs, nil
	}
	known := make([]string, len(pairs))
	for i, p := range pairs {
		known[i] = p.Host
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		err := usagef("host %q had no part in runs %d and %d", name, d.runs[0].ID, d.runs[1].ID)
		if near := nearest(name, known); near != "" {
			return nil, hint(err, "did you mean "+near+"?")
		}
		return nil, err
	}
	return slices.DeleteFunc(pairs, func(p output.HostPair) bool { return !slices.Contains(names, p.Host) }), nil
}

// add compares hosts. What is known to be the same is not read, and what many
// said only once.
func (d *comparing) add(ctx context.Context, pairs []output.HostPair) error {
	var names []string
	for _, p := range pairs {
		if p.Before == nil || p.After == nil || p.SameOutput || !p.Before.Report.Started || !p.After.Report.Started || d.read[p.Output] {
			continue
		}
		names = append(names, p.Host)
		if p.Output != "" {
			d.read[p.Output] = true
		}
	}
	if len(names) > 0 {
		filter := store.Filter{Hosts: names}
		if err := d.store.Replay(ctx, d.runs[0].ID, filter, d.comparison.Before()); err != nil {
			return err
		}
		if err := d.store.Replay(ctx, d.runs[1].ID, filter, d.comparison.After()); err != nil {
			return err
		}
	}
	for _, p := range pairs {
		if err := d.comparison.Add(p); err != nil {
			return err
		}
	}
	return nil
}
