package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/runner"
	"tutti/store"
)

// smallestHistory is what a history with a run or two takes on the disk.
const smallestHistory = 1 << 20

// retentionOptions say which runs a history keeps.
type retentionOptions struct {
	keepAge  typed.Duration
	keepRuns int
	maxSize  typed.Size
}

// addFlags adds the flags about them.
func (o *retentionOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.keepAge, "keep", "keep the runs of the last `DURATION`")
	f.IntVar(&o.keepRuns, "keep-runs", 0, "keep the newest `N` runs")
	f.Var(&o.maxSize, "max-size", "keep as many runs as fit into `SIZE`")
}

// retention is what the flags say, and the default if they say nothing.
func (o *retentionOptions) retention(f *pflag.FlagSet) (store.Retention, error) {
	keep := store.Retention{Keep: time.Duration(o.keepAge), KeepRuns: o.keepRuns, MaxSize: int64(o.maxSize)}
	switch {
	case f.Changed("keep-runs") && o.keepRuns < 1:
		return keep, syntaxf("--keep-runs %d: must be 1 or more", o.keepRuns)
	case f.Changed("max-size") && o.maxSize < smallestHistory:
		return keep, syntaxf("--max-size %s would keep nothing: a history needs at least %s", quantity.FormatSize(int64(o.maxSize)), quantity.FormatSize(smallestHistory))
	case f.Changed("keep") && o.keepAge == 0:
		return keep, syntaxf("nothing would be kept: to delete everything, delete the history file")
	case keep == store.Retention{}:
		return store.DefaultRetention(), nil
	}
	return keep, nil
}

type pruneOptions struct {
	retentionOptions
	history string
	dryRun  bool
}

func (o *pruneOptions) addFlags(f *pflag.FlagSet) {
	o.retentionOptions.addFlags(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be deleted, and delete nothing")
	addHistoryFlag(f, &o.history)
}

func newPruneCmd(std Streams) *cobra.Command {
	o := &pruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Delete old runs and free their disk space (default: older than 90 days, beyond 2GiB)",
		Example: `  tutti history prune --keep 30d
  tutti history prune --dry-run --keep-runs 100 --max-size 1GiB`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keep, err := o.retention(cmd.Flags())
			if err != nil {
				return err
			}
			history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: std.warn}
			defer history.Close()
			s, err := history.ForReading(cmd.Context())
			if err != nil {
				return usageOfRun(err)
			}
			prune := s.Prune
			if o.dryRun {
				prune = s.WouldPrune
			}
			pruned, err := prune(cmd.Context(), keep)
			if err != nil {
				return err
			}
			return std.print("%s\n", prunedText(pruned, o.dryRun))
		},
	}
	setHelp(cmd, exitHelpShort, flagGroup{"FLAGS", o.addFlags})
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
