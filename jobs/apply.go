package jobs

import (
	"context"
	"fmt"
	"iter"
	"time"

	"tutti/internal/fault"
	"tutti/runner"
	"tutti/scheduler"
)

// A Plan is the changes that make the stored jobs equal to those of a file.
type Plan struct {
	Added   []scheduler.Job
	Changed []Change
	Removed []scheduler.StoredJob
	// Same counts the jobs that need no change. Left names those that are not in the
	// file and stay.
	Same int
	Left []string
	// All counts the jobs that were stored when the plan was made.
	All int
	// Confirmed: the operator agrees to removals that RemovesMost reports.
	Confirmed bool
}

// A Change is a job to be replaced, with the differences.
type Change struct {
	Old, Job scheduler.Job
	// Rewritten: the old job cannot be read, so that the differences are unknown.
	Rewritten bool
	// Differences has a line for each key that is different.
	Differences []string
}

// Plan compares the jobs of a file, whose name is for errors, with the stored ones.
// With prune it removes those that are not in the file. It refuses a new schedule that
// never fires again.
func (s *Service) Plan(ctx context.Context, file string, jobs []scheduler.Job, prune bool) (*Plan, error) {
	stored, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Compare(file, jobs, stored, prune)
	if err != nil {
		return p, err
	}
	return p, s.checkScopes(ctx, file, p)
}

// Compare is Plan for jobs that were stored when the caller read them.
func (c *Checker) Compare(file string, jobs []scheduler.Job, stored []scheduler.StoredJob, prune bool) (*Plan, error) {
	p, err := planJobs(jobs, stored, prune)
	if err != nil {
		return nil, err
	}
	c.markWebhooks(p)
	return p, c.checkTimes(file, p)
}

