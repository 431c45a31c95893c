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

	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/scheduler"
	"tutti/store"
)

const exitHelpKill = `EXIT STATUS
  0  done: the runs have ended
  1  local error (file, history, disk); a run that has not ended in time
  2  usage error: flags, no such run, a run that had ended before`

// killOptions are those of all commands that stop runs.
type killOptions struct {
	place.Place
	halt bool
	wait typed.Duration
}

// patience is how long to wait for the ends of runs: those that are only halted may take
// as long as their commands.
func (o *killOptions) patience(cmd *cobra.Command) time.Duration {
	if o.halt && !cmd.Flags().Changed("wait") {
		return 0
	}
	return time.Duration(o.wait)
}

// A stopper stops runs and shows what became of them: a history, or a server. What the
// methods promise is said at those of store.Store.
type stopper interface {
	Runs(ctx context.Context, q store.Query) ([]store.Run, error)
	Run(ctx context.Context, ref, user string) (store.Run, error)
	Results(ctx context.Context, run int64) ([]store.HostResult, error)
	StopRun(ctx context.Context, x scheduler.Stop) error
	Wake() (wake <-chan struct{}, end func())
}

func newKillOptions() *killOptions { return &killOptions{wait: typed.Duration(15 * time.Second)} }

func (o *killOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.halt, "halt", false, "start no more hosts, and let running commands finish")
	f.Var(&o.wait, "wait", "wait up to `DURATION` for the hosts to finish; 0: do not wait")
	o.AddHistory(f)
}

