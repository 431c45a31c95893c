package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/cmd/internal/request"
	"tutti/internal/yamltree"
	"tutti/jobs"
	"tutti/scheduler"
)

type jobEditOptions struct {
	*jobForm
	unset   []string
	version int64
}

func (o *jobEditOptions) addCareFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.unset, "unset", nil, "reset `KEYS` to their defaults, such as timeout,notify")
	f.Int64Var(&o.version, "version", 0, "fail unless the job is at version `N`")
}

func newJobEditCmd(std Streams) *cobra.Command {
	o := &jobEditOptions{jobForm: newJobForm()}
	cmd := &cobra.Command{
		Use:   "edit NAME [flags] [SELECTOR [COMMAND...]]",
		Short: "Change the given settings of a job",
		Long: `A repeatable flag replaces all the values that the job has. --paused=false and the
like turn a setting off; --unset resets keys to their defaults. Running commands
continue unchanged. A new schedule counts from now on: scheduled times that the old
one left undone are recorded as missed.`,
		Example: `  tutti job edit backup --schedule '30 3 * * *'
  tutti job edit backup 'db,!db2'
  tutti job edit backup --unset timeout,notify`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobWords(std, &o.run.Options, completeJobs(std, &o.run.Record.History, 1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, selector, rest, err := jobWords(cmd, args)
			switch {
			case err != nil:
				return err
			case wantsHelp(cmd):
				return helpFor(cmd, args)
			case name == "":
				_, err := oneJob(nil)
				return err
			case selector == "" && !anyChanged(cmd.Flags()):
				return syntaxf("nothing to change for job %s", name)
			}
			return editJob(cmd, std, o, name, selector, rest)
		},
	}
	takesFlagsBehind(cmd)
	help.Set(cmd, exitHelpJob, o.groups(o.addCareFlags)...)
	return cmd
}

// anyChanged reports whether something was given besides where the job is.
func anyChanged(f *pflag.FlagSet) bool {
	given := false
	f.Visit(func(flag *pflag.Flag) { given = given || flag.Name != "history" && !aboutServer(flag) })
	return given
}

// editJob changes the job of that name into what the command line says.
func editJob(cmd *cobra.Command, std Streams, o *jobEditOptions, name, selector string, rest []string) error {
	where, err := o.place(std, cmd)
	if err != nil {
		return err
	}
	defer where.close()
	return where.write(place.WantsHistory, func(s jobWriter) error {
		now := std.Time()
		edited, err := s.Edit(cmd.Context(), name, std.UserName(), func(job *scheduler.Job) error {
			return fillEdit(std, cmd.Flags(), o, job, selector, rest)
		})
		if err != nil {
			return err
		}
		return sayEdited(cmd.Context(), std, s, edited, now)
	})
}

// fillEdit writes what the command line says into job.
func fillEdit(std Streams, f *pflag.FlagSet, o *jobEditOptions, job *scheduler.Job, selector string, rest []string) error {
	for _, key := range o.unset {
		if err := unsetKey(job, strings.ReplaceAll(key, "-", "_")); err != nil {
			return err
		}
	}
	if _, err := request.TakeHosts(f, std.In); err != nil {
		return err
	}
	if err := o.fill(f, job, selector, rest); err != nil {
		return err
	}
	if f.Changed("version") {
		job.Version = o.version
	}
	return nil
}

// sayEdited reports what changed in a job.
func sayEdited(ctx context.Context, std Streams, s unservedJobs, e *jobs.Edited, now time.Time) error {
	job := &e.Job.Job
	if len(e.Differences) == 0 {
		return std.Print("job %s: nothing to change\n", job.Name)
	}
	if err := std.Print("job %s changed, version %d\n", job.Name, job.Version); err != nil {
		return err
	}
	for _, line := range e.Differences {
		if err := std.Print("  %s\n", cli.OneLine(line, maxDiffLine)); err != nil {
			return err
		}
	}
	if e.Old.MaxRunning != job.MaxRunning || e.Old.Overlap != job.Overlap {
		warnOfIdle(std, job)
	}
	if e.Retimed() {
		if err := printTimes(std, job, now); err != nil {
			return err
		}
	}
	if e.Trial != nil {
		if err := showHosts(std, job, e.Trial); err != nil {
			return err
		}
	}
	if e.Retimed() {
		return warnOfNoDaemon(ctx, std, s, job)
	}
	return nil
}

// maxDiffLine bounds a line about what has changed, in characters.
const maxDiffLine = 300

// unsetKey resets a key of job to its default.
func unsetKey(job *scheduler.Job, key string) error {
	err := jobs.Unset(job, key)
	unknown, ok := errors.AsType[*jobs.UnknownKeyError](err)
	if !ok {
		return err
	}
	err = syntaxf("--unset %w", err)
	if near := yamltree.Nearest(key, unknown.Known); near != "" {
		return hint(err, fmt.Sprintf("did you mean %s?", strings.ReplaceAll(near, "_", "-")))
	}
	return err
}
