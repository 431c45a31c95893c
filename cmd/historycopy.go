package cmd

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/runner"
)

type historyCopyOptions struct{ history, to string }

func (o *historyCopyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.to, "to", "", "copy into the `DATABASE` at postgres://USER@HOST/DATABASE, which must have no history (required)")
	place.AddHistoryFlag(f, &o.history)
}

func newHistoryCopyCmd(std Streams) *cobra.Command {
	o := &historyCopyOptions{}
	cmd := &cobra.Command{
		Use:     "copy --to DATABASE [flags]",
		Short:   "Copy a history from its file into a PostgreSQL database",
		Example: `  tutti history copy --to postgres://tutti@db1/tutti`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := (&runner.History{Path: o.history, Getenv: std.Getenv}).Location()
			switch {
			case err != nil:
				return err
			case !runner.IsDatabase(o.to):
				return fault.Hint(fault.Syntaxf("--to takes the address of a database"), "for instance postgres://USER@HOST/DATABASE")
			case runner.IsDatabase(from):
				return fault.Hint(fault.Usagef("%s is no file", runner.Shown(from)), "name the file to copy with --history FILE")
			}
			copied, err := runner.CopyHistory(cmd.Context(), from, o.to, std.Warn)
			if err != nil {
				return place.UsageOfRun(err)
			}
			return std.Print("copied %s, %s and %s from %s into %s\n",
				count(int(copied.Runs), "run"), count(int(copied.Jobs), "job"), count(int(copied.Users), "user"), from, runner.Shown(o.to))
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: o.addFlags})
	return cmd
}
