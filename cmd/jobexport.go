package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/safefile"
	"tutti/scheduler"
)

type jobExportOptions struct {
	place.Place
	output string
}

func (o *jobExportOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.output, "output", "o", "", "write to `FILE` instead of stdout")
	o.AddHistory(f)
}

func newJobExportCmd(std Streams) *cobra.Command {
	o := &jobExportOptions{}
	cmd := &cobra.Command{
		Use:   "export [flags] [NAME...]",
		Short: "Write jobs as a file that apply reads (default: all)",
		Example: `  tutti job export > jobs.yaml
  tutti job export backup -o backup.yaml`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobs(std, &o.History, manyJobs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withJobReader(cmd, std, &o.Place, place.WantsHistory, func(s jobReader) error {
				return exportJobs(cmd.Context(), std, s, args, o.output)
			})
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// exportJobs writes the jobs of these names, or all, to a file or to stdout.
func exportJobs(ctx context.Context, std Streams, s jobReader, names []string, file string) error {
	whole, broken, err := s.Export(ctx, names)
	if err != nil {
		return err
	}
	var left []error
	for i := range broken {
		left = append(left, readable(&broken[i]))
	}
	if file == "" {
		var b bytes.Buffer
		if err := scheduler.WriteJobs(&b, whole); err != nil {
			return err
		}
		_, err = std.Out.Write(b.Bytes())
	} else {
		err = safefile.Replace(file, func(w io.Writer) error { return scheduler.WriteJobs(w, whole) })
	}
	return errors.Join(append(left, err)...)
}
