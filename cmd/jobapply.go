package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/quantity"
	"tutti/jobs"
	"tutti/scheduler"
)

// maxJobsFile bounds what is read as a file of jobs.
const maxJobsFile = 16 << 20

type jobApplyOptions struct {
	place.Place
	file   string
	prune  bool
	dryRun bool
	yes    bool
}

func (o *jobApplyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "file", "f", "", "read the jobs from `FILE`; - is standard input")
	f.BoolVar(&o.prune, "prune", false, "remove jobs that are not in FILE")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask, even if --prune removes every job, or most of ten or more")
	o.AddHistory(f)
}

func newJobApplyCmd(std Streams) *cobra.Command {
	o := &jobApplyOptions{}
	cmd := &cobra.Command{
		Use:   "apply [flags] -f FILE",
		Short: "Apply a jobs file",
		Long: `Nothing is changed unless every job in FILE is valid. Jobs that are not in FILE
stay, unless --prune is given. --prune asks before it removes all jobs, or more than
half of ten or more; without a terminal it needs --yes. A job that another process
changes at the same time is not touched, and is reported as an error; of a server
nothing is changed then. Files are those of the machine of tutti serve: paths for a
server are absolute. jobs.example.yaml shows every key.`,
		Example: `  tutti job apply --dry-run -f jobs.yaml
  tutti job apply --prune -f jobs.yaml
  tutti job export | ssh other tutti job apply -f -`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.file == "" {
				return syntaxf("missing file: -f FILE, or -f - for standard input")
			}
			return applyJobs(cmd, std, o)
		},
	}
	help.Set(cmd, exitHelpJob, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// applyJobs makes the jobs in the history, or of a server, equal to those in a file.
func applyJobs(cmd *cobra.Command, std Streams, o *jobApplyOptions) error {
	now, ctx := std.Time(), cmd.Context()
	remote, err := o.Client(std, cmd)
	if err != nil {
		return err
	}
	where := &jobPlace{std, cmd, o.History, remote}
	defer where.close()
	read, err := readJobs(ctx, std, o.file, remote == nil)
	if err != nil {
		return err
	}
	missing := place.MakesHistory
	if o.dryRun {
		missing = place.NoHistory
	}
	return where.write(missing, func(s jobWriter) error {
		p, err := s.Plan(ctx, o.file, read, o.prune)
		if err != nil {
			return err
		}
		if err := warnOfPlan(ctx, std, s, p, o.dryRun, now); err != nil {
			return err
		}
		if o.dryRun {
			return printJobsPlan(std, p)
		}
		if err := confirmRemovals(ctx, p, o.yes); err != nil {
			return err
		}
		if err := applyPlan(ctx, std, s, p); err != nil {
			return err
		}
		return warnOfNoDaemon(ctx, std, s, p.Written()...)
	})
}

// readJobs reads a jobs file, and checks that each job can run. Of jobs that run here,
// paths begin in the directory of the file; those of others have to be absolute.
func readJobs(ctx context.Context, std Streams, file string, here bool) ([]scheduler.Job, error) {
	data, dir, err := readJobsFile(std, file)
	if err != nil {
		return nil, err
	}
	if !here {
		dir = ""
	}
	checker := jobChecker(std)
	read, err := checker.Read(ctx, file, data, dir)
	if err != nil {
		return nil, err
	}
	for i := range read {
		warnOfIdle(std, &read[i])
	}
	return read, nil
}

// readJobsFile reads a file, or standard input, and returns the directory that relative
// paths in it are relative to.
func readJobsFile(std Streams, file string) (data []byte, dir string, err error) {
	from, at := std.In, "."
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", usage(err)
		}
		defer func() { _ = f.Close() }() // it was only read
		from, at = f, filepath.Dir(file)
	}
	data, err = io.ReadAll(io.LimitReader(from, maxJobsFile+1))
	switch {
	case err != nil:
		return nil, "", usagef("read the jobs: %w", err)
	case len(data) > maxJobsFile:
		return nil, "", usagef("%s is larger than %s, too large for a jobs file", file, quantity.FormatSize(maxJobsFile))
	}
	dir, err = filepath.Abs(at)
	return data, dir, err
}

// mostTried is how many jobs of a file are checked by a trial: each reads its
// inventory.
const mostTried = 100

// warnOfPlan has the warnings of job add: times that may not be meant, and what would
// make a job fail now. A missing inventory is reported once, and not in a dry run: a
// file may be checked anywhere.
func warnOfPlan(ctx context.Context, std Streams, s jobWriter, p *jobs.Plan, dryRun bool, now time.Time) error {
	inventories := true
	for i, job := range p.Written() {
		warn := func(text string) { std.Warn(fmt.Sprintf("job %s: %s", job.Name, text)) }
		t, err := job.Timing(now)
		if err != nil {
			return err
		}
		warnings, err := timesWarnings(t, now)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			warn(w)
		}
		if i >= mostTried {
			continue
		}
		trial, err := s.Try(ctx, job)
		if err != nil {
			return err
		}
		warnOfTrial(std, &trial, warn)
		inventories = inventories && !trial.NoInventory()
	}
	if !inventories && !dryRun {
		std.Warn(noInventoryHere)
	}
	return nil
}

// wouldBe begins what a dry run says of a job.
const wouldBe = "would be "

// printJobsPlan says what would be done.
func printJobsPlan(std Streams, p *jobs.Plan) error {
	for step := range p.Steps() {
		if err := printStep(std, step, wouldBe); err != nil {
			return err
		}
	}
	return printRest(std, p)
}

// printStep says what was done, or with wouldBe what would be.
func printStep(std Streams, step jobs.Step, would string) error {
	switch {
	case step.Added != nil:
		job := step.Added
		return std.Print("job %s %sadded: %s\n", job.Name, would, cli.OneLine(whatOf(job)+", on "+whereOf(job), maxDiffLine))
	case step.Removed != nil:
		return std.Print("job %s %sremoved\n", step.Removed.Name, would)
	}
	c := step.Changed
	lines := c.Differences
	if c.Rewritten {
		lines = []string{"the job was unreadable and is replaced"}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "job %s %schanged\n", c.Job.Name, would)
	for _, line := range lines {
		fmt.Fprintf(&b, "  %s\n", cli.OneLine(line, maxDiffLine))
	}
	return std.Print("%s", b.String())
}

// printRest says what is left as it is.
func printRest(std Streams, p *jobs.Plan) error {
	if len(p.Left) > 0 {
		names := cli.OneLine(strings.Join(p.Left, ", "), maxDiffLine)
		if err := std.Say("not in the file, and kept without --prune: " + names); err != nil {
			return err
		}
	}
	switch done := len(p.Added) + len(p.Changed) + len(p.Removed); {
	case done == 0:
		return std.Print("nothing to change: %s as in the file\n", count(p.Same, "job"))
	case p.Same > 0:
		return std.Print("%s unchanged\n", count(p.Same, "job"))
	}
	return nil
}

// applyPlan executes the plan, and reports each step.
func applyPlan(ctx context.Context, std Streams, s jobWriter, p *jobs.Plan) error {
	var all []error
	for step, err := range s.Apply(ctx, p, std.UserName()) {
		if err == nil {
			err = printStep(std, step, "")
		}
		all = append(all, err)
	}
	return errors.Join(append(all, printRest(std, p))...)
}
