package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

type jobRunOptions struct {
	outputOptions
	history string
	detach  bool
}

func (o *jobRunOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.detach, "detach", false, "let tutti serve carry it out, and do not wait for it")
	addHistoryFlag(f, &o.history)
}

func newJobRunCmd(a *app) *cobra.Command {
	o := &jobRunOptions{outputOptions: newOutputOptions()}
	cmd := &cobra.Command{
		Use:   "run [flags] NAME",
		Short: "Run a job now, even if it is paused",
		Long: `The job runs in this process and is recorded as a firing. Its overlap and
notification settings apply.`,
		Example: `  tutti job run backup
  tutti job run -b backup
  tutti job run --detach backup`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(a, &o.history, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			if err := o.finalize(cmd.Flags()); err != nil {
				return err
			}
			if err := checkWaiting(a.In, waitingForJob, a.warn); err != nil {
				return err
			}
			if o.detach {
				return usageOfJob(a.detachJob(cmd.Context(), o.history, name))
			}
			history := &runner.History{Path: o.history, Getenv: a.Getenv, Warn: a.warn, Obey: true}
			defer history.Close()
			return usageOfJob(a.runJobNow(cmd.Context(), history, name, &o.outputOptions))
		},
	}
	setHelp(cmd, exitHelp, flagGroup{"FLAGS", o.addFlags}, flagGroup{"OUTPUT", o.outputOptions.addFlags})
	return cmd
}

// detachJob asks the daemon to run a job.
func (a *app) detachJob(ctx context.Context, history, name string) error {
	return a.withJobs(ctx, history, wantsHistory, func(s *store.Store) error {
		t, err := s.RequestFiring(ctx, name, a.userName(), a.now())
		if err != nil {
			return err
		}
		if err := runner.CheckRun(&t); err != nil {
			return err
		}
		daemons, err := s.Daemons(ctx)
		if err != nil {
			return err
		}
		if len(daemons) == 0 {
			a.warn("no tutti serve is running on this history: the job waits for one")
		}
		if t.Decision == scheduler.Queued {
			return a.print("job %s waits: %s; tutti job log %[1]s shows its run\n", name, t.Reason)
		}
		return a.print("job %s is to be run; tutti job log %[1]s shows its run\n", name)
	})
}