func newKillCmd(std Streams) *cobra.Command {
	o := newKillOptions()
	cmd := &cobra.Command{
		Use:   "kill [flags] RUN...",
		Short: "Stop runs and show how each host ended",
		Long: `The process that executes the run stops the command on every host, as Ctrl-C would:
in another terminal, in a script, or tutti serve. RUN is a number, or last for your
newest run that is running and not a job's.

With --halt it starts no more hosts, as the first Ctrl-C would, and running commands
finish; tutti waits for that only with --wait. Stop them later without --halt.`,
		Example: `  tutti kill last
  tutti kill 142 143
  tutti kill --halt 142
  tutti kill --wait 1m 142`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeRunning(std, &o.History),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hint(syntaxf("missing run"), "tutti history lists runs; last is your newest running one")
			}
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			if remote != nil {
				defer remote.Close()
				if slices.Contains(args, "last") {
					return hint(usagef("tutti kill needs the number of the run with a server"), "tutti history lists runs")
				}
				return usageOfJob(killRuns(cmd.Context(), std, remote.History(), args, o.halt, o.patience(cmd)))
			}
			return withStore(cmd.Context(), std, o.History, place.WantsHistory, func(s store.Store) error {
				return killRuns(cmd.Context(), std, s, args, o.halt, o.patience(cmd))
			})
		},
	}
	help.Set(cmd, exitHelpKill, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// killRuns stops, or halts, those of the named runs that are active, and shows how they
// ended. The error is about the others.
func killRuns(ctx context.Context, std Streams, s stopper, refs []string, halt bool, wait time.Duration) error {
	var stopped []int64
	var errs []error
	for _, ref := range refs {
		id, err := runningRun(ctx, std, s, ref)
		if err == nil && slices.Contains(stopped, id) {
			continue
		}
		if err == nil {
			err = s.StopRun(ctx, scheduler.Stop{Run: id, By: std.UserName(), At: std.Time(), Halt: halt})
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stopped = append(stopped, id)
	}
	err := showStopped(ctx, std, s, stopped, halt, wait)
	if err == nil && len(errs) == 1 {
		return errs[0] // with its hint
	}
	return errors.Join(append(errs, err)...)
}

// runningRun is the number of the run that ref names.
func runningRun(ctx context.Context, std Streams, s stopper, ref string) (int64, error) {
	if ref != "last" {
		id, err := strconv.ParseInt(ref, 10, 64)
		if err != nil || id < 1 {
			return 0, hint(fault.Usage(errors.New((&store.RefError{Ref: ref}).Error())), "want a number as in tutti history, or last for your newest running one")
		}
		return id, nil
	}
	runs, err := s.Runs(ctx, store.Query{Running: true, User: std.UserName()})
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		if r.JobID == 0 {
			return r.ID, nil
		}
	}
	return 0, hint(fault.Usagef("none of your runs is running"), "tutti job kill stops those of a job")
}

// showStopped says that runs are being stopped or halted, waits for their results, and
// shows those of each host. A run that does not end in time keeps none of the others from
// being shown.
func showStopped(ctx context.Context, std Streams, s stopper, runs []int64, halt bool, wait time.Duration) error {
	text := "stopping run %d\n"
	if halt {
		text = "halting run %d: no more hosts are started\n"
	}
	for _, run := range runs {
		if err := std.Print(text, run); err != nil {
			return err
		}
	}
	if wait == 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var errs []error
	for _, run := range runs {
		err := showEnds(waiting, std, s, run, halt, wait)
		if ctx.Err() != nil {
			return errors.Join(append(errs, err)...) // the operator waits no more
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// showEnds waits for the end of a run, and shows that of each host.
func showEnds(ctx context.Context, std Streams, s stopper, id int64, halt bool, wait time.Duration) error {
	run, err := awaitEnd(ctx, s, id)
	if err != nil {
		return err
	}
	if !run.State.Ended() {
		if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
			return cause // the operator has stopped waiting
		}
		if halt {
			return hint(fmt.Errorf("run %d has not ended within %s", id, quantity.FormatDuration(wait)),
				"commands are still running; tutti kill "+strconv.FormatInt(id, 10)+" stops them")
		}
		return hint(fmt.Errorf("run %d was not stopped within %s", id, quantity.FormatDuration(wait)),
			"the process that runs it may be hanging, and stops it when it continues; tutti show "+strconv.FormatInt(id, 10)+" shows its progress")
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
	fmt.Fprintf(&b, "run %d: %s\n", id, cli.ResultText(run))
	for _, end := range sortedBySize(alike) {
		fmt.Fprintf(&b, "  %s (%d): %s\n", hostlist.Fold(alike[end]), len(alike[end]), end)
	}
	return std.Print("%s", b.String())
}

// awaitEnd returns a run that has ended, or as it is when ctx ends.
func awaitEnd(ctx context.Context, s stopper, id int64) (store.Run, error) {
	wake, end := s.Wake()
	defer end()
	for {
		run, err := s.Run(context.WithoutCancel(ctx), strconv.FormatInt(id, 10), "")
		if err != nil || run.State.Ended() {
			return run, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return run, nil
		}
	}
}

// completeRunning completes the numbers of runs that are running.
func completeRunning(std Streams, history *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		var runs []store.Run
		completion.FromHistory(cmd.Context(), std, *history, func(s store.Store) (err error) {
			runs, err = s.Runs(cmd.Context(), store.Query{States: []store.State{store.Running, store.Queued}, Limit: completion.MaxRuns})
			return err
		})
		var out []string
		for _, r := range runs {
			name := strconv.FormatInt(r.ID, 10)
			if !r.State.Ended() && strings.HasPrefix(name, toComplete) && !slices.Contains(args, name) {
				out = append(out, name+"\t"+completion.RunText(r))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// endText is how the command on a host ended, if that is known.
func endText(r *store.HostResult) string {
	text := r.Outcome.String()
	switch failure := r.Report.Failure; {
	case r.Report.Exit != nil && r.Report.Exit.Signal != "":
		text += ", signal " + r.Report.Exit.Signal
	case r.Report.Exit != nil:
		text += ", exit " + strconv.FormatUint(uint64(r.Report.Exit.Code), 10)
	case failure != nil && failure.Remote != "":
		text += ", remote command: " + failure.Remote
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
