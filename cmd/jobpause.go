package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/quantity"
	"tutti/scheduler"
)

type jobPauseOptions struct {
	place.Place
	until, note string
}

func (o *jobPauseOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.until, "until", "", "resume them after, or at, `WHEN`: 2h, 2026-11-20T14:30; tutti serve does so")
	f.StringVar(&o.note, "note", "", "say why, in a `TEXT` for others")
	o.AddHistory(f)
}

func newJobPauseCmd(std Streams) *cobra.Command {
	o := &jobPauseOptions{}
	cmd := &cobra.Command{
		Use:   "pause [flags] NAME...",
		Short: "Pause jobs; running ones continue",
		Example: `  tutti job pause backup
  tutti job pause backup --until 4h --note 'disk is replaced'
  tutti job kill backup           also stop running commands`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, manyJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := o.pause(cmd.Flags(), std)
			if err != nil {
				return err
			}
			return eachJob(cmd, std, &o.Place, args, readable, func(s jobKeeper, name string) error {
				return pauseJob(cmd.Context(), std, s, name, p)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// pause is how the flags want jobs to be paused.
func (o *jobPauseOptions) pause(f *pflag.FlagSet, std Streams) (p scheduler.Pause, err error) {
	p = scheduler.Pause{By: std.UserName(), Note: o.note}
	if f.Changed("until") {
		if p.Until, err = quantity.ParseUntil(o.until, std.Time()); err != nil {
			return p, syntaxf("--until %w", err)
		}
	}
	return p, nil
}

// pauseJob pauses a job.
func pauseJob(ctx context.Context, std Streams, s jobKeeper, name string, p scheduler.Pause) error {
	kept, changed, err := s.Pause(ctx, name, p)
	if err != nil {
		return err
	}
	if !changed {
		return std.Print("job %s: nothing to change, it is %s\n", name, pausedText(&kept))
	}
	if err := std.Print("job %s %s\n", name, pausedText(&kept)); err != nil || p.Until.IsZero() {
		return err
	}
	served, err := s.Served(ctx)
	if err == nil && !served {
		std.Warn("no tutti serve is running on this history: the job is resumed when one runs")
	}
	return err
}

// pausedText says until when a job is paused.
func pausedText(k *scheduler.StoredJob) string {
	if k.Pause.Until.IsZero() {
		return "paused"
	}
	return "paused until " + cli.ClockText(k.Pause.Until.Local())
}
