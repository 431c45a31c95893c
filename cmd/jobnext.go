package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/jobs"
)

type jobNextOptions struct {
	place.Place
	count int
}

func (o *jobNextOptions) addFlags(f *pflag.FlagSet) {
	f.IntVarP(&o.count, "count", "n", 10, "show the next `N` firings")
	o.AddHistory(f)
}

func newJobNextCmd(std Streams) *cobra.Command {
	o := &jobNextOptions{}
	cmd := &cobra.Command{
		Use:   "next [flags] NAME",
		Short: "Show when a job fires next, with shifts caused by daylight saving time",
		Example: `  tutti job next backup
  tutti job next backup -n 400 | grep moved`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneJob(args)
			if err != nil {
				return err
			}
			if o.count < 1 || o.count > jobs.MostNext {
				return syntaxf("--count %d: between 1 and %d", o.count, jobs.MostNext)
			}
			return withJobReader(cmd, std, &o.Place, place.WantsHistory, func(s jobReader) error {
				return showNext(cmd.Context(), std, s, name, o.count)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// showNext lists the next firings of a job.
func showNext(ctx context.Context, std Streams, s jobReader, name string, n int) error {
	times, err := s.Next(ctx, name, n)
	if err != nil {
		return err
	}
	if times.Paused {
		std.Warn("job " + name + " is paused: it does not fire until resumed")
	}
	if len(times.Next) < n {
		defer func() { _ = std.Say("no further firings") }()
	}
	return writeFirings(std.Out, "", times.Next, times.Jitter)
}
