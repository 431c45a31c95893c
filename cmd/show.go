package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/sanitize"
	"tutti/internal/typed"
	"tutti/runner"
	"tutti/store"
)

type showOptions struct {
	outputOptions
	place.Place
	hosts    []string
	outcomes typed.Outcomes
	follow   bool
}

func (o *showOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.hosts, "host", nil, "only these `HOSTS`")
	f.Var(&o.outcomes, "outcome", "only hosts with one of `OUTCOMES`")
	f.BoolVar(&o.follow, "follow", false, "show the run as it goes on, until it ends; Ctrl-C ends the following only")
}

func (o *showOptions) addOutputFlags(f *pflag.FlagSet) {
	f.VarP(&o.mode, "output", "o", "output `MODE`: fold (identical output once), stream (lines), host (a block per host), table (a line per host), json (events), none (the summary)")
	o.addSortFlag(f)
	f.BoolVar(&o.json, "json", false, "the same as -o json")
	o.addTextFlags(f)
	f.BoolVar(&o.noPrefix, "no-prefix", false, "print output without host names")
	f.BoolVar(&o.raw, "raw", false, "pass colour codes from the hosts to the terminal")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	o.AddHistory(f)
}

func newShowCmd(std Streams) *cobra.Command {
	o := &showOptions{outputOptions: newOutputOptions()}
	o.mode.Word = modeFold
	cmd := &cobra.Command{
		Use:   "show [flags] [RUN]",
		Short: "Show one run: results and recorded output",
		Long: `RUN is a number, last (the default: your newest finished run, even if it was cut
off), or last~1 for the one before it. The exit status does not reflect the run's;
see --json. With --follow, last is your newest run, also while it is running; any
process may execute it, and output comes as lines unless -o says otherwise.`,
		Example: `  tutti show
  tutti show 142 --outcome failed,lost
  tutti show last --host web01.fra --no-prefix
  tutti show --follow 142`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completion.Runs(std, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return syntaxf("one run at a time: unexpected %q", args[1])
			}
			if o.follow && o.outcomes != nil {
				return syntaxf("--outcome cannot be combined with --follow: hosts have an outcome once they have ended")
			}
			if (o.noPrefix || o.timestamps || o.follow) && !cmd.Flags().Changed("output") {
				o.mode.Word = modeStream
			}
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			ref := "last"
			if len(args) > 0 {
				ref = args[0]
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			return runShow(cmd.Context(), std, o, remote, ref)
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FILTERS", Add: o.addFlags}, help.Group{Title: "OUTPUT", Add: o.addOutputFlags}, o.Group())
	return cmd
}

func runShow(ctx context.Context, std Streams, o *showOptions, remote *client.Client, ref string) error {
	screen := newScreen(std, &o.outputOptions)
	err := place.WithRecords(ctx, std, o.History, remote, screen.warn, func(s runner.Records) error {
		return replay(ctx, std, o, ref, s, screen)
	})
	if closeErr := screen.close(ctx); err == nil {
		err = closeErr
	}
	return err
}

func replay(ctx context.Context, std Streams, o *showOptions, ref string, s runner.Records, screen *screen) error {
	find := func() (store.Run, error) { return s.Run(ctx, ref, std.UserName()) }
	if o.follow {
		find = func() (store.Run, error) { return followedRun(ctx, std, s, ref) }
	}
	run, err := find()
	if err != nil {
		return place.UsageOfRun(err)
	}
	hosts, err := hostsOf(ctx, s, run, o.hosts)
	if err != nil {
		return place.UsageOfRun(err)
	}
	if o.mode.Word != modeJSON {
		screen.say(runLine(run))
	}
	// Of a run that was followed without an end nothing more will be heard.
	screen.opts.Of, screen.opts.CutOff = run.Summary.Hosts, o.follow || run.State == store.Interrupted
	screen.opts.Queued = run.State == store.Queued
	sink := fanout.Bounded(fanout.Tee(screen.sinks(run.Command == "", codeOfRun(ctx, s, run))...))
	filter := store.Filter{Hosts: hosts, Outcomes: o.outcomes}
	if o.follow {
		err = follow(ctx, s, run.ID, filter, sink, screen)
	} else {
		err = s.Replay(ctx, run.ID, filter, sink)
	}
	if err != nil {
		return place.UsageOfServer(err)
	}
	return screen.lastWord()
}

// recordedCode is the exit code that a run has on record, or had to have.
func recordedCode(run store.Run) int {
	if run.ExitCode != nil {
		return *run.ExitCode
	}
	return runner.ExitCode(run.Summary, nil, nil)
}

// hostsOf are the hosts of run that texts name, by ranges and wildcards; nil without
// texts.
func hostsOf(ctx context.Context, s runner.Records, run store.Run, texts []string) ([]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	patterns, err := hostlist.Expand(strings.Join(texts, ","))
	if err != nil {
		return nil, usagef("--host: %w", err)
	}
	return runner.HostsOfRun(ctx, s, run, patterns)
}

// runLine says which run it is that is shown.
func runLine(r store.Run) string {
	when := cli.ClockText(r.Summary.Started.Local())
	text := fmt.Sprintf("run %d, %s by %s on %s: %s", r.ID, when, r.User, r.Selector, cli.OneLine(cli.CommandOf(r), 300))
	if r.State != store.Finished {
		text += " (" + string(r.State) + ")"
	}
	if r.Reason != "" {
		text += " (not started: " + r.Reason + ")"
	}
	return strings.ReplaceAll(sanitize.Visible(text), "\n", " ")
}
