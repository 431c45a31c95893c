package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/inventory"
	"tutti/scheduler"
)

// CompleteJob is the complete request of a job's runs. It returns an error if its parts
// do not fit together; it does not repeat the checks of Validate.
func CompleteJob(job *scheduler.Job, getenv func(string) string) (Request, error) {
	r, err := requestOfJob(job)
	if err != nil {
		return r, err
	}
	if err := r.Complete(getenv); err != nil {
		return r, err
	}
	if job.Script != "" && r.Task.PTY {
		return r, fault.Usagef("a script is sent through standard input and cannot have a terminal: remove pty")
	}
	sel, err := r.Selector(job.Selector, false)
	if err == nil {
		err = CheckJobSelector(sel.String())
	}
	return r, fault.Usage(err)
}

// CheckJobSelector refuses items whose meaning depends on the user or the current
// directory.
func CheckJobSelector(text string) error {
	sel, err := inventory.ParseSelector(text)
	switch {
	case err != nil:
		return err
	case sel.UsesRuns():
		return errors.New("jobs cannot use run: (hosts of an earlier run); name a group, hosts or labels")
	}
	for _, path := range sel.Files() {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("@%s is not an absolute path; a daemon may run in another directory", path)
		}
	}
	return nil
}

// taskOfJob is the task of a job that fires for at, without its environment. The caller
// closes its script.
func taskOfJob(ctx context.Context, job *scheduler.Job, at time.Time) (fanout.Task, error) {
	task := fanout.Task{Action: fanout.Command(job.Command)}
	if job.TuttiEnv {
		task.Job = &fanout.JobInfo{Name: job.Name, ScheduledAt: at}
	}
	if job.Script == "" {
		return task, nil
	}
	if err := CheckPlainFile("script", job.Script); err != nil {
		return task, err
	}
	script, err := ReadScript(ctx, nil, job.Script)
	if err != nil {
		return task, err
	}
	script.Label = "script " + phrase.ShellWord(job.Script)
	task.Action = script
	return task, nil
}

// CheckPlainFile refuses a path, given as a key of a job, to a file that could block
// its reader for ever, such as a FIFO.
func CheckPlainFile(key, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fault.Usagef("%s: %w", key, err)
	case !info.Mode().IsRegular():
		return fault.Usagef("%s: %s is not a regular file", key, path)
	}
	return nil
}
