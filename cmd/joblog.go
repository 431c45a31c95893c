package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/quantity"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/store"
)

type jobLogOptions struct {
	place.Place
	limit int
	since string
	json  bool
}

func (o *jobLogOptions) addFlags(f *pflag.FlagSet) {
	f.IntVarP(&o.limit, "limit", "n", 20, "show at most `N` firings; 0: all")
	f.StringVar(&o.since, "since", "", "firings since `WHEN`: 2h, 7d, 2026-11-20, 2026-11-20T14:30")
	f.BoolVar(&o.json, "json", false, "print JSON, one line per firing")
	o.AddHistory(f)
}

func newJobLogCmd(std Streams) *cobra.Command {
	o := &jobLogOptions{}
	cmd := &cobra.Command{
		Use:   "log [flags] NAME",
		Short: "Show a job's firing log, newest first, including skipped and missed firings",
		Long: `tutti show RUN shows the output of a run. LAG is how much later than due a run
started. A removed job keeps its log.`,
		Example: `  tutti job log backup
  tutti job log backup --since 7d --json | jq 'select(.decision == "missed")'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			if o.limit < 0 {
				return syntaxf("--limit %d: must not be negative", o.limit)
			}
			q := store.FiringQuery{Job: name, Limit: o.limit}
			if q.Since, err = cli.ParseSince(o.since, std.Time()); err != nil {
				return err
			}
			return withJobReader(cmd, std, &o.Place, place.WantsHistory, func(s jobReader) error {
				return logJob(cmd.Context(), std, s, q, o.json)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// logJob lists the firings of a job.
func logJob(ctx context.Context, std Streams, s jobReader, q store.FiringQuery, asJSON bool) error {
	rows, err := s.Log(ctx, q)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		if asJSON {
			return nil
		}
		return std.Say("no firing of " + q.Job + " yet, or no matching one")
	}
	if asJSON {
		for i := range rows {
			if err := output.WriteJSON(std.Out, api.NewFiring(&rows[i])); err != nil {
				return err
			}
		}
		return nil
	}
	return printFirings(std.Out, "", rows, terminal.Width(std.Out))
}

// printFirings prints a table of firings, for a terminal of that width; 0: for
// none.
func printFirings(w io.Writer, indent string, rows []store.FiringRow, width int) error {
	t := output.NewTable(
		output.Column{Title: "SCHEDULED"}, output.Column{Title: "RUN"}, output.Column{Title: "LAG", Optional: true},
		output.Column{Title: "TOOK", Optional: true}, output.Column{Title: "RESULT", Least: leastResult})
	t.Indent = indent
	for i := range rows {
		f := &rows[i]
		run, took := "-", "-"
		if f.RunID != 0 {
			run = strconv.FormatInt(f.RunID, 10)
		}
		if f.Run != nil {
			took = cli.TookText(*f.Run)
		}
		t.Add(scheduledText(f), run, lagText(f), took, firingResultText(f))
	}
	return t.Write(w, width)
}

// leastResult is how far the result of a firing is cut.
const leastResult = 20

// scheduledText is the scheduled time of a firing, or the first and last of several.
func scheduledText(f *store.FiringRow) string {
	switch {
	case f.Missed.Count > 1:
		return cli.ClockText(f.Missed.First.Local()) + " to " + cli.ClockText(f.Missed.Last.Local())
	case f.Missed.Count == 1:
		return cli.ClockText(f.Missed.First.Local())
	case f.ScheduledAt.IsZero() && f.DecidedAt.IsZero(): // of a firing that cannot be read
		return "unknown"
	case f.ScheduledAt.IsZero():
		return cli.ClockText(f.DecidedAt.Local()) + " manual"
	}
	return cli.ClockText(f.ScheduledAt.Local())
}

func lagText(f *store.FiringRow) string {
	d, ok := api.Lag(f)
	if !ok {
		return "-"
	}
	return quantity.FormatDuration(d.Round(time.Millisecond))
}

// firingResultText is the result of a firing, who started it, and its notifications.
func firingResultText(f *store.FiringRow) string {
	text := firingText(f)
	if f.Run != nil {
		text = cli.ResultText(*f.Run)
		if f.Reason != "" {
			text += "; " + f.Reason
		}
	}
	if f.RequestedBy != "" {
		text += "; started by " + f.RequestedBy
	}
	if f.Repeats != 0 {
		text += fmt.Sprintf("; repeats run %d", f.Repeats)
	}
	for _, n := range lastAttempts(f.Notifications) {
		text += "; " + notificationText(&n)
	}
	return text
}

// lastAttempts are the newest attempts to notify each receiver, in the order of their
// first notifications.
func lastAttempts(all []store.NotificationRow) []store.NotificationRow {
	var last []store.NotificationRow
	for _, n := range all {
		i := slices.IndexFunc(last, func(l store.NotificationRow) bool { return l.Event == n.Event && l.Kind == n.Kind })
		if i < 0 {
			last = append(last, n)
		} else {
			last[i] = n
		}
	}
	return last
}

// notificationText says whether a notification was sent.
func notificationText(n *store.NotificationRow) string {
	switch {
	case n.Error == "":
		return fmt.Sprintf("%s sent (%s)", n.Event, n.Kind)
	case n.Waiting:
		return fmt.Sprintf("%s not sent yet (%s), attempt %d: %s", n.Event, n.Kind, n.Attempt, n.Error)
	}
	return fmt.Sprintf("%s not sent (%s), gave up after attempt %d: %s", n.Event, n.Kind, n.Attempt, n.Error)
}
