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

	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// maxJobsFile bounds what is read as a file of jobs.
const maxJobsFile = 16 << 20

type jobApplyOptions struct {
	history string
	file    string
	prune   bool
	dryRun  bool
	yes     bool
}

func (o *jobApplyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "file", "f", "", "read the jobs in `FILE`; - is our standard input")
	f.BoolVar(&o.prune, "prune", false, "remove the jobs that are not in FILE")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be changed, and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask, even if --prune removes every job, or most of ten or more")
	addHistoryFlag(f, &o.history)
}

func newJobApplyCmd(std Streams) *cobra.Command {
	o := &jobApplyOptions{}
	cmd := &cobra.Command{
		Use:   "apply [flags] -f FILE",
		Short: "Apply a jobs file",
		Long: `Nothing is changed unless every job in FILE is valid. Jobs that are not in FILE
stay, unless --prune is given. --prune asks before it removes all jobs, or more than
half of ten or more; without a terminal it needs --yes. A job that changes at the
same time is left as it is, and is an error. jobs.example.yaml shows every key.`,
		Example: `  tutti job apply --dry-run -f jobs.yaml
  tutti job apply --prune -f jobs.yaml
  tutti job export | ssh other tutti job apply -f -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.file == "" {
				return syntaxf("which file? -f FILE, or -f - for our standard input")
			}
			return applyJobs(cmd.Context(), std, o)
		},
	}
	setHelp(cmd, exitHelpJob, flagGroup{"FLAGS", o.addFlags})
	return cmd
}

// applyJobs makes the jobs in the history equal to those in a file.
func applyJobs(ctx context.Context, std Streams, o *jobApplyOptions) error {
	now := std.now()
	jobs, err := readJobs(std, o.file)
	if err != nil {
		return err
	}
	missing := makesHistory
	if o.dryRun {
		missing = noHistory
	}
	return withJobs(ctx, std, o.history, missing, func(s *store.Store) error {
		kept, err := keptJobs(ctx, s)
		if err != nil {
			return err
		}
		p, err := planJobs(jobs, kept, o.prune)
		if err != nil {
			return err
		}
		if err := checkPlan(std, o.file, p, now); err != nil {
			return err
		}
		if err := warnOfPlan(ctx, std, p, o.dryRun, now); err != nil {
			return err
		}
		if o.dryRun {
			return p.print(std, "would be ")
		}
		if err := confirmRemovals(ctx, p, len(kept), o.yes); err != nil {
			return err
		}
		if err := carryOutJobs(ctx, std, s, p, now); err != nil {
			return err
		}
		return warnOfNoDaemon(ctx, std, s, p.written()...)
	})
}

// keptJobs are all jobs; none, if there is no history.
func keptJobs(ctx context.Context, s *store.Store) ([]scheduler.Kept, error) {
	if s == nil {
		return nil, nil
	}
	return s.Kept(ctx)
}

// readJobs reads a file of jobs, each of which can be carried out.
func readJobs(std Streams, file string) ([]scheduler.Job, error) {
	data, dir, err := readJobsFile(std, file)
	if err != nil {
		return nil, err
	}
	rules := jobRules(time.Time{}) // an old job may have run out
	rules.Dir = dir
	if rules.Zone, err = machineZone(std); err != nil {
		rules.Zone = "Local" // no zone for a job, as a job that needs it is told
	}
	rules.Option = runner.CheckJobOptionAlone
	rules.Whole = func(job scheduler.Job) error {
		_, err := jobOptions(std, job)
		return withHints(err)
	}
	jobs, err := scheduler.ReadJobs(file, data, rules)
	if err != nil {
		return nil, usage(err)
	}
	for i := range jobs {
		warnOfIdle(std, &jobs[i])
	}
	return jobs, nil
}

// withHints is err with the hints in its text, for a place that has none.
func withHints(err error) error {
	all := hints(err)
	if len(all) == 0 {
		return err
	}
	return fmt.Errorf("%w; %s", err, strings.Join(all, "; "))
}

// readJobsFile reads a file, or our standard input, and says where its relative
// paths begin.
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
		return nil, "", usagef("%s is larger than %s, and not a file of jobs", file, quantity.FormatSize(maxJobsFile))
	}
	dir, err = filepath.Abs(at)
	return data, dir, err
}

// A jobsPlan is what has to be done so that the jobs are those of a file.
type jobsPlan struct {
	added   []scheduler.Job
	changed []jobChange
	removed []scheduler.Kept
	// same is how many are right already, and left the names of those that are
	// not in the file and stay.
	same int
	left []string
}

// A jobChange is a job that is to be another, and what is different.
type jobChange struct {
	old, job scheduler.Job
	lines    []string
}

// planJobs compares the jobs of a file with those that are kept.
func planJobs(jobs []scheduler.Job, kept []scheduler.Kept, prune bool) (*jobsPlan, error) {
	old := make(map[string]*scheduler.Kept, len(kept))
	for i := range kept {
		old[kept[i].Name] = &kept[i]
	}
	p := &jobsPlan{}
	for _, job := range jobs {
		k := old[job.Name]
		delete(old, job.Name)
		if k == nil {
			p.added = append(p.added, job)
			continue
		}
		job.Version = k.Version
		if k.Broken != nil {
			p.changed = append(p.changed, jobChange{k.Job, job, []string{"it could not be read, and is written anew"}})
			continue
		}
		lines, err := diffJobs(&k.Job, &job)
		switch {
		case err != nil:
			return nil, err
		case len(lines) > 0:
			p.changed = append(p.changed, jobChange{k.Job, job, lines})
		default:
			p.same++
		}
	}
	for i := range kept { // in the order of their names
		switch k := old[kept[i].Name]; {
		case k == nil:
		case prune:
			p.removed = append(p.removed, *k)
		default:
			p.left = append(p.left, k.Name)
		}
	}
	return p, nil
}

// checkPlan refuses new times of which none is to come.
func checkPlan(std Streams, file string, p *jobsPlan, now time.Time) error {
	var all []error
	check := func(job *scheduler.Job) {
		if err := job.Validate(jobRules(now)); err != nil {
			all = append(all, usagef("%s: job %s: %w", file, job.Name, err))
		}
	}
	for i := range p.added {
		check(&p.added[i])
	}
	for i := range p.changed {
		if c := &p.changed[i]; retimed(&c.old, &c.job) && !c.job.Paused {
			check(&c.job)
		}
	}
	return errors.Join(all...)
}

// written are the jobs that are added or changed.
func (p *jobsPlan) written() []*scheduler.Job {
	var jobs []*scheduler.Job
	for i := range p.added {
		jobs = append(jobs, &p.added[i])
	}
	for i := range p.changed {
		jobs = append(jobs, &p.changed[i].job)
	}
	return jobs
}

// mostTried is how many jobs of a file are tried: each reads its inventory.
const mostTried = 100

// warnOfPlan warns of what job add warns of: times that may not be meant, and
// what would make a job fail as things are now. That there is no inventory is
// said once, and not where nothing is changed: a file may be checked anywhere.
func warnOfPlan(ctx context.Context, std Streams, p *jobsPlan, dryRun bool, now time.Time) error {
	inventories := true
	for i, job := range p.written() {
		warn := func(text string) { std.warn(fmt.Sprintf("job %s: %s", job.Name, text)) }
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
		run, err := jobOptions(std, *job)
		if err != nil {
			return err
		}
		_, known := tryJob(ctx, std, job, lookUpHosts(ctx, std, job, run), warn)
		inventories = inventories && known
	}
	if !inventories && !dryRun {
		std.warn(noInventoryHere)
	}
	return nil
}

func (p *jobsPlan) print(std Streams, would string) error {
	for i := range p.added {
		if err := printAdded(std, &p.added[i], would); err != nil {
			return err
		}
	}
	for i := range p.changed {
		if err := printChanged(std, &p.changed[i], would); err != nil {
			return err
		}
	}
	for i := range p.removed {
		if err := std.print("job %s %sremoved\n", p.removed[i].Name, would); err != nil {
			return err
		}
	}
	return p.printRest(std)
}

func printAdded(std Streams, job *scheduler.Job, would string) error {
	return std.print("job %s %sadded: %s\n", job.Name, would, oneLine(whatOf(job)+", on "+whereOf(job), maxDiffLine))
}

func printChanged(std Streams, c *jobChange, would string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s %schanged\n", c.job.Name, would)
	for _, line := range c.lines {
		fmt.Fprintf(&b, "  %s\n", oneLine(line, maxDiffLine))
	}
	return std.print("%s", b.String())
}

// printRest says what is left as it is.
func (p *jobsPlan) printRest(std Streams) error {
	if len(p.left) > 0 {
		names := oneLine(strings.Join(p.left, ", "), maxDiffLine)
		if err := std.say("not in the file, and left as they are without --prune: " + names); err != nil {
			return err
		}
	}
	switch done := len(p.added) + len(p.changed) + len(p.removed); {
	case done == 0:
		return std.print("nothing to change: %s as in the file\n", count(p.same, "job"))
	case p.same > 0:
		return std.print("%s unchanged\n", count(p.same, "job"))
	}
	return nil
}

// carryOutJobs does what was planned, job by job; what goes wrong with one does
// not keep it from the others.
func carryOutJobs(ctx context.Context, std Streams, s *store.Store, p *jobsPlan, now time.Time) error {
	by := std.userName()
	var all []error
	note := func(err error, done func() error) {
		if err == nil {
			err = done()
		}
		all = append(all, err)
	}
	for i := range p.added {
		job := &p.added[i]
		_, err := s.AddJob(ctx, *job, by, now)
		note(err, func() error { return printAdded(std, job, "") })
	}
	for i := range p.changed {
		c := &p.changed[i]
		_, err := s.ChangeJob(ctx, c.job, by, now)
		note(err, func() error { return printChanged(std, c, "") })
	}
	for i := range p.removed {
		k := &p.removed[i]
		err := s.RemoveJob(ctx, k.Name, k.Version, by, now)
		note(err, func() error { return std.print("job %s removed\n", k.Name) })
	}
	return errors.Join(append(all, p.printRest(std))...)
}

// namedJobs are the jobs of these names, each once, or all.
func namedJobs(ctx context.Context, s *store.Store, names []string) ([]scheduler.Kept, error) {
	if len(names) == 0 {
		return s.Kept(ctx)
	}
	var jobs []scheduler.Kept
	var missing []error
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		kept, err := s.Job(ctx, name)
		switch {
		case errors.As(err, new(*store.NoJobError)):
			missing = append(missing, err)
		case err != nil:
			return nil, err
		default:
			jobs = append(jobs, kept)
		}
	}
	if len(missing) > 1 {
		return nil, hint(usagef("%v", errors.Join(missing...)), "`tutti job list` lists the jobs")
	}
	return jobs, errors.Join(missing...)
}
