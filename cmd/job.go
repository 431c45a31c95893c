package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

func newJobCmd(c *console) *cobra.Command {
	return help.Parent(&cobra.Command{
		Use:   "job COMMAND",
		Short: "Manage scheduled jobs",
		Long: `A job is a command or a script with a selector and a schedule, stored in the history.
tutti serve fires jobs; each firing is a run, which tutti show shows.`,
		Example: `  tutti job add backup --schedule '30 2 * * *' --zone Europe/Berlin db /usr/local/bin/backup
  tutti job list
  tutti job apply --dry-run -f jobs.yaml`,
	},
		newJobAddCmd(c.Streams),
		newJobEditCmd(c.Streams),
		newJobListCmd(c.Streams),
		newJobShowCmd(c.Streams),
		newJobNextCmd(c.Streams),
		newJobLogCmd(c.Streams),
		newJobPauseCmd(c.Streams),
		newJobResumeCmd(c.Streams),
		newJobRemoveCmd(c.Streams),
		newJobRunCmd(c),
		newJobKillCmd(c.Streams),
		newJobApplyCmd(c.Streams),
		newJobExportCmd(c.Streams),
	)
}

// exitHelpJob is the exit table of the commands that show or change jobs.
const exitHelpJob = `EXIT STATUS
  0  done
  1  local error (file, history, disk)
  2  usage error: flags, no such job, a job that changed since it was read`

// A jobReader reads jobs: those of a history, or of a server. What the methods promise
// is said at those of jobs.Service.
type jobReader interface {
	List(ctx context.Context) ([]jobs.View, error)
	Show(ctx context.Context, name string) (*jobs.Details, error)
	Log(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error)
	Next(ctx context.Context, name string, n int) (*jobs.Times, error)
	Export(ctx context.Context, names []string) ([]scheduler.Job, []scheduler.StoredJob, error)
	AnnounceFewerDays(ctx context.Context, in store.Place, announce func(names []string)) error
	Served(ctx context.Context) (bool, error)
}

// unservedJobs says whether jobs wait for a daemon; see jobs.Service.
type unservedJobs interface {
	Unserved(ctx context.Context, jobs ...*scheduler.Job) (bool, error)
}

// A jobKeeper changes jobs as well.
type jobKeeper interface {
	jobReader
	unservedJobs
	Named(ctx context.Context, names []string) ([]scheduler.StoredJob, error)
	Pause(ctx context.Context, name string, p scheduler.Pause) (stored scheduler.StoredJob, changed bool, err error)
	Resume(ctx context.Context, name, by string) (stored scheduler.StoredJob, changed bool, err error)
	Remove(ctx context.Context, name string, version int64, by string) error
	RunNow(ctx context.Context, name, by string) (t scheduler.Assignment, served bool, err error)
}

// withJobReader does something with the jobs of a history, or of a server.
func withJobReader(cmd *cobra.Command, std Streams, p *place.Place, missing place.Missing, do func(jobReader) error) error {
	return withJobKeeper(cmd, std, p, missing, func(s jobKeeper) error { return do(s) })
}

// withJobKeeper is withJobReader for what changes jobs.
func withJobKeeper(cmd *cobra.Command, std Streams, p *place.Place, missing place.Missing, do func(jobKeeper) error) error {
	remote, err := p.Client(std, cmd)
	if err != nil {
		return err
	}
	if remote != nil {
		defer remote.Close()
		return usageOfJob(do(remote.Jobs(jobChecker(std))))
	}
	return withJobs(cmd.Context(), std, p.History, missing, func(s *jobs.Service) error { return do(s) })
}

// withJobs opens the history and calls do with its jobs.
func withJobs(ctx context.Context, std Streams, path string, missing place.Missing, do func(*jobs.Service) error) error {
	return withStore(ctx, std, path, missing, func(s store.Store) error {
		return do(jobService(std, s))
	})
}

// withStore is withJobs for more than jobs. The store is nil if there is none and the
// command allows that.
func withStore(ctx context.Context, std Streams, path string, missing place.Missing, do func(store.Store) error) error {
	return usageOfJob(place.WithHistory(ctx, std, path, missing, "tutti job add adds the first job and creates the history; --history names another", do))
}

// jobService is the service over the jobs of a store, which may be nil.
func jobService(std Streams, s store.Store) *jobs.Service {
	service := &jobs.Service{Checker: jobChecker(std)}
	if s != nil { // or the interface would hold a nil
		service.Store = s
	}
	return service
}

// jobChecker checks jobs here and now.
func jobChecker(std Streams) jobs.Checker {
	return jobs.Checker{Env: std.Env(), Now: std.Time}
}

// usageOfJob makes the error about a missing or changed job a usage error.
func usageOfJob(err error) error {
	if removed, ok := errors.AsType[*jobs.RemovedError](err); ok {
		last := &removed.Last
		return hint(usagef("job %s was %s by %s at %s", removed.Name, last.What, last.User, cli.ClockText(last.At.Local())),
			"tutti job log "+removed.Name+" lists its firings")
	}
	if broken, ok := err.(*jobs.BrokenError); ok { //nolint:errorlint // one that was joined to others has its hint
		return hintBroken(broken)
	}
	if errors.As(err, new(*jobs.MissingError)) {
		return hint(usage(err), "`tutti job list` lists the jobs")
	}
	for _, mistake := range []any{
		new(*store.NoJobError), new(*store.JobExistsError), new(*store.JobChangedError), new(*store.KillError), new(*scheduler.KeyError),
	} {
		if errors.As(err, mistake) {
			return usage(err)
		}
	}
	return place.UsageOfRun(err)
}

// hintBroken adds what can be done with a job that cannot be read any more.
func hintBroken(err error) error {
	return hint(usage(err), "tutti job apply writes it again, tutti job rm removes it")
}

// readable refuses a job that cannot be read any more.
func readable(kept *scheduler.StoredJob) error {
	if err := jobs.Readable(kept); err != nil {
		return hintBroken(err)
	}
	return nil
}

// completeJobs completes the names of jobs, most at most. A history that cannot
// be read completes nothing.
func completeJobs(std Streams, history *string, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var kept []scheduler.StoredJob
		completion.FromHistory(cmd.Context(), std, *history, func(s store.Store) (err error) {
			kept, err = s.ListJobs(cmd.Context())
			return err
		})
		var out []string
		for i := range kept {
			if name := kept[i].Name; strings.HasPrefix(name, toComplete) && !slices.Contains(args, name) {
				out = append(out, name+"\t"+cli.OneLine(whatOf(&kept[i].Job), 60))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// whatOf is what a job runs.
func whatOf(job *scheduler.Job) string {
	if job.Script != "" {
		return "script " + job.Script
	}
	return job.Command
}

// whereOf is what hosts a job runs on.
func whereOf(job *scheduler.Job) string {
	if hosts := job.Options["hosts"]; len(hosts) > 0 {
		return "-w " + strings.Join(hosts, ",")
	}
	return job.Selector
}

// oneJob is the argument of a command that is about one job.
func oneJob(args []string) (string, error) {
	switch len(args) {
	case 0:
		return "", hint(syntaxf("missing job name"), "tutti job list lists the jobs")
	case 1:
		return args[0], nil
	}
	return "", syntaxf("only one job can be given: unexpected %q", args[1])
}
