package cmd

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/runner"
	"tutti/store"
)

type queueOptions struct {
	history string
	json    bool
}

func (o *queueOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print a line of JSON for each run")
	addHistoryFlag(f, &o.history)
}

func newQueueCmd(std Streams) *cobra.Command {
	o := &queueOptions{}
	cmd := &cobra.Command{
		Use:   "queue [flags]",
		Short: "List the runs that are running or waiting, in the order of their turn",
		Long: `Submitted runs wait until a daemon has room for them (tutti serve --max-runs), the
highest priority first, then the oldest. tutti kill stops one that waits, too.`,
		Example: `  tutti queue
  tutti queue move 142 --priority 5`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: std.warn}
			defer history.Close()
			s, err := history.ForReading(cmd.Context())
			if errors.Is(err, store.ErrNotExist) && o.history == "" {
				return sayNoHistory(std, history)
			}
			if err != nil {
				return usageOfRun(err)
			}
			return listQueue(cmd.Context(), std, s, o.json)
		},
	}
	setHelp(cmd, exitHelpShort, flagGroup{"FLAGS", o.addFlags})
	cmd.AddCommand(newQueueMoveCmd(std))
	return cmd
}

// listQueue lists the runs that run, then those that wait.
func listQueue(ctx context.Context, std Streams, s store.Store, asJSON bool) error {
	waiting, err := s.Queue().Waiting(ctx)
	if err != nil {
		return err
	}
	running, err := s.Runs(ctx, store.Query{Running: true})
	if err != nil {
		return err
	}
	if asJSON {
		var items []api.QueueItem
		for _, run := range running {
			items = append(items, api.QueueItem{Schema: 1, Type: "queue_item", Run: api.NewRun(run), Daemon: run.Daemon})
		}
		for i := range waiting {
			items = append(items, api.NewQueueItem(&waiting[i], api.NewRun(waiting[i].Run)))
		}
		return printJSON(std.Out, items)
	}
	if len(running)+len(waiting) == 0 {
		return std.say("no run is running or waiting")
	}
	return printQueue(std.Out, running, waiting, terminal.Width(std.Out))
}

func printQueue(w io.Writer, running []store.Run, waiting []store.WaitingRun, width int) error {
	t := output.NewTable(
		output.Column{Title: "RUN"}, output.Column{Title: "PLACE"}, output.Column{Title: "WAITS FOR"}, output.Column{Title: "PRIORITY"},
		output.Column{Title: "HOSTS", Optional: true}, output.Column{Title: "BY", Optional: true},
		output.Column{Title: "SELECTOR", Least: leastSelector}, output.Column{Title: "COMMAND", Least: leastCommand})
	add := func(r store.Run, place, waits, priority string) {
		t.Add(strconv.FormatInt(r.ID, 10), place, waits, priority, strconv.Itoa(r.Summary.Hosts), r.User,
			r.Selector, strings.Join(strings.Fields(commandOf(r)), " "))
	}
	for _, r := range running {
		add(r, "-", "- (running)", "-")
	}
	for i := range waiting {
		q := &waiting[i]
		place := "-"
		if q.Place > 0 {
			place = strconv.Itoa(q.Place)
		}
		add(q.Run, place, waitText(q), strconv.Itoa(q.Priority))
	}
	return t.Write(w, width)
}

// waitText says what a run waits for.
func waitText(q *store.WaitingRun) string {
	switch q.For {
	case store.WaitStart:
		return "its start, by daemon " + strconv.FormatInt(q.Owner, 10)
	case store.WaitSecrets:
		return "room in daemon " + strconv.FormatInt(q.Secrets, 10) + ", which has its secrets"
	case store.WaitDaemon:
		return "a daemon: tutti serve"
	}
	return "room in a daemon"
}

func newQueueMoveCmd(std Streams) *cobra.Command {
	var history string
	var priority int
	cmd := &cobra.Command{
		Use:     "move [flags] RUN",
		Short:   "Change the priority of a run that waits",
		Example: `  tutti queue move 142 --priority 5`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !cmd.Flags().Changed("priority") {
				return syntaxf("want one RUN and --priority N")
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return hint(syntaxf("%q is not the number of a run", args[0]), "tutti queue lists the runs that wait")
			}
			return withStore(cmd.Context(), std, history, wantsHistory, func(s store.Store) error {
				place, err := s.Queue().Move(cmd.Context(), id, priority)
				if errors.As(err, new(*store.NotQueuedError)) {
					return hint(usage(err), "tutti queue lists the runs that wait")
				}
				if err != nil {
					return usageOfRun(err)
				}
				return std.print("run %d has place %d\n", id, place)
			})
		},
	}
	setHelp(cmd, exitHelpShort, flagGroup{"FLAGS", func(f *pflag.FlagSet) {
		f.IntVar(&priority, "priority", 0, "`N`: the highest is first, then the oldest; runs have 0")
		addHistoryFlag(f, &history)
	}})
	return cmd
}
