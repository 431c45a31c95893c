package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tutti/internal/errno"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/runner"
	"tutti/scheduler"
)

// A Checker finds out whether a job could run, and on which hosts, in the environment
// of this process and with the files as they are now.
type Checker struct {
	Env *runner.Env // its Wording also words the errors of Read
	Now func() time.Time
	// Scopes are the selectors that bound the caller's rights: a job that is added or
	// changed may run only on hosts that each of them selects, now and whenever it
	// fires. None: on any host.
	Scopes []string
	// WebhookBy is the subject of who asks, if who does may not act on the machine of
	// the daemon: a webhook that is set is theirs; see [scheduler.Notify]. Empty: who
	// asks may.
	WebhookBy string
	// CheckWebhook says why nothing would be sent to a webhook that they set; nil: that
	// is not known here.
	CheckWebhook func(url string) error
	// MostJobs bounds how many jobs a file may have that Read reads; 0: any number.
	MostJobs int
}

// Rules returns the rules for a job that can run, and fires again after now; zero: its
// schedule may have ended. A caller that reads a jobs file adds Zone and Dir.
func Rules(now time.Time) scheduler.Rules {
	return scheduler.Rules{
		Now:        now,
		OptionKeys: runner.JobOptionKeys(),
		CommaKeys:  runner.CommaOptions(),
		Option:     runner.CheckJobOption,
		Selector:   runner.CheckJobSelector,
	}
}

// check refuses a job that could not run; now is that of Rules.
func (c *Checker) check(job *scheduler.Job, now time.Time) error {
	if err := job.Validate(Rules(now)); err != nil {
		return fault.Usage(err)
	}
	if err := c.checkWebhook(job); err != nil {
		return err
	}
	_, err := runner.CompleteJob(job, c.Env.Getenv)
	return err
}

// Idle reports whether the job sets max_running although its overlap policy does not
// use it.
func Idle(job *scheduler.Job) bool {
	return job.MaxRunning != scheduler.DefaultMaxRunning && job.Overlap != scheduler.OverlapAllow
}

// A Prepared job was checked and may be added.
type Prepared struct {
	Job   scheduler.Job
	Trial Trial
}

// markWebhook notes who has set the webhook of a job that was old before, nil: that is
// new. Who changes something else, an admin too, has not set it.
func (c *Checker) markWebhook(old, job *scheduler.Job) {
	switch n := &job.Notify; {
	case n.Webhook == "":
		n.WebhookBy = ""
	case old != nil && old.Notify.Webhook == n.Webhook:
		n.WebhookBy = old.Notify.WebhookBy
	default:
		n.WebhookBy = c.WebhookBy
	}
}

// checkWebhook is a usage error if nothing would ever be sent to the webhook of a job.
func (c *Checker) checkWebhook(job *scheduler.Job) error {
	if job.Notify.WebhookBy == "" || c.CheckWebhook == nil {
		return nil
	}
	if err := c.CheckWebhook(job.Notify.Webhook); err != nil {
		return fault.Usagef("notify.webhook: %w", err)
	}
	return nil
}

// A ZoneError says that a job names no time zone, and that the machine's is unknown.
type ZoneError struct{ Err error }

func (e *ZoneError) Error() string { return fmt.Sprintf("time zone of this machine: %v", e.Err) }
func (e *ZoneError) Unwrap() error { return e.Err }

// Prepare sets the job's zone and scopes, and checks that it can run and fires again.
// It refuses a job that excludes hosts, or limits itself to some, by a name that the
// inventory does not have: a job must not run on a host that was to be excluded.
func (c *Checker) Prepare(ctx context.Context, job scheduler.Job) (*Prepared, error) {
	if err := c.Complete(&job); err != nil {
		return nil, err
	}
	trial, err := c.Try(ctx, &job)
	if err == nil {
		err = trial.Misspelt()
	}
	return &Prepared{job, trial}, err
}

// Complete is Prepare without a look at the hosts and the script.
func (c *Checker) Complete(job *scheduler.Job) error {
	job.Scopes = c.Scopes
	c.markWebhook(nil, job)
	if job.Zone == "" {
		zone, err := scheduler.MachineZone(c.Env.Getenv)
		if err != nil {
			return &ZoneError{err}
		}
		job.Zone = zone
	}
	return c.check(job, c.Now())
}

