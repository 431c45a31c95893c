package jobs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// Add adds a prepared job.
func (s *Service) Add(ctx context.Context, p *Prepared, by string) (scheduler.StoredJob, error) {
	return s.Store.AddJob(ctx, p.Job, by, s.Now())
}

// Remove removes a job if it is at that version; 0: at any. Its running commands go on.
func (s *Service) Remove(ctx context.Context, name string, version int64, by string) error {
	return s.Store.RemoveJob(ctx, name, version, by, s.Now())
}

// An Edited is the result of an edit.
type Edited struct {
	// Job is the job after the edit, and Old before it.
	Job scheduler.StoredJob
	Old scheduler.Job
	// Differences has a line for each key that differs; empty: nothing was changed.
	Differences []string
	// Trial is nil if the edit changes neither hosts nor script.
	Trial *Trial
}

// Retimed reports whether the job fires at other times than before, also because it was
// paused or resumed.
func (e *Edited) Retimed() bool { return retimed(&e.Old, &e.Job.Job) }

// Edit calls change with the job of that name, and stores the result. The job's Version
// is the one that was read; change may set the one that its caller has seen. A new
// schedule has to fire again, and new hosts are checked as by Prepare;
// so are the old ones, where the caller is bounded by scopes.
func (s *Service) Edit(ctx context.Context, name, by string, change func(*scheduler.Job) error) (*Edited, error) {
	now := s.Now()
	old, err := s.readable(ctx, name)
	if err != nil {
		return nil, err
	}
	job := old.Job
	if err := change(&job); err != nil {
		return nil, err
	}
	if err := s.Within(ctx, &old.Job); err != nil {
		return nil, err
	}
	job.Scopes = s.Scopes
	s.markWebhook(&old.Job, &job)
	e, err := s.CheckEdit(&old.Job, &job)
	if err != nil {
		return nil, err
	}
	if e.Trial, err = s.tryChange(ctx, &old.Job, &job); err != nil {
		return nil, err
	}
	e.Job, err = s.Store.ChangeJob(ctx, job, by, now)
	return e, err
}

// CheckEdit checks what old is to become, except for its hosts and its script. Of the
// result Job and Trial are not set yet.
func (c *Checker) CheckEdit(old, job *scheduler.Job) (*Edited, error) {
	e := &Edited{Old: *old}
	var err error
	if e.Differences, err = Diff(old, job); err != nil {
		return nil, err
	}
	come := c.Now()
	if !retimed(old, job) {
		come = time.Time{} // the schedule is unchanged, and may have ended
	}
	return e, c.check(job, come)
}

// tryChange calls Try if job may select other hosts than old, has another script, or
// the caller is bounded by scopes; else the trial is nil.
func (s *Service) tryChange(ctx context.Context, old, job *scheduler.Job) (*Trial, error) {
	moved := otherHosts(old, job)
	if !Moved(old, job) && len(s.Scopes) == 0 {
		return nil, nil
	}
	trial, err := s.Try(ctx, job)
	if err == nil && moved {
		err = trial.Misspelt()
	}
	return &trial, err
}

// Moved reports whether job may select other hosts than old, or has another script.
func Moved(old, job *scheduler.Job) bool { return otherHosts(old, job) || old.Script != job.Script }

// otherHosts reports whether job may select other hosts than old.
func otherHosts(old, job *scheduler.Job) bool {
	if old.Selector != job.Selector || !slices.Equal(old.Inventory, job.Inventory) {
		return true
	}
	for _, option := range []string{"hosts", "only", "exclude"} {
		if !slices.Equal(old.Options[option], job.Options[option]) {
			return true
		}
	}
	return false
}

// Pause pauses a job for the user p.By, or changes until when and why it is paused. The
// error is a *scheduler.KeyError if p has ended, or has no proper note. changed is false if
// it is paused so already.
func (s *Service) Pause(ctx context.Context, name string, p scheduler.Pause) (stored scheduler.StoredJob, changed bool, err error) {
	now := s.Now()
	if err := p.Check(now); err != nil {
		return stored, false, err
	}
	if stored, err = s.readable(ctx, name); err != nil {
		return stored, false, err
	}
	p.Until = p.Until.Truncate(time.Millisecond) // as the history has it
	return s.Store.PauseJob(ctx, name, p, now)
}

// Resume resumes a job, and tries again if another user changes the job at the same time.
// changed is false if the job was not paused.
func (s *Service) Resume(ctx context.Context, name, by string) (stored scheduler.StoredJob, changed bool, err error) {
	for {
		if stored, err = s.readable(ctx, name); err != nil || !stored.Paused {
			return stored, false, err
		}
		job := stored.Job
		job.Paused = false
		written, err := s.Store.ChangeJob(ctx, job, by, s.Now())
		if errors.As(err, new(*store.JobChangedError)) && ctx.Err() == nil {
			continue
		}
		return written, err == nil, err
	}
}

// RunNow starts a job manually: a daemon runs it. The assignment's Decision is Run,
// Queued, or a refusal by the job's overlap policy, with its Reason. served is false if
// no daemon serves the jobs.
func (s *Service) RunNow(ctx context.Context, name, by string) (t scheduler.Assignment, served bool, err error) {
	if t, err = s.Store.RequestFiring(ctx, name, by, s.Now()); err != nil {
		return t, false, err
	}
	served, err = s.Served(ctx)
	return t, served, err
}

// Kill stops the runs of a job and drops its queued firings, or stops one run of a job:
// ref is the job's name or the run's number; no job has a name of digits alone. halt:
// running commands go on, and no more hosts are started. It returns the runs that are
// being stopped, which the caller may wait for: none if the job is not running, and some
// also with an error about others. The error is a *store.NoJobError, a *store.NoRunError,
// or a *store.KillError if the run has ended or belongs to no job.
func (s *Service) Kill(ctx context.Context, ref string, halt bool, by string) (runs []int64, err error) {
	kill := store.KillRef{Job: ref, Halt: halt}
	if run, err := strconv.ParseInt(ref, 10, 64); err == nil {
		kill = store.KillRef{Run: run, Halt: halt}
	}
	return s.Store.KillRuns(ctx, kill, by, s.Now())
}
