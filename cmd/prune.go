package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/store"
)

type pruneOptions struct {
	place.Retention
	history string
	dryRun  bool
}

func (o *pruneOptions) addFlags(f *pflag.FlagSet) {
	o.Retention.AddFlags(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be deleted, and delete nothing")
	place.AddHistoryFlag(f, &o.history)
}

func newPruneCmd(std Streams) *cobra.Command {
	o := &pruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Delete old runs and free their disk space (default: older than 90 days, beyond 2GiB)",
		Example: `  tutti history prune --keep 30d
  tutti history prune --dry-run --keep-runs 100 --max-size 1GiB`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keep, err := o.Keep(cmd.Flags())
			if err != nil {
				return err
			}
			history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: std.Warn}
			defer history.Close()
			s, err := history.ForReading(cmd.Context())
			if err != nil {
				return place.UsageOfRun(err)
			}
			prune := s.Prune
			if o.dryRun {
				prune = s.WouldPrune
			}
			pruned, err := prune(cmd.Context(), keep)
			if err != nil {
				return err
			}
			return std.Print("%s\n", prunedText(pruned, o.dryRun))
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: o.addFlags})
	return cmd
}

// prunedText says what was deleted, or would be.
func prunedText(p store.Pruned, dryRun bool) string {
	text := fmt.Sprintf("%s deleted, %s freed", count(p.Runs, "run"), quantity.FormatSize(p.Bytes))
	if dryRun {
		text = fmt.Sprintf("%s would be deleted, about %s freed", count(p.Runs, "run"), quantity.FormatSize(p.Bytes))
		if p.Newest > 0 {
			text += fmt.Sprintf("; the newest is run %d", p.Newest)
		}
	}
	if p.Held > 0 {
		text += fmt.Sprintf("\n%s of jobs kept: tutti serve has not yet processed their results", count(p.Held, "run"))
	}
	return text
}