// A Trial is the result of looking up a job's hosts and script on this machine now.
// They may differ on the daemon's machine when the job fires.
type Trial struct {
	// Script is why the script cannot be read; nil: it can, or the job has none.
	Script error
	// Hosts are the hosts the job would run on; nil: Err is why there are none.
	Hosts *runner.Selection
	Err   error
}

// Try looks up the hosts and the script of a job. The error is a problem of the job
// itself, which could not run anywhere, or an [*access.ScopeError].
func (c *Checker) Try(ctx context.Context, job *scheduler.Job) (t Trial, err error) {
	return c.try(ctx, job, nil)
}

// try is Try; from are the inventories that were read before, nil: none.
func (c *Checker) try(ctx context.Context, job *scheduler.Job, from *runner.Inventories) (t Trial, err error) {
	request, err := runner.CompleteJob(job, c.Env.Getenv)
	if err != nil {
		return t, err
	}
	if job.Script != "" {
		script, err := runner.ReadScript(ctx, nil, job.Script)
		if err == nil {
			_ = script.Source.Close() // opened for reading only
		}
		t.Script = err
	}
	t.Hosts, t.Err = c.Env.Choose(ctx, &request, &runner.Lookup{ForJob: true, Inventories: from}, job.Selector)
	if t.Err == nil {
		err = t.Hosts.Within(ctx, c.Scopes)
	}
	return t, err
}

// Within refuses a job that has hosts outside the scopes of who asks. One of which the
// hosts cannot be told is outside of every scope.
func (c *Checker) Within(ctx context.Context, job *scheduler.Job) error {
	return c.within(ctx, job, nil)
}

// within is Within; from is that of try.
func (c *Checker) within(ctx context.Context, job *scheduler.Job, from *runner.Inventories) error {
	if len(c.Scopes) == 0 {
		return nil
	}
	trial, err := c.try(ctx, job, from)
	if err == nil {
		err = trial.Err
	}
	return err
}

// Misspelt returns the error about an item that excludes hosts, or limits the job to
// some, and that the inventory does not have; nil: there is none. Any other unknown
// item may exist by the time the job fires.
func (t *Trial) Misspelt() error {
	if none, ok := errors.AsType[*inventory.NoMatchError](t.Err); ok && none.Narrows() {
		return t.Err
	}
	return nil
}

// NoInventory reports whether the hosts are unknown because no inventory was found,
// which may exist on the daemon's machine.
func (t *Trial) NoInventory() bool { return errors.As(t.Err, new(*inventory.NotFoundError)) }

// Read parses a jobs file and checks that each job can run; a schedule may have ended.
// name is the file's name in errors; relative paths in the file start from dir.
func (c *Checker) Read(ctx context.Context, name string, data []byte, dir string) ([]scheduler.Job, error) {
	rules := Rules(time.Time{})
	rules.Dir, rules.MostJobs = dir, c.MostJobs
	var err error
	if rules.Zone, err = scheduler.MachineZone(c.Env.Getenv); err != nil {
		rules.Zone = "Local" // an invalid zone: a job that does not name one is refused
	}
	rules.Option = func(option string, texts []string) error {
		return c.Env.Wording.Error(runner.CheckJobOptionAlone(option, texts))
	}
	rules.Whole = func(job scheduler.Job) error {
		_, err := runner.CompleteJob(&job, c.Env.Getenv)
		return c.withHints(err)
	}
	read, err := scheduler.ReadJobs(ctx, name, data, rules)
	if ctx.Err() != nil {
		return nil, err
	}
	return read, fault.Usage(err)
}

// withHints returns err with its hints in the text, for an error list that has no place
// for hints.
func (c *Checker) withHints(err error) error {
	if err == nil {
		return nil
	}
	all := c.Env.Wording.Hints(err)
	if text := errno.Hint(err); text != "" {
		all = append(all, text)
	}
	return c.Env.Wording.Error(err, all...)
}
