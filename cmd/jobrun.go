package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/runner"
	"tutti/scheduler"
)

type jobRunOptions struct {
	outputOptions
	place.Place
	detach bool
}

func (o *jobRunOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.detach, "detach", false, "queue for tutti serve and return")
	o.AddHistory(f)
}

func newJobRunCmd(c *console) *cobra.Command {
	o := &jobRunOptions{outputOptions: newOutputOptions()}
	cmd := &cobra.Command{
		Use:   "run [flags] NAME",
		Short: "Run a job now, even if it is paused",
		Long: `The job runs in this process, or with --server in the server, and is recorded as a
firing. Its overlap and notification settings apply.`,
		Example: `  tutti job run backup
  tutti job run -b backup
  tutti job run --detach backup`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(c.Streams, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			if err := checkWaiting(c.In, waitingForJob, c.Warn); err != nil {
				return err
			}
			if o.detach {
				return withJobKeeper(cmd, c.Streams, &o.Place, place.WantsHistory, func(s jobKeeper) error {
					return detachJob(cmd.Context(), c.Streams, s, name)
				})
			}
			remote, err := o.Client(c.Streams, cmd)
			if err != nil {
				return err
			}
			if remote != nil {
				defer remote.Close()
				return runJobThere(cmd.Context(), c, o, remote, o.Words(cmd.Flags()), name)
			}
			history := &runner.History{Path: o.History, Getenv: c.Getenv, Warn: c.Warn, Obey: true}
			defer history.Close()
			return usageOfJob(runJobNow(cmd.Context(), c, history, name, &o.outputOptions))
		},
	}
	help.Set(cmd, exitHelp, help.Group{Title: "FLAGS", Add: o.addFlags}, help.Group{Title: "OUTPUT", Add: o.outputOptions.addFlags}, o.Group())
	return cmd
}

// jobUnserved warns that no daemon is there that would run a job.
const jobUnserved = "no tutti serve is running on this history: the job waits for one"

// detachJob asks the daemon to run a job.
func detachJob(ctx context.Context, std Streams, s jobKeeper, name string) error {
	t, served, err := s.RunNow(ctx, name, std.UserName())
	if err != nil {
		return err
	}
	if err := runner.CheckRun(&t); err != nil {
		return err
	}
	if !served {
		std.Warn(jobUnserved)
	}
	if t.Decision == scheduler.Queued {
		return std.Print("job %s waits: %s; tutti job log %[1]s shows its run\n", name, t.Reason)
	}
	return std.Print("job %s will run; tutti job log %[1]s shows its run\n", name)
}
