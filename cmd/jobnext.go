package cmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/store"
)

type jobNextOptions struct {
	history string
	count   int
}

func (o *jobNextOptions) addFlags(f *pflag.FlagSet) {
	f.IntVarP(&o.count, "count", "n", 10, "show the next `N`")
	addHistoryFlag(f, &o.history)
}

// mostNext bounds how many instants are worked out for somebody to read.
const mostNext = 100_000

func newJobNextCmd(std Streams) *cobra.Command {
	o := &jobNextOptions{}
	cmd := &cobra.Command{
		Use:   "next [flags] NAME",
		Short: "Show when a job fires next, with shifts caused by daylight saving time",
		Example: `  tutti job next backup
  tutti job next backup -n 400 | grep moved`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.history, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			if o.count < 1 || o.count > mostNext {
				return syntaxf("--count %d: between 1 and %d", o.count, mostNext)
			}
			return withJobs(cmd.Context(), std, o.history, wantsHistory, func(s *store.Store) error {
				return showNext(cmd.Context(), std, s, name, o.count, std.now())
			})
		},
	}
	setHelp(cmd, exitHelpJob, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// showNext lists the next firings of a job.
func showNext(ctx context.Context, std Streams, s *store.Store, name string, n int, now time.Time) error {
	kept, err := s.Job(ctx, name)
	if err != nil {
		return err
	}
	if err := readable(&kept); err != nil {
		return err
	}
	t, err := kept.Timing(now)
	if err != nil {
		return err
	}
	next, err := coming(t, now, n)
	if err != nil {
		return err
	}
	if kept.Paused {
		std.warn("job " + name + " is paused: none of these fires until it is resumed")
	}
	if len(next) < n {
		defer func() { _ = std.say("nothing more is to come") }()
	}
	return writeFirings(std.Out, "", next, t.Jitter)
}
