package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/api"
	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/output"
	"tutti/scheduler"
	"tutti/store"
)

// The states of a job, as they are shown.
const (
	jobOK      = "ok"
	jobFailing = "failing" // its last ends were not ok
	jobBroken  = "broken"  // it does not fire, or its last firing could not be begun
	jobRunning = "running" // a firing of it runs
	jobPaused  = "paused"
	jobOver    = "over" // nothing of its schedule is to come
)

type jobListOptions struct {
	history string
	json    bool
	state   typed.Choice
}

func (o *jobListOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.state, "state", "only jobs in `STATE` ok, failing, running, paused, over, broken")
	f.BoolVar(&o.json, "json", false, "one JSON object per job and line")
	addHistoryFlag(f, &o.history)
}

func newJobListCmd(std Streams) *cobra.Command {
	o := &jobListOptions{state: typed.Choice{Of: []string{jobOK, jobFailing, jobRunning, jobPaused, jobOver, jobBroken}}}
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List jobs: state, next firing, last result, disk use",
		Example: `  tutti job list
  tutti job list --state failing
  tutti job list --json | jq -r 'select(.failures >= 3).job'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withJobs(cmd.Context(), std, o.history, noHistory, func(s *store.Store) error {
				return listJobs(cmd.Context(), std, s, o)
			})
		},
	}
	setHelp(cmd, exitHelpJob, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// A jobView is a job with what there is to see of it.
type jobView struct {
	scheduler.Kept
	state string
	// wrong says why it is broken.
	wrong string
	// next is zero if there is none.
	next scheduler.Firing
	// last is the newest firing, ran the newest that was run, and running the
	// runs that are running.
	last, ran *store.FiringRow
	running   []int64
	cost      store.JobCost
}

// viewJob looks at a job.
func viewJob(ctx context.Context, s *store.Store, kept scheduler.Kept, costs map[int64]store.JobCost, now time.Time) (jobView, error) {
	v := jobView{Kept: kept, cost: costs[kept.ID]}
	last, err := s.Firings(ctx, store.FiringQuery{Job: kept.Name, Limit: 1})
	if err != nil {
		return v, err
	}
	if len(last) > 0 && last[0].JobID == kept.ID {
		v.last = &last[0]
	}
	began, err := s.Firings(ctx, store.FiringQuery{
		Job: kept.Name, Decisions: []scheduler.Decision{scheduler.Run}, Limit: max(kept.MaxRunning, scheduler.DefaultMaxRunning),
	})
	if err != nil {
		return v, err
	}
	for i := range began {
		f := &began[i]
		if f.JobID != kept.ID {
			continue
		}
		if v.ran == nil {
			v.ran = f
		}
		if f.Run != nil && f.Run.State == store.Running {
			v.running = append(v.running, f.RunID)
		}
	}
	slices.Sort(v.running)
	v.find(now)
	return v, nil
}

// find sets the state of the job, and when it fires next.
func (v *jobView) find(now time.Time) {
	var next []scheduler.Firing
	err := v.Broken
	if err == nil {
		var t *scheduler.Timing
		if t, err = v.Timing(now); err == nil {
			next, err = coming(t, now, 1)
		}
	}
	if len(next) > 0 && !v.Paused {
		v.next = next[0]
	}
	switch {
	case err != nil:
		v.state, v.wrong = jobBroken, err.Error()
	case len(v.running) > 0:
		v.state = jobRunning
	case v.Paused:
		v.state = jobPaused
	case v.last != nil && v.last.Decision == scheduler.Failed:
		v.state, v.wrong = jobBroken, v.last.Reason
	case v.Streak.Failures > 0:
		v.state = jobFailing
	case len(next) == 0:
		v.state = jobOver
	default:
		v.state = jobOK
	}
}

// in reports whether the job is in a state; all are in "". A job whose last ends
// were not ok is failing also while it runs or is paused.
func (v *jobView) in(state string) bool {
	return state == "" || state == v.state || state == jobFailing && v.Streak.Failures > 0
}

// listJobs lists all jobs, or those in a state.
func listJobs(ctx context.Context, std Streams, s *store.Store, o *jobListOptions) error {
	all, err := keptJobs(ctx, s)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		if o.json {
			return nil
		}
		return std.say("no jobs yet; tutti job add adds one")
	}
	if err := s.CountEnded(ctx, all); err != nil {
		return err
	}
	costs, err := s.JobCosts(ctx)
	if err != nil {
		return err
	}
	var views []jobView
	for _, kept := range all {
		v, err := viewJob(ctx, s, kept, costs, std.now())
		if err != nil {
			return err
		}
		if v.in(o.state.Word) {
			views = append(views, v)
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
		return std.say("no job fits")
	}
	t := output.NewTable(
		output.Column{Title: "JOB"}, output.Column{Title: "STATE"}, output.Column{Title: "SCHEDULE", Least: leastJobColumn},
		output.Column{Title: "NEXT"}, output.Column{Title: "LAST", Least: leastJobColumn},
		output.Column{Title: "STREAK", Optional: true}, output.Column{Title: "HISTORY", Optional: true})
	for i := range views {
		v := &views[i]
		t.Add(v.Name, v.state, v.scheduleText(), v.nextText(), v.lastText(), v.streakText(), v.costText())
	}
	return t.Write(std.Out, terminalWidth(std.Out))
}

// leastJobColumn is how far a column of the table of jobs is cut.
const leastJobColumn = 12

func (v *jobView) scheduleText() string {
	if len(v.Schedules) == 0 {
		return "-"
	}
	return strings.Join(v.Schedules, "; ")
}

func (v *jobView) nextText() string {
	if v.Paused {
		return jobPaused
	}
	if v.next.At.IsZero() {
		return "-"
	}
	return clockText(v.next.At)
}

// lastText says how the last run went, and what was decided since if that was
// no run.
func (v *jobView) lastText() string {
	switch {
	case v.last == nil:
		return "-"
	case v.ran == nil || v.ran.ID == v.last.ID:
		return firingText(v.last)
	}
	return firingText(v.ran) + "; then " + firingText(v.last)
}

func (v *jobView) streakText() string {
	if v.Streak.Failures == 0 {
		return "-"
	}
	text := count(v.Streak.Failures, "failure")
	if since := v.Streak.Since; !since.IsZero() {
		text += " since " + since.Local().Format("2006-01-02 15:04:05 MST")
	}
	return text
}

func (v *jobView) costText() string {
	if v.cost.Runs == 0 {
		return "-"
	}
	return count(v.cost.Runs, "run") + ", " + quantity.FormatSize(v.cost.Bytes)
}

// warnOfJobs says what somebody has to look at.
func warnOfJobs(ctx context.Context, std Streams, s *store.Store, views []jobView) error {
	if err := tellDayRule(ctx, s, store.InList, std.warn); err != nil {
		return err
	}
	waiting := false
	for i := range views {
		v := &views[i]
		if v.wrong != "" {
			std.warn(fmt.Sprintf("job %s is broken: %s", v.Name, v.wrong))
		}
		if v.Alarm != "" {
			std.warn(fmt.Sprintf("job %s: %s", v.Name, v.Alarm))
		}
		waiting = waiting || !v.next.At.IsZero()
	}
	if !waiting {
		return nil
	}
	daemons, err := s.Daemons(ctx)
	if err == nil && len(daemons) == 0 {
		std.warn("no tutti serve is running on this history: no job fires")
	}
	return err
}

func newJobJSON(v *jobView) (api.Job, error) {
	j := api.Job{
		Schema: 1, Type: "job", Job: v.Name, JobID: v.ID, Version: v.Version, State: v.state, Broken: v.wrong, Alarm: v.Alarm, Paused: v.Paused,
		Cursor: output.Time(v.Cursor), Running: append([]int64{}, v.running...), Failures: v.Streak.Failures, FailingSince: timeJSON(v.Streak.Since),
		Runs: v.cost.Runs, Bytes: v.cost.Bytes, UpdatedAt: output.Time(v.UpdatedAt), UpdatedBy: v.UpdatedBy,
	}
	if v.last != nil {
		last := api.NewFiring(v.last)
		j.Last = &last
	}
	if !v.next.At.IsZero() {
		j.ScheduledAt, j.DueAt = timeJSON(v.next.At), timeJSON(v.next.Due)
	}
	if v.Broken != nil {
		return j, nil
	}
	if t, err := v.Timing(v.UpdatedAt); err == nil {
		j.Schedule = t.Schedule.Describe()
	}
	var err error
	j.Spec, err = json.Marshal(v.Job)
	return j, err
}

// timeJSON is t for JSON; nil if it is zero.
func timeJSON(t time.Time) *output.Time {
	if t.IsZero() {
		return nil
	}
	out := output.Time(t)
	return &out
}

// writeJobs writes a line of JSON for each job.
func writeJobs(std Streams, views []jobView) error {
	for i := range views {
		j, err := newJobJSON(&views[i])
		if err == nil {
			err = output.WriteJSON(std.Out, j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firingText says on a line what became of a firing.
func firingText(f *store.FiringRow) string {
	what := f.Decision.String()
	switch {
	case f.Run != nil:
		return fmt.Sprintf("run %d: %s", f.RunID, resultText(*f.Run))
	case f.RunID != 0:
		return fmt.Sprintf("run %d, deleted since", f.RunID)
	case f.Decision == scheduler.Run:
		return "about to run"
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
