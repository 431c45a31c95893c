package cmd

import (
	"context"
	"iter"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/internal/place"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
)

// A jobWriter adds and changes jobs as well.
type jobWriter interface {
	jobKeeper
	Add(ctx context.Context, p *jobs.Prepared, by string) (scheduler.StoredJob, error)
	Edit(ctx context.Context, name, by string, change func(*scheduler.Job) error) (*jobs.Edited, error)
	Try(ctx context.Context, job *scheduler.Job) (jobs.Trial, error)
	Plan(ctx context.Context, file string, read []scheduler.Job, prune bool) (*jobs.Plan, error)
	Apply(ctx context.Context, p *jobs.Plan, by string) iter.Seq2[jobs.Step, error]
}

// A jobPlace is where jobs are written: a history of this machine, or a server.
type jobPlace struct {
	std     Streams
	cmd     *cobra.Command
	history string
	remote  *client.Client // nil: the history
}

// close closes the connections to the server.
func (p *jobPlace) close() {
	if p.remote != nil {
		p.remote.Close()
	}
}

// prepare checks a job that is to be added.
func (p *jobPlace) prepare(job scheduler.Job) (*jobs.Prepared, error) {
	checker := jobChecker(p.std)
	if p.remote == nil {
		return checker.Prepare(p.cmd.Context(), job)
	}
	prepared, err := p.remote.Jobs(checker).Prepare(p.cmd.Context(), job)
	return prepared, usageOfJob(err)
}

// write does something with the jobs; missing is for a history that is not there.
func (p *jobPlace) write(missing place.Missing, do func(jobWriter) error) error {
	if p.remote != nil {
		return usageOfJob(do(p.remote.Jobs(jobChecker(p.std))))
	}
	return withJobs(p.cmd.Context(), p.std, p.history, missing, func(s *jobs.Service) error { return do(s) })
}

// place is where the job of a form is written.
func (o *jobForm) place(std Streams, cmd *cobra.Command) (*jobPlace, error) {
	remote, err := o.server.ClientFor(std, cmd, jobReason)
	if err != nil {
		return nil, err
	}
	p := &jobPlace{std, cmd, o.run.Record.History, remote}
	if remote == nil {
		return p, nil
	}
	if err := checkPathsThere(cmd.Flags()); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// jobReason is why a flag of a job is not for a server; empty: it is. Files and commands
// of a job are those of the machine of tutti serve in any case.
func jobReason(f *pflag.Flag) string {
	if f.Name == "history" {
		return place.LocalReasons[f.Name]
	}
	return ""
}

// checkPathsThere refuses paths that begin in the directory here: the files of a job of a
// server are on the machine of the server.
func checkPathsThere(f *pflag.FlagSet) (refused error) {
	f.Visit(func(flag *pflag.Flag) {
		key, _ := runner.KeyNamed(flag.Name)
		isFile := key.File || flag.Name == "script" || flag.Name == "notify-secret-file"
		if refused != nil || !isFile || flag.Name == "history" {
			return
		}
		for _, path := range textsOf(flag) {
			if path != "" && !filepath.IsAbs(path) && !(flag.Name == "ssh-config" && path == runner.NoSSHConfig) {
				refused = usagef("--%s %s: want an absolute path: the file is on the machine of the server", flag.Name, path)
			}
		}
	})
	return refused
}

// textsOf are the values of a flag.
func textsOf(flag *pflag.Flag) []string {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{flag.Value.String()}
}
