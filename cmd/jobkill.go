package cmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/client"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/store"
)

func newJobKillCmd(std Streams) *cobra.Command {
	o := newKillOptions()
	cmd := &cobra.Command{
		Use:   "kill [flags] NAME|RUN",
		Short: "Stop a job's running commands and show how each host ended",
		Long: `The process that runs the job stops the command on every host, as Ctrl-C would.
Queued runs are dropped. The job stays: tutti job pause keeps it from firing again.

With --halt it starts no more hosts, as the first Ctrl-C would, and running commands
finish; tutti waits for that only with --wait.`,
		Example: `  tutti job kill backup
  tutti job kill --halt backup
  tutti job kill 142`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := oneJob(args)
			if err != nil {
				return err
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			if remote != nil {
				defer remote.Close()
				return usageOfJob(killJobOf(cmd.Context(), std, remote, ref, o.halt, o.patience(cmd)))
			}
			return withStore(cmd.Context(), std, o.History, place.WantsHistory, func(s store.Store) error {
				return killJob(cmd.Context(), std, s, ref, o.halt, o.patience(cmd))
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// killJob stops the runs that ref names, and waits for their ends.
func killJob(ctx context.Context, std Streams, s store.Store, ref string, halt bool, wait time.Duration) error {
	runs, err := jobService(std, s).Kill(ctx, ref, halt, std.UserName())
	return stoppedJob(ctx, std, s, ref, runs, err, halt, wait)
}

// killJobOf is killJob for a server.
func killJobOf(ctx context.Context, std Streams, remote *client.Client, ref string, halt bool, wait time.Duration) error {
	if strings.Trim(ref, "0123456789") == "" {
		return hint(usagef("tutti job kill needs the name of the job with a server"), "tutti kill "+ref+" stops a run")
	}
	runs, err := remote.Jobs(jobChecker(std)).Kill(ctx, ref, halt)
	return stoppedJob(ctx, std, remote.History(), ref, runs, err, halt, wait)
}

// stoppedJob shows what became of the runs of a job that are being stopped.
func stoppedJob(ctx context.Context, std Streams, s stopper, ref string, runs []int64, err error, halt bool, wait time.Duration) error {
	switch {
	case len(runs) > 0: // these are being stopped, even if others failed
		return errors.Join(err, showStopped(ctx, std, s, runs, halt, wait))
	case err != nil:
		return err
	}
	return std.Print("job %s is not running; any queued runs were dropped\n", ref)
}
