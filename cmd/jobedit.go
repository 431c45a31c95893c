package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

type jobEditOptions struct {
	*jobForm
	unset   []string
	version int64
}

func (o *jobEditOptions) addCareFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.unset, "unset", nil, "give up what the job has for `KEYS`, such as timeout,notify")
	f.Int64Var(&o.version, "version", 0, "only if the job is at version `N`, the one that was looked at")
}

func newJobEditCmd(std Streams) *cobra.Command {
	o := &jobEditOptions{jobForm: newJobForm()}
	cmd := &cobra.Command{
		Use:   "edit NAME [flags] [SELECTOR [COMMAND...]]",
		Short: "Change the given settings of a job",
		Long: `A repeatable flag replaces all the values that the job has. --paused=false and the
like turn a setting off; --unset resets keys to their defaults. Running commands
continue unchanged. A new schedule counts from now on: scheduled times that the old
one left undone are recorded as missed.`,
		Example: `  tutti job edit backup --schedule '30 3 * * *'
  tutti job edit backup 'db,!db2'
  tutti job edit backup --unset timeout,notify`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobWords(std, &o.run.requestOptions, completeJobs(std, &o.run.Record.History, 1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, selector, rest, err := jobWords(cmd, args)
			switch {
			case err != nil:
				return err
			case wantsHelp(cmd):
				return help(cmd, args)
			case name == "":
				_, err := oneJob(nil)
				return err
			case selector == "" && !anyChanged(cmd.Flags()):
				return syntaxf("what of job %s is to change?", name)
			}
			return editJob(cmd.Context(), std, cmd.Flags(), o, name, selector, rest)
		},
	}
	cmd.Flags().SetInterspersed(false)
	setHelp(cmd, exitHelpJob, o.groups(o.addCareFlags)...)
	return cmd
}

// anyChanged reports whether something was given besides the history.
func anyChanged(f *pflag.FlagSet) bool {
	given := false
	f.Visit(func(flag *pflag.Flag) { given = given || flag.Name != "history" })
	return given
}

// editJob changes the job of that name into what the command line says.
func editJob(ctx context.Context, std Streams, f *pflag.FlagSet, o *jobEditOptions, name, selector string, rest []string) error {
	return withJobs(ctx, std, o.run.Record.History, wantsHistory, func(s *store.Store) error {
		now := std.now()
		old, err := s.Job(ctx, name)
		if err != nil {
			return err
		}
		if err := readable(&old); err != nil {
			return err
		}
		job := old.Job
		for _, key := range o.unset {
			if err := unsetKey(&job, strings.ReplaceAll(key, "-", "_")); err != nil {
				return err
			}
		}
		if _, err := takeHosts(f, std.In); err != nil {
			return err
		}
		if err := o.fill(f, &job, selector, rest); err != nil {
			return err
		}
		if f.Changed("version") {
			job.Version = o.version
		}
		return changeJob(ctx, std, s, &old.Job, job, now)
	})
}

// changeJob writes job, which was old, and says what is different.
func changeJob(ctx context.Context, std Streams, s *store.Store, old *scheduler.Job, job scheduler.Job, now time.Time) error {
	lines, err := diffJobs(old, &job)
	if err != nil {
		return err
	}
	come := now
	if !retimed(old, &job) {
		come = time.Time{} // one that has run out may be changed in what it keeps
	}
	run, err := checkJob(std, &job, come)
	if err != nil {
		return err
	}
	moved := otherHosts(old, &job)
	var hosts hostsNow
	if moved || old.Script != job.Script {
		hosts = lookUpHosts(ctx, std, &job, run)
	}
	if err := hosts.misspelt(); moved && err != nil {
		return err
	}
	kept, err := s.ChangeJob(ctx, job, std.userName(), now)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return std.print("job %s: nothing to change\n", job.Name)
	}
	if err := std.print("job %s changed, version %d\n", job.Name, kept.Version); err != nil {
		return err
	}
	for _, line := range lines {
		if err := std.print("  %s\n", oneLine(line, maxDiffLine)); err != nil {
			return err
		}
	}
	if old.MaxRunning != job.MaxRunning || old.Overlap != job.Overlap {
		warnOfIdle(std, &job)
	}
	if retimed(old, &job) {
		if err := printTimes(std, &kept.Job, now); err != nil {
			return err
		}
	}
	if moved || old.Script != job.Script {
		if err := showHosts(ctx, std, &kept.Job, hosts); err != nil {
			return err
		}
	}
	if retimed(old, &job) {
		return warnOfNoDaemon(ctx, std, s, &kept.Job)
	}
	return nil
}

// otherHosts reports whether job may be for other hosts than old.
func otherHosts(old, job *scheduler.Job) bool {
	return whereOf(old) != whereOf(job) || !slices.Equal(old.Inventory, job.Inventory) ||
		!slices.Equal(old.Options["only"], job.Options["only"]) || !slices.Equal(old.Options["exclude"], job.Options["exclude"])
}

// maxDiffLine bounds a line about what has changed, in characters.
const maxDiffLine = 300

// retimed reports whether job fires at other times than old.
func retimed(old, job *scheduler.Job) bool {
	return !slices.Equal(old.Schedules, job.Schedules) || old.Seconds != job.Seconds || old.Zone != job.Zone ||
		old.Jitter != job.Jitter || old.Paused != job.Paused
}

// unsetKey gives job what it has for a key if nobody says anything.
func unsetKey(job *scheduler.Job, key string) error {
	usual := scheduler.NewJob("", "")
	own := map[string]func(){
		"seconds":     func() { job.Seconds = false },
		"inventory":   func() { job.Inventory = nil },
		"overlap":     func() { job.Overlap = usual.Overlap },
		"max_running": func() { job.MaxRunning = usual.MaxRunning },
		"grace":       func() { job.Grace = usual.Grace },
		"catch_up":    func() { job.CatchUp = usual.CatchUp },
		"jitter":      func() { job.Jitter = 0 },
		"tutti_env":   func() { job.TuttiEnv = false },
		"idempotent":  func() { job.Idempotent = false },
		"paused":      func() { job.Paused = false },
		"notify":      func() { job.Notify = scheduler.Notify{} },
		"keep":        func() { job.Keep = scheduler.Keep{} },
	}
	if unset, ok := own[key]; ok {
		unset()
		return nil
	}
	known := runner.JobOptionKeys()
	if slices.Contains(known, key) {
		job.Options = maps.Clone(job.Options)
		delete(job.Options, key)
		if value, ok := usual.Options[key]; ok {
			job.Options[key] = value
		}
		return nil
	}
	err := syntaxf("--unset %s: a job has no such key that it could do without", key)
	known = append(known, slices.Collect(maps.Keys(own))...)
	if near := nearest(key, known); near != "" {
		return hint(err, fmt.Sprintf("did you mean %s?", strings.ReplaceAll(near, "_", "-")))
	}
	return err
}
