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
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/store"
)

type queueOptions struct {
	place.Place
	json bool
}

func (o *queueOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print a line of JSON for each run")
	o.AddHistory(f)
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
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withQueue(cmd, std, &o.Place, place.NoHistory, func(q queue) error {
				return listQueue(cmd.Context(), std, q, o.json)
			})
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	cmd.AddCommand(newQueueMoveCmd(std))
	return cmd
}

// A queue is the runs that run and wait, in a history or on a server.
type queue interface {
	// Queued are the runs that run, then those that wait, in the order of their turn.
	Queued(ctx context.Context) ([]api.QueueItem, error)
	// Move changes the priority of a run that waits, and returns its place.
	Move(ctx context.Context, run int64, priority int) (place int, err error)
}

// withQueue does something with the queue of a history, or of a server.
func withQueue(cmd *cobra.Command, std Streams, p *place.Place, missing place.Missing, do func(queue) error) error {
	remote, err := p.Client(std, cmd)
	if err != nil {
		return err
	}
	if remote != nil {
		defer remote.Close()
		return place.UsageOfRun(do(remote.Queue()))
	}
	err = place.WithHistory(cmd.Context(), std, p.History, missing, "the first run creates it; --history names another", func(s store.Store) error {
		if s == nil {
			return nil
		}
		return do(storedQueue{s})
	})
	return place.UsageOfRun(err)
}

// A storedQueue is the queue of a history.
type storedQueue struct{ s store.Store }

func (q storedQueue) Queued(ctx context.Context) ([]api.QueueItem, error) {
	waiting, err := q.s.Queue().Waiting(ctx)
	if err != nil {
		return nil, err
	}
	running, err := q.s.Runs(ctx, store.Query{Running: true})
	if err != nil {
		return nil, err
	}
	var items []api.QueueItem
	for _, run := range running {
		items = append(items, api.QueueItem{Schema: 1, Type: "queue_item", Run: api.NewRun(run), Daemon: run.Daemon})
	}
	for i := range waiting {
		items = append(items, api.NewQueueItem(&waiting[i], api.NewRun(waiting[i].Run)))
	}
	return items, nil
}

func (q storedQueue) Move(ctx context.Context, run int64, priority int) (int, error) {
	return q.s.Queue().Move(ctx, run, priority)
}

// listQueue lists the runs that run, then those that wait.
func listQueue(ctx context.Context, std Streams, q queue, asJSON bool) error {
	items, err := q.Queued(ctx)
	switch {
	case err != nil:
		return err
	case asJSON:
		return cli.PrintJSON(std.Out, items)
	case len(items) == 0:
		return std.Say("no run is running or waiting")
	}
	return printQueue(std.Out, items, terminal.Width(std.Out))
}

func printQueue(w io.Writer, items []api.QueueItem, width int) error {
	t := output.NewTable(
		output.Column{Title: "RUN"}, output.Column{Title: "PLACE"}, output.Column{Title: "WAITS FOR"}, output.Column{Title: "PRIORITY"},
		output.Column{Title: "HOSTS", Optional: true}, output.Column{Title: "BY", Optional: true},
		output.Column{Title: "SELECTOR", Least: leastSelector}, output.Column{Title: "COMMAND", Least: leastCommand})
	for i := range items {
		q := &items[i]
		place, priority := "-", "-"
		if q.Place > 0 {
			place = strconv.Itoa(q.Place)
		}
		if q.WaitsFor != "" {
			priority = strconv.Itoa(q.Priority)
		}
		command := cli.CommandOf(store.Run{Command: q.Run.Command, Note: q.Run.Note})
		t.Add(strconv.FormatInt(q.Run.Run, 10), place, waitText(q), priority, strconv.Itoa(q.Run.Hosts), q.Run.User,
			q.Run.Selector, strings.Join(strings.Fields(command), " "))
	}
	return t.Write(w, width)
}

// waitText says what a run waits for.
func waitText(q *api.QueueItem) string {
	switch store.Wait(q.WaitsFor) {
	case "":
		return "- (running)"
	case store.WaitStart:
		return "its start, by daemon " + strconv.FormatInt(q.Daemon, 10)
	case store.WaitSecrets:
		return "room in daemon " + strconv.FormatInt(q.Daemon, 10) + ", which has its secrets"
	case store.WaitDaemon:
		return "a daemon: tutti serve"
	}
	return "room in a daemon"
}

func newQueueMoveCmd(std Streams) *cobra.Command {
	o := &place.Place{}
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
			return withQueue(cmd, std, o, place.WantsHistory, func(q queue) error {
				place, err := q.Move(cmd.Context(), id, priority)
				if errors.As(err, new(*store.NotQueuedError)) {
					return hint(usage(err), "tutti queue lists the runs that wait")
				}
				if err != nil {
					return err
				}
				return std.Print("run %d has place %d\n", id, place)
			})
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: func(f *pflag.FlagSet) {
		f.IntVar(&priority, "priority", 0, "`N`: the highest is first, then the oldest; runs have 0")
		o.AddHistory(f)
	}}, o.Group())
	return cmd
}
