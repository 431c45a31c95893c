package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/quantity"
	"tutti/internal/terminal"
	"tutti/internal/typed"
	"tutti/jobs"
	"tutti/output"
	"tutti/scheduler"
	"tutti/store"
)

type jobListOptions struct {
	place.Place
	json  bool
	state typed.Choice
}

func (o *jobListOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.state, "state", "only jobs in `STATE`: ok, failing, running, paused, over, broken")
	f.BoolVar(&o.json, "json", false, "print JSON, one line per job")
	o.AddHistory(f)
}

func newJobListCmd(std Streams) *cobra.Command {
	o := &jobListOptions{state: typed.Choice{Of: jobStates()}}
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List jobs: state, next firing, last result, disk use",
		Example: `  tutti job list
  tutti job list --state failing
  tutti job list --json | jq -r 'select(.failures >= 3).job'`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withJobReader(cmd, std, &o.Place, place.NoHistory, func(s jobReader) error {
				return listJobs(cmd.Context(), std, s, o)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// jobStates are the words of the states.
func jobStates() []string {
	var words []string
	for _, state := range jobs.States() {
		words = append(words, string(state))
	}
	return words
}

// A jobView is a job in words.
type jobView struct{ *jobs.View }

// listJobs lists all jobs, or those in a state.
func listJobs(ctx context.Context, std Streams, s jobReader, o *jobListOptions) error {
	all, err := s.List(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		if o.json {
			return nil
		}
		return std.Say("no jobs yet; add one with tutti job add")
	}
	var views []jobView
	for i := range all {
		if all[i].In(jobs.State(o.state.Word)) {
			views = append(views, jobView{&all[i]})
		}
	}
	if o.json {
		return writeJobs(std, views)
	}
	if err := printJobs(std, views); err != nil {
		return err
	}
	return warnOfJobs(ctx, std, s, views)
}

// printJobs prints a table.
func printJobs(std Streams, views []jobView) error {
	if len(views) == 0 {
		return std.Say("no matching jobs")
	}
	t := output.NewTable(
		output.Column{Title: "JOB"}, output.Column{Title: "STATE"}, output.Column{Title: "SCHEDULE", Least: cli.LeastColumn},
		output.Column{Title: "NEXT"}, output.Column{Title: "LAST", Least: cli.LeastColumn},
		output.Column{Title: "FAILURES", Optional: true}, output.Column{Title: "RUNS", Optional: true})
	for i := range views {
		v := views[i]
		t.Add(v.Name, string(v.State), v.scheduleText(), v.nextText(), v.lastText(), v.streakText(), v.costText())
	}
	return t.Write(std.Out, terminal.Width(std.Out))
}

func (v jobView) scheduleText() string {
	if len(v.Schedules) == 0 {
		return "-"
	}
	return strings.Join(v.Schedules, "; ")
}

func (v jobView) nextText() string {
	if v.Paused {
		return pausedText(&v.StoredJob)
	}
	if v.Next.At.IsZero() {
		return "-"
	}
	return cli.ClockText(v.Next.At)
}

// lastText says how the last run went, and what was decided since if that was
// no run.
func (v jobView) lastText() string {
	switch {
	case v.Last == nil:
		return "-"
	case v.Ran == nil || v.Ran.ID == v.Last.ID:
		return firingText(v.Last)
	}
	return firingText(v.Ran) + "; then " + firingText(v.Last)
}

func (v jobView) streakText() string {
	if v.ConsecutiveFailures.Count == 0 {
		return "-"
	}
	text := count(v.ConsecutiveFailures.Count, "failure")
	if since := v.ConsecutiveFailures.Since; !since.IsZero() {
		text += " since " + since.Local().Format("2006-01-02 15:04:05 MST")
	}
	return text
}

func (v jobView) costText() string {
	if v.Cost.Runs == 0 {
		return "-"
	}
	return count(v.Cost.Runs, "run") + ", " + quantity.FormatSize(v.Cost.Bytes)
}

// warnOfJobs warns of jobs that need attention.
func warnOfJobs(ctx context.Context, std Streams, s jobReader, views []jobView) error {
	if err := s.AnnounceFewerDays(ctx, store.InList, func(names []string) { std.Warn(cli.FewerDaysText(names)) }); err != nil {
		return err
	}
	waiting := false
	for i := range views {
		v := views[i]
		if v.Wrong != "" {
			std.Warn(fmt.Sprintf("job %s is broken: %s", v.Name, v.Wrong))
		}
		if v.Alarm != "" {
			std.Warn(fmt.Sprintf("job %s: %s", v.Name, v.Alarm))
		}
		waiting = waiting || !v.Next.At.IsZero()
	}
	if !waiting {
		return nil
	}
	served, err := s.Served(ctx)
	if err == nil && !served {
		std.Warn("no tutti serve is running on this history: no job will fire")
	}
	return err
}

// writeJobs writes a line of JSON for each job.
func writeJobs(std Streams, views []jobView) error {
	for i := range views {
		j, err := views[i].Form()
		if err == nil {
			err = output.WriteJSON(std.Out, j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firingText is the result of a firing, on one line.
func firingText(f *store.FiringRow) string {
	what := f.Decision.String()
	switch {
	case f.Run != nil:
		return fmt.Sprintf("run %d: %s", f.RunID, cli.ResultText(*f.Run))
	case f.RunID != 0:
		return fmt.Sprintf("run %d, deleted since", f.RunID)
	case f.Decision == scheduler.Run:
		return "starting"
	case f.Missed.Count > 1:
		what = strconv.Itoa(f.Missed.Count) + " " + what
		if f.Missed.More {
			what = "more than " + what
		}
	}
	if f.Reason != "" {
		what += ": " + f.Reason
	}
	return what
}
