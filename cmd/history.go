package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/hostlist"
	"tutti/internal/terminal"
	"tutti/internal/typed"
	"tutti/output"
	"tutti/runner"
	"tutti/store"
)

type historyOptions struct {
	place.Place
	host     string
	outcomes typed.Outcomes
	since    string
	source   typed.Choice
	user     string
	limit    int
	json     bool
}

func (o *historyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.host, "host", "", "runs that included `HOST`: a name, a pattern, or a group as it is now")
	f.Var(&o.outcomes, "outcome", "runs in which some host, or the one of --host, has one of `OUTCOMES`")
	f.StringVar(&o.since, "since", "", "runs started since `WHEN`: 2h, 7d, 2026-11-20, 2026-11-20T14:30")
	f.Var(&o.source, "source", "runs started by `SOURCE`: cli, rerun, job")
	f.StringVar(&o.user, "user", "", "runs started by `USER`")
	f.IntVarP(&o.limit, "limit", "n", 20, "show at most `N` runs; 0: all")
}

func (o *historyOptions) addOutputFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON, one line per run")
	o.AddHistory(f)
}

func newHistoryCmd(std Streams) *cobra.Command {
	o := &historyOptions{source: typed.Choice{Of: []string{"cli", "copy", "fetch", "rerun", "job"}}}
	cmd := &cobra.Command{
		Use:   "history [flags] [WORD...]",
		Short: "List past runs, newest first; WORDs filter by command or note",
		Example: `  tutti history
  tutti history --since 7d --outcome failed,unreachable
  tutti history --host db1 systemctl restart`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.limit < 0 {
				return syntaxf("--limit %d: must not be negative", o.limit)
			}
			q := store.Query{
				Outcomes: o.outcomes, Source: o.source.Word, User: o.user,
				Words: args, Limit: o.limit,
			}
			var err error
			if q.Since, err = cli.ParseSince(o.since, time.Now()); err != nil {
				return err
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			if remote != nil {
				defer remote.Close()
				return listRunsOf(cmd.Context(), std, remote, q, o)
			}
			history := &runner.History{Path: o.History, Getenv: std.Getenv, Warn: std.Warn}
			defer history.Close()
			return listRuns(cmd.Context(), std, history, q, o)
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FILTERS", Add: o.addFlags}, help.Group{Title: "OUTPUT", Add: o.addOutputFlags}, o.Group())
	cmd.AddCommand(newPruneCmd(std), newHistoryCopyCmd(std))
	return cmd
}

func listRuns(ctx context.Context, std Streams, history *runner.History, q store.Query, o *historyOptions) error {
	var runs []store.Run
	s, err := history.ForReading(ctx)
	if err == nil && o.host != "" {
		q.Hosts, err = hostsInHistory(ctx, std, s, o.host)
	}
	if err == nil {
		runs, err = s.Runs(ctx, q)
	}
	// No history yet is an empty one, unless it was asked for by name.
	if err != nil && (!errors.Is(err, store.ErrNotExist) || history.Path != "") {
		return place.UsageOfRun(err)
	}
	if err != nil {
		return place.SayNoHistory(std, history)
	}
	return showRuns(std, runs, q, o)
}

// listRunsOf is listRuns for a server.
func listRunsOf(ctx context.Context, std Streams, remote *client.Client, q store.Query, o *historyOptions) error {
	if o.host != "" {
		q.Host = o.host
		if names, err := hostlist.Expand(o.host); err != nil || len(names) != 1 || strings.ContainsAny(names[0], "*?[") {
			return usagef("--host: only the name of one host works with a server")
		}
	}
	if slices.ContainsFunc(q.Words, func(word string) bool { return strings.ContainsFunc(word, unicode.IsSpace) }) {
		return usagef("a WORD with spaces does not work with a server: give each word by itself")
	}
	if o.json { // which has what the server alone knows
		forms, err := remote.History().Forms(ctx, q)
		if err != nil {
			return place.UsageOfServer(err)
		}
		return cli.PrintJSON(std.Out, forms)
	}
	runs, err := remote.History().Runs(ctx, q)
	if err != nil {
		return place.UsageOfServer(err)
	}
	return showRuns(std, runs, q, o)
}

// showRuns lists runs as a table, or as JSON.
func showRuns(std Streams, runs []store.Run, q store.Query, o *historyOptions) error {
	if o.json {
		for _, r := range runs {
			if err := output.WriteJSON(std.Out, api.NewRun(r)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(runs) == 0 {
		_, err := fmt.Fprintln(std.Err, noRunsText(q))
		return err
	}
	return printRuns(std.Out, runs, terminal.Width(std.Out))
}

// hostsInHistory are the hosts that had a part in runs and that text means: names,
// ranges and wildcards, groups and labels.
func hostsInHistory(ctx context.Context, std Streams, s store.Store, text string) ([]string, error) {
	patterns, err := hostlist.Expand(text)
	if err != nil {
		return nil, usagef("--host: %w", err)
	}
	hosts, err := std.Env().HostsInHistory(ctx, s, patterns)
	none, ok := errors.AsType[*runner.NoHostError](err)
	if !ok {
		return hosts, err
	}
	if err = fmt.Errorf("--host: %w", err); none.Near != "" {
		return nil, err
	}
	return nil, hint(err, "tutti hosts lists the inventory; $TUTTI_INVENTORY names another")
}

func noRunsText(q store.Query) string {
	if q.Host == "" && q.Hosts == nil && q.Outcomes == nil && q.Since.IsZero() && q.Words == nil && q.Source == "" && q.User == "" {
		return "no runs yet"
	}
	return "no matching runs"
}

// Columns of the table of runs: what a selector and a command are cut to at most.
const (
	leastSelector = 10
	leastCommand  = 16
)

// printRuns prints a table; width is that of the terminal, 0 without one.
func printRuns(w io.Writer, runs []store.Run, width int) error {
	t := output.NewTable(
		output.Column{Title: "RUN"}, output.Column{Title: "STARTED"}, output.Column{Title: "TOOK", Optional: true},
		output.Column{Title: "HOSTS", Optional: true}, output.Column{Title: "RESULT", Least: leastSelector},
		output.Column{Title: "SELECTOR", Least: leastSelector}, output.Column{Title: "COMMAND", Least: leastCommand})
	for _, r := range runs {
		t.Add(strconv.FormatInt(r.ID, 10), cli.ClockText(r.Summary.Started.Local()), cli.TookText(r),
			strconv.Itoa(r.Summary.Hosts), cli.ResultText(r), r.Selector, strings.Join(strings.Fields(cli.CommandOf(r)), " "))
	}
	return t.Write(w, width)
}
