package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/store"
)

// endPoll is how often is asked whether a run has ended.
const endPoll = 200 * time.Millisecond

type jobKillOptions struct {
	history string
	wait    typed.Duration
}

func (o *jobKillOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.wait, "wait", "wait up to `DURATION` for the hosts to finish; 0: do not wait")
	addHistoryFlag(f, &o.history)
}

func newJobKillCmd(std Streams) *cobra.Command {
	o := &jobKillOptions{wait: typed.Duration(15 * time.Second)}
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

// killJob ends the runs that ref names, and waits for that.
func killJob(ctx context.Context, std Streams, s store.Store, ref string, wait time.Duration) error {
	// No job has a name of digits alone.
	kill := store.KillRef{Job: ref}
	if run, err := strconv.ParseInt(ref, 10, 64); err == nil {
		kill = store.KillRef{Run: run}
	}
	runs, err := s.KillRuns(ctx, kill, std.userName(), std.now())
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return std.print("nothing of job %s runs, and what waited is not begun\n", ref)
	}
	for _, run := range runs {
		if err := std.print("run %d is being ended\n", run); err != nil {
			return err
		}
	}
	if wait == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for _, run := range runs {
		if err := showEnds(ctx, std, s, run, wait); err != nil {
			return err
		}
	}
	return nil
}

// showEnds waits for the end of a run, and shows that of each host.
func showEnds(ctx context.Context, std Streams, s store.Store, id int64, wait time.Duration) error {
	run, err := awaitEnd(ctx, s, id)
	if err != nil {
		return err
	}
	if run.State == store.Running {
		if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
			return cause // nobody waits any more
		}
		return hint(fmt.Errorf("run %d has not ended within %s", id, quantity.FormatDuration(wait)),
			"whoever carries it out may be held up, and ends it when it goes on; tutti show "+strconv.FormatInt(id, 10)+" says how far it is")
	}
	results, err := s.Results(context.WithoutCancel(ctx), id)
	if err != nil {
		return err
	}
	alike := make(map[string][]string)
	for i := range results {
		end := endText(&results[i])
		alike[end] = append(alike[end], results[i].Target.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "run %d: %s\n", id, resultText(run))
	for _, end := range sortedBySize(alike) {
		fmt.Fprintf(&b, "  %s (%d): %s\n", hostlist.Fold(alike[end]), len(alike[end]), end)
	}
	return std.print("%s", b.String())
}

// awaitEnd returns a run that has ended, or as it is when ctx ends.
func awaitEnd(ctx context.Context, s store.Store, id int64) (store.Run, error) {
	tick := time.NewTicker(endPoll)
	defer tick.Stop()
	for {
		run, err := s.Run(context.WithoutCancel(ctx), strconv.FormatInt(id, 10), "")
		if err != nil || run.State != store.Running {
			return run, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return run, nil
		}
	}
}

// endText is how the command on a host ended, as far as anybody knows.
func endText(r *store.HostResult) string {
	text := r.Outcome.String()
	switch failure := r.Report.Failure; {
	case r.Report.Exit != nil && r.Report.Exit.Signal != "":
		text += ", signal " + r.Report.Exit.Signal
	case r.Report.Exit != nil:
		text += ", exit " + strconv.FormatUint(uint64(r.Report.Exit.Code), 10)
	case failure != nil && failure.Remote != "":
		text += ", the command there: " + failure.Remote
	}
	return text
}

// sortedBySize are the keys of groups, the largest group first.
func sortedBySize(groups map[string][]string) []string {
	var keys []string
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if n := len(groups[b]) - len(groups[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return keys
}
