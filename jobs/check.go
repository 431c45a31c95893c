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

// A Checker says of a job whether it could run, and on which hosts, as things
// are here and now.
type Checker struct {
	Env *runner.Env // whose wording is that of the errors of files, too
	Now func() time.Time
	// Scopes are the selectors that bound the right of who asks: a job that is added or
	// changed has to do with hosts only that each of them selects, now and whenever it
	// fires. None: with any.
	Scopes []string
	// WebhookBy is the subject of who asks, if who does may not act on the machine of
	// the daemon: a webhook that is set is theirs; see [scheduler.Notify]. Empty: who
	// asks may.
	WebhookBy string
	// CheckWebhook says why nothing would be sent to a webhook that they set; nil: that
	// is not known here.
	CheckWebhook func(url string) error
}

// Rules are what makes a job one that can run, at now; zero: also one that has
// run out. Who reads jobs from elsewhere adds the Zone and the Dir.
func Rules(now time.Time) scheduler.Rules {
	return scheduler.Rules{
		Now:        now,
		OptionKeys: runner.JobOptionKeys(),
		CommaKeys:  runner.CommaOptions(),
		Option:     runner.CheckJobOption,
		Selector:   runner.CheckJobSelector,
	}
}

// check refuses a job that could not run. now is zero for one that may have run
// out.
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

// Idle reports whether the job has a bound for parallel firings that its overlap
// makes no use of.
func Idle(job *scheduler.Job) bool {
	return job.MaxRunning != scheduler.DefaultMaxRunning && job.Overlap != scheduler.OverlapAllow
}

// A Prepared job is complete, can run, and may be added.
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

// A ZoneError says that a job names no zone, and that the machine's is not known.
type ZoneError struct{ Err error }

func (e *ZoneError) Error() string { return fmt.Sprintf("time zone of this machine: %v", e.Err) }
func (e *ZoneError) Unwrap() error { return e.Err }

// Prepare makes a job ready to be added: it has a zone, can run and comes to fire.
// A job that leaves hosts out, or keeps only some, by words that the inventory
// does not know is refused: a host that was to be left out must not be run on.
func (c *Checker) Prepare(ctx context.Context, job scheduler.Job) (*Prepared, error) {
	job.Scopes = c.Scopes
	c.markWebhook(nil, &job)
	if job.Zone == "" {
		zone, err := scheduler.MachineZone(c.Env.Getenv)
		if err != nil {
			return nil, &ZoneError{err}
		}
		job.Zone = zone
	}
	if err := c.check(&job, c.Now()); err != nil {
		return nil, err
	}
	trial, err := c.Try(ctx, &job)
	if err == nil {
		err = trial.Misspelt()
	}
	return &Prepared{job, trial}, err
}

// A Trial is what would become of a job that fired here and now. It may be
// different where and when it does.
type Trial struct {
	// Script is why its script cannot be read; nil: it can, or there is none.
	Script error
	// Hosts are those it would run on; nil: Err says why there are none.
	Hosts *runner.Selection
	Err   error
}

// Try looks up the hosts and the script of a job. The error is about the job
// itself, which could not run anywhere, or an [*access.ScopeError].
func (c *Checker) Try(ctx context.Context, job *scheduler.Job) (t Trial, err error) {
	request, err := runner.CompleteJob(job, c.Env.Getenv)
	if err != nil {
		return t, err
	}
	if job.Script != "" {
		script, err := runner.ReadScript(ctx, nil, job.Script)
		if err == nil {
			_ = script.Source.Close() // it was only read
		}
		t.Script = err
	}
	t.Hosts, t.Err = c.Env.Choose(ctx, &request, &runner.Lookup{ForJob: true}, job.Selector)
	if t.Err == nil {
		err = t.Hosts.Within(ctx, c.Scopes)
	}
	return t, err
}

// Misspelt is the error of an item that is to leave hosts out, or to keep only
// some, and that the inventory does not know. Anything else may be right by the
// time that the job fires.
func (t *Trial) Misspelt() error {
	if none, ok := errors.AsType[*inventory.NoMatchError](t.Err); ok && none.Narrows() {
		return t.Err
	}
	return nil
}

// NoInventory reports whether the hosts are not known for want of an inventory,
// which may be there where the job fires.
func (t *Trial) NoInventory() bool { return errors.As(t.Err, new(*inventory.NotFoundError)) }

// Read reads a file of jobs, each of which can run; one that has run out is one
// of them. name is what errors call the file, and relative paths in it begin at
// dir.
func (c *Checker) Read(name string, data []byte, dir string) ([]scheduler.Job, error) {
	rules := Rules(time.Time{})
	rules.Dir = dir
	var err error
	if rules.Zone, err = scheduler.MachineZone(c.Env.Getenv); err != nil {
		rules.Zone = "Local" // no zone for a job, as a job that needs it is told
	}
	rules.Option = func(option string, texts []string) error {
		return c.Env.Wording.Error(runner.CheckJobOptionAlone(option, texts))
	}
	rules.Whole = func(job scheduler.Job) error {
		_, err := runner.CompleteJob(&job, c.Env.Getenv)
		return c.withHints(err)
	}
	read, err := scheduler.ReadJobs(name, data, rules)
	return read, fault.Usage(err)
}

// withHints is err with the hints in its text, for a place that has none.
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
