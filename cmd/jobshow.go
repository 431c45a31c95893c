package cmd

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/terminal"
	"tutti/jobs"
	"tutti/output"
	"tutti/scheduler"
	"tutti/store"
)

// shownChanges is how many changes of a job are shown with it.
const shownChanges = 5

type jobShowOptions struct {
	place.Place
	json bool
}

func (o *jobShowOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON: one object with the recorded changes and the newest firings")
	o.AddHistory(f)
}

func newJobShowCmd(std Streams) *cobra.Command {
	o := &jobShowOptions{}
	cmd := &cobra.Command{
		Use:   "show [flags] NAME",
		Short: "Show one job: settings, next firings, results, changes",
		Example: `  tutti job show backup
  tutti job show backup --json | jq .spec`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			return withJobReader(cmd, std, &o.Place, place.WantsHistory, func(s jobReader) error {
				d, err := s.Show(cmd.Context(), name)
				if err != nil {
					return err
				}
				if o.json {
					return writeDetails(std, d)
				}
				if err := printDetails(std, d); err != nil {
					return err
				}
				return warnOfJobs(cmd.Context(), std, s, []jobView{{&d.View}})
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// printDetails prints a job with its past.
func printDetails(std Streams, d *jobs.Details) error {
	if err := std.Print("job %s, %s, version %d, changed by %s at %s\n",
		d.Name, d.State, d.Version, d.UpdatedBy, cli.ClockText(d.UpdatedAt.Local())); err != nil {
		return err
	}
	if d.Pause.By != "" {
		if err := std.Print("%s\n", cli.OneLine(pauseText(&d.StoredJob), maxDiffLine)); err != nil {
			return err
		}
	}
	if d.Broken == nil {
		if err := printJob(std, d); err != nil {
			return err
		}
	}
	var b strings.Builder
	if d.Cost.Runs > 0 {
		fmt.Fprintf(&b, "\nRUNS\n  %s\n", jobView{&d.View}.costText())
		if d.ConsecutiveFailures.Count > 0 {
			fmt.Fprintf(&b, "  %s, consecutive\n", jobView{&d.View}.streakText())
		}
	}
	b.WriteString("\nCHANGES\n")
	writeChanges(&b, d.Changes)
	if len(d.Firings) > 0 {
		b.WriteString("\nFIRINGS\n")
		if err := printFirings(&b, "  ", d.Firings, terminal.Width(std.Out)); err != nil {
			return err
		}
	}
	return std.Print("%s", b.String())
}

// pauseText says who paused a job, when, until when, and why.
func pauseText(k *scheduler.StoredJob) string {
	text := pausedText(k) + " by " + k.Pause.By + " at " + cli.ClockText(k.Pause.At.Local())
	if k.Pause.Note != "" {
		text += ": " + k.Pause.Note
	}
	return text
}

// printJob prints the settings of the job, as in jobs.yaml, and what follows from them.
func printJob(std Streams, d *jobs.Details) error {
	var yaml bytes.Buffer
	if err := scheduler.WriteJobs(&yaml, []scheduler.Job{d.Job}); err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(yaml.String()) {
		if text, ok := strings.CutPrefix(line, "    "); ok { // not "jobs:", nor the name
			b.WriteString("  " + text)
		} else if line == "\n" {
			b.WriteString(line)
		}
	}
	t, err := d.Timing(std.Time())
	if err != nil {
		return err
	}
	text, err := timesText(t, std.Time())
	if err != nil {
		return err
	}
	return std.Print("%s\nTIMES\n%s", b.String(), text)
}

// writeChanges writes the job's changes with their authors, newest first.
func writeChanges(b *strings.Builder, changes []store.JobChange) {
	for i, c := range changes {
		if i == shownChanges {
			fmt.Fprintf(b, "  and %s before\n", count(len(changes)-i, "change"))
			return
		}
		fmt.Fprintf(b, "  version %d, %s: %s by %s\n", c.Version, cli.ClockText(c.At.Local()), c.What, c.User)
		if i+1 == len(changes) || c.Job == nil || changes[i+1].Job == nil {
			continue
		}
		lines, err := jobs.Diff(changes[i+1].Job, c.Job)
		if err != nil {
			continue // that can be seen above
		}
		for _, line := range lines {
			fmt.Fprintf(b, "    %s\n", cli.OneLine(line, maxDiffLine))
		}
	}
}

func writeDetails(std Streams, d *jobs.Details) error {
	form, err := d.Form()
	if err != nil {
		return err
	}
	return output.WriteJSON(std.Out, form)
}
