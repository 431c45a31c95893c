package cmd

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tutti/store"
)

func newJobKillCmd(std Streams) *cobra.Command {
	o := newKillOptions()
	cmd := &cobra.Command{
		Use:   "kill [flags] NAME|RUN",
		Short: "Stop a job's running commands and show how each host ended",
		Long: `The process that runs the job stops the command on every host, as Ctrl-C would.
Queued runs are dropped. The job stays: tutti job pause keeps it from firing again.`,
		Example: `  tutti job kill backup
  tutti job kill 142`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.history, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := oneJob(args)
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), std, o.history, wantsHistory, func(s store.Store) error {
				return killJob(cmd.Context(), std, s, ref, time.Duration(o.wait))
			})
		},
	}
	setHelp(cmd, exitHelpJob, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// killJob stops the runs that ref names, and waits for their ends.
func killJob(ctx context.Context, std Streams, s store.Store, ref string, wait time.Duration) error {
	runs, err := jobService(std, s).Kill(ctx, ref, std.userName())
	switch {
	case len(runs) > 0: // these are being stopped, even if others failed
		return errors.Join(err, showStopped(ctx, std, s, runs, wait))
	case err != nil:
		return err
	}
	return std.print("job %s is not running; any queued runs were dropped\n", ref)
}
