package cmd

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/jobs"
	"tutti/scheduler"
)

func newJobResumeCmd(std Streams) *cobra.Command {
	o := &place.Place{}
	cmd := &cobra.Command{
		Use:   "resume [flags] NAME...",
		Short: "Resume jobs; firings missed while paused are recorded, not run",
		Example: `  tutti job resume backup
  tutti job resume backup && tutti job run backup     and one run now`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, manyJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachJob(cmd, std, o, args, readable, func(s jobKeeper, name string) error {
				return resumeJob(cmd.Context(), std, s, name)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.AddHistory}, o.Group())
	return cmd
}

func newJobRemoveCmd(std Streams) *cobra.Command {
	o := &place.Place{}
	cmd := &cobra.Command{
		Use:     "rm [flags] NAME...",
		Aliases: []string{"remove", "delete", "del"},
		Short:   "Remove jobs; running ones continue, and their runs stay in the history",
		Example: `  tutti job rm backup
  tutti job export backup > backup.yaml && tutti job rm backup`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, manyJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachJob(cmd, std, o, args, nil, func(s jobKeeper, name string) error {
				if err := s.Remove(cmd.Context(), name, 0, std.UserName()); err != nil {
					return err
				}
				return std.Print("job %s removed\n", name)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.AddHistory}, o.Group())
	return cmd
}

// manyJobs is how many names a command for several jobs accepts.
const manyJobs = 1000

// eachJob calls do for each named job, if all exist and fits, unless nil, refuses none.
// An error with one job does not stop the others.
func eachJob(
	cmd *cobra.Command, std Streams, p *place.Place, names []string, fits func(*scheduler.StoredJob) error, do func(s jobKeeper, name string) error,
) error {
	if len(names) == 0 {
		_, err := oneJob(nil)
		return err
	}
	return withJobKeeper(cmd, std, p, place.WantsHistory, func(s jobKeeper) error {
		named, err := s.Named(cmd.Context(), names)
		if err != nil {
			return err
		}
		var all []error
		for i := range named {
			if fits != nil {
				all = append(all, fits(&named[i]))
			}
		}
		if err := errors.Join(all...); err != nil {
			return err
		}
		for i := range named {
			all = append(all, do(s, named[i].Name))
		}
		return errors.Join(all...)
	})
}

// resumeJob resumes a job, and says when it fires next.
func resumeJob(ctx context.Context, std Streams, s jobKeeper, name string) error {
	kept, changed, err := s.Resume(ctx, name, std.UserName())
	if err != nil {
		return err
	}
	if !changed {
		return std.Print("job %s: nothing to change, it is not paused\n", name)
	}
	if err := std.Print("job %s resumed\n", name); err != nil {
		return err
	}
	if err := printNext(std, &kept.Job, std.Time()); err != nil {
		return err
	}
	return warnOfNoDaemon(ctx, std, s, &kept.Job)
}

// printNext says when a job fires next.
func printNext(std Streams, job *scheduler.Job, now time.Time) error {
	t, err := job.Timing(now)
	if err != nil {
		return err
	}
	next, err := jobs.Coming(t, now, 1)
	if err != nil {
		return err
	}
	if len(next) == 0 {
		return std.Print("  never again: the schedule has no further times\n")
	}
	return writeFirings(std.Out, "  next  ", next, t.Jitter)
}