// checkScopes refuses a plan that affects hosts outside the caller's scopes as they are
// now, and bounds the jobs that it writes by these scopes.
func (c *Checker) checkScopes(ctx context.Context, file string, p *Plan) error {
	if len(c.Scopes) == 0 {
		return nil
	}
	var all firstErrors
	var from runner.Inventories
	check := func(job *scheduler.Job) {
		err := ctx.Err()
		if err == nil {
			err = c.within(ctx, job, &from)
		}
		if err != nil {
			all.add(fmt.Errorf("%s: job %s: %w", file, job.Name, err))
		}
	}
	for _, job := range p.Written() {
		job.Scopes = c.Scopes
		check(job)
	}
	for i := range p.Changed {
		if old := &p.Changed[i]; !old.Rewritten {
			check(&old.Old)
		}
	}
	for i := range p.Removed {
		check(&p.Removed[i].Job)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return all.err()
}

// markWebhooks notes who has set the webhooks of the jobs that a plan writes.
func (c *Checker) markWebhooks(p *Plan) {
	for i := range p.Added {
		c.markWebhook(nil, &p.Added[i])
	}
	for i := range p.Changed {
		old := &p.Changed[i].Old
		if p.Changed[i].Rewritten {
			old = nil
		}
		c.markWebhook(old, &p.Changed[i].Job)
	}
}

// planJobs compares the jobs of a file with the stored ones.
func planJobs(jobs []scheduler.Job, stored []scheduler.StoredJob, prune bool) (*Plan, error) {
	old := make(map[string]*scheduler.StoredJob, len(stored))
	for i := range stored {
		old[stored[i].Name] = &stored[i]
	}
	p := &Plan{All: len(stored)}
	for _, job := range jobs {
		k := old[job.Name]
		delete(old, job.Name)
		if err := p.add(k, job); err != nil {
			return nil, err
		}
	}
	for i := range stored { // in the order of their names
		switch k := old[stored[i].Name]; {
		case k == nil:
		case prune:
			p.Removed = append(p.Removed, *k)
		default:
			p.Left = append(p.Left, k.Name)
		}
	}
	return p, nil
}

// add adds to the plan that job replaces k; nil: that job is added.
func (p *Plan) add(k *scheduler.StoredJob, job scheduler.Job) error {
	if k == nil {
		p.Added = append(p.Added, job)
		return nil
	}
	job.Version = k.Version
	if k.Broken != nil {
		p.Changed = append(p.Changed, Change{Old: k.Job, Job: job, Rewritten: true})
		return nil
	}
	differences, err := Diff(&k.Job, &job)
	switch {
	case err != nil:
		return err
	case len(differences) > 0:
		p.Changed = append(p.Changed, Change{Old: k.Job, Job: job, Differences: differences})
	default:
		p.Same++
	}
	return nil
}

// checkTimes refuses new times of which none is to come, and webhooks that nothing would
// be sent to.
func (c *Checker) checkTimes(file string, p *Plan) error {
	var all firstErrors
	for _, job := range p.Written() {
		if err := c.checkWebhook(job); err != nil {
			all.add(fault.Usagef("%s: job %s: %w", file, job.Name, err))
		}
	}
	rules := Rules(c.Now())
	check := func(job *scheduler.Job) {
		if err := job.Validate(rules); err != nil {
			all.add(fault.Usagef("%s: job %s: %w", file, job.Name, err))
		}
	}
	for i := range p.Added {
		check(&p.Added[i])
	}
	for i := range p.Changed {
		if one := &p.Changed[i]; retimed(&one.Old, &one.Job) && !one.Job.Paused {
			check(&one.Job)
		}
	}
	return all.err()
}

// Written returns the jobs that the plan adds or changes.
func (p *Plan) Written() []*scheduler.Job {
	var jobs []*scheduler.Job
	for i := range p.Added {
		jobs = append(jobs, &p.Added[i])
	}
	for i := range p.Changed {
		jobs = append(jobs, &p.Changed[i].Job)
	}
	return jobs
}

// fewJobs is the number of jobs below which removing more than half of them is not
// suspicious.
const fewJobs = 10

// RemovesMost reports whether the plan removes all jobs, or more than half of ten or
// more: the file is then more likely to be wrong, truncated or another one.
func (p *Plan) RemovesMost() bool {
	n := len(p.Removed)
	return n > 0 && n == p.All || p.All >= fewJobs && 2*n > p.All
}

// An UnconfirmedError says that a plan removes most jobs and is not Confirmed. Nothing
// was changed.
type UnconfirmedError struct{ Removed, All int }

func (e *UnconfirmedError) Error() string {
	return fmt.Sprintf("removing %d of %d jobs needs confirmation", e.Removed, e.All)
}

// A Step is one change of a plan; one of its fields is set.
type Step struct {
	Added   *scheduler.Job
	Changed *Change
	Removed *scheduler.StoredJob
}

// Job returns the name of the job that the step is about.
func (s *Step) Job() string {
	switch {
	case s.Added != nil:
		return s.Added.Name
	case s.Changed != nil:
		return s.Changed.Job.Name
	case s.Removed != nil:
		return s.Removed.Name
	}
	return ""
}

// Apply makes the changes of a plan job by job, and yields each step with its error; it
// goes on after an error. A job that changed since the plan was made is an error, and
// stays as it is. If the caller stops the iteration, the remaining steps are not made; if
// ctx ends, the first of them is yielded with its error. A plan that removes most jobs and is not Confirmed yields only an *UnconfirmedError.
func (s *Service) Apply(ctx context.Context, p *Plan, by string) iter.Seq2[Step, error] {
	now := s.Now()
	return func(yield func(Step, error) bool) {
		if p.RemovesMost() && !p.Confirmed {
			yield(Step{}, &UnconfirmedError{len(p.Removed), p.All})
			return
		}
		for step := range p.Steps() {
			if err := ctx.Err(); err != nil {
				yield(step, err)
				return
			}
			if !yield(step, step.make(ctx, s.Store, by, now)) {
				return
			}
		}
	}
}

// Steps returns the changes of the plan, in their order.
func (p *Plan) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for i := range p.Added {
			if !yield(Step{Added: &p.Added[i]}) {
				return
			}
		}
		for i := range p.Changed {
			if !yield(Step{Changed: &p.Changed[i]}) {
				return
			}
		}
		for i := range p.Removed {
			if !yield(Step{Removed: &p.Removed[i]}) {
				return
			}
		}
	}
}

// make makes the change in the store.
func (s *Step) make(ctx context.Context, in Definitions, by string, now time.Time) (err error) {
	switch {
	case s.Added != nil:
		_, err = in.AddJob(ctx, *s.Added, by, now)
	case s.Changed != nil:
		_, err = in.ChangeJob(ctx, s.Changed.Job, by, now)
	default:
		err = in.RemoveJob(ctx, s.Removed.Name, s.Removed.Version, by, now)
	}
	return err
}
