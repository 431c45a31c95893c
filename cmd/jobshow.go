package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/output"
	"tutti/scheduler"
	"tutti/store"
)

// How much of a job's past is shown with it.
const (
	shownChanges = 5
	shownPast    = 10
)

type jobShowOptions struct {
	history string
	json    bool
}

func (o *jobShowOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "a JSON object, with what is kept of changes and the newest firings")
	addHistoryFlag(f, &o.history)
}

func newJobShowCmd(std Streams) *cobra.Command {
	o := &jobShowOptions{}
	cmd := &cobra.Command{
		Use:   "show [flags] NAME",
		Short: "Show one job: settings, next firings, results, changes",
		Example: `  tutti job show backup
  tutti job show backup --json | jq .spec`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.history, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			return withJobs(cmd.Context(), std, o.history, wantsHistory, func(s *store.Store) error {
				p, err := portray(cmd.Context(), std, s, name)
				if err != nil {
					return err
				}
				if o.json {
					return p.writeJSON(std)
				}
				if err := p.print(std); err != nil {
					return err
				}
				return warnOfJobs(cmd.Context(), std, s, []jobView{p.jobView})
			})
		},
	}
	setHelp(cmd, exitHelpJob, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// A portrait is a job with its past.
type portrait struct {
	jobView
	firings []store.FiringRow
	changes []store.JobChange
}

// portray looks at the job of that name from all sides.
func portray(ctx context.Context, std Streams, s *store.Store, name string) (*portrait, error) {
	kept, err := s.Job(ctx, name)
	if errors.As(err, new(*store.NoJobError)) {
		return nil, removedJob(ctx, s, name, err)
	}
	if err != nil {
		return nil, err
	}
	jobs := []scheduler.Kept{kept}
	if err := s.CountEnded(ctx, jobs); err != nil {
		return nil, err
	}
	kept = jobs[0]
	costs, err := s.JobCosts(ctx)
	if err != nil {
		return nil, err
	}
	p := &portrait{}
	if p.jobView, err = viewJob(ctx, s, kept, costs, std.now()); err != nil {
		return nil, err
	}
	firings, err := s.Firings(ctx, store.FiringQuery{Job: name, Limit: shownPast})
	if err != nil {
		return nil, err
	}
	for _, f := range firings {
		if f.JobID == kept.ID {
			p.firings = append(p.firings, f)
		}
	}
	changes, err := s.JobChanges(ctx, name)
	for _, c := range changes {
		if c.JobID == kept.ID {
			p.changes = append(p.changes, c)
		}
	}
	return p, err
}

// removedJob is err, unless there once was a job of that name.
func removedJob(ctx context.Context, s *store.Store, name string, err error) error {
	changes, changesErr := s.JobChanges(ctx, name)
	if changesErr != nil || len(changes) == 0 {
		return err
	}
	last := &changes[0]
	return hint(usagef("job %s was %s by %s at %s", name, last.What, last.User, clockText(last.At.Local())),
		"tutti job log "+name+" lists what it did")
}

func (p *portrait) print(std Streams) error {
	if err := std.print("job %s, %s, version %d, changed by %s at %s\n",
		p.Name, p.state, p.Version, p.UpdatedBy, clockText(p.UpdatedAt.Local())); err != nil {
		return err
	}
	if p.Broken == nil {
		if err := p.printJob(std); err != nil {
			return err
		}
	}
	var b strings.Builder
	if p.cost.Runs > 0 {
		fmt.Fprintf(&b, "\nHISTORY\n  %s\n", p.costText())
		if p.Streak.Failures > 0 {
			fmt.Fprintf(&b, "  %s in a row\n", p.streakText())
		}
	}
	b.WriteString("\nCHANGES\n")
	p.writeChanges(&b)
	if len(p.firings) > 0 {
		b.WriteString("\nFIRINGS\n")
		if err := printFirings(&b, "  ", p.firings, terminalWidth(std.Out)); err != nil {
			return err
		}
	}
	return std.print("%s", b.String())
}

// printJob prints what stands in jobs.yaml, and what follows from it.
func (p *portrait) printJob(std Streams) error {
	var yaml bytes.Buffer
	if err := scheduler.WriteJobs(&yaml, []scheduler.Job{p.Job}); err != nil {
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
	t, err := p.Timing(std.now())
	if err != nil {
		return err
	}
	text, err := timesText(t, std.now())
	if err != nil {
		return err
	}
	return std.print("%s\nTIMES\n%s", b.String(), text)
}

// writeChanges writes who made the job what it is, newest first.
func (p *portrait) writeChanges(b *strings.Builder) {
	for i, c := range p.changes {
		if i == shownChanges {
			fmt.Fprintf(b, "  and %s before\n", count(len(p.changes)-i, "change"))
			return
		}
		fmt.Fprintf(b, "  version %d, %s: %s by %s\n", c.Version, clockText(c.At.Local()), c.What, c.User)
		if i+1 == len(p.changes) || c.Job == nil || p.changes[i+1].Job == nil {
			continue
		}
		lines, err := diffJobs(p.changes[i+1].Job, c.Job)
		if err != nil {
			continue // that can be seen above
		}
		for _, line := range lines {
			fmt.Fprintf(b, "    %s\n", oneLine(line, maxDiffLine))
		}
	}
}

func (p *portrait) writeJSON(std Streams) error {
	job, err := newJobJSON(&p.jobView)
	if err != nil {
		return err
	}
	j := api.JobDetails{Job: job, Next: []api.Next{}, Changes: []api.Change{}, Firings: []api.Firing{}}
	if p.Broken == nil && !p.Paused {
		t, err := p.Timing(std.now())
		if err != nil {
			return err
		}
		next, err := coming(t, std.now(), shownFirings)
		if err != nil {
			return err
		}
		for _, f := range next {
			j.Next = append(j.Next, api.NewNext(f))
		}
	}
	for _, c := range p.changes {
		change := api.Change{Version: c.Version, At: output.Time(c.At), User: c.User, What: c.What}
		if c.Job != nil {
			change.Spec = *c.Job
		}
		j.Changes = append(j.Changes, change)
	}
	for i := range p.firings {
		j.Firings = append(j.Firings, api.NewFiring(&p.firings[i]))
	}
	return output.WriteJSON(std.Out, j)
}
