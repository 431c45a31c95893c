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

// Add adds a job.
func (s *Service) Add(ctx context.Context, p *Prepared, by string) (scheduler.StoredJob, error) {
	return s.Store.AddJob(ctx, p.Job, by, s.Now())
}

// Remove removes a job of a version; 0: of any. What runs of it goes on.
func (s *Service) Remove(ctx context.Context, name string, version int64, by string) error {
	return s.Store.RemoveJob(ctx, name, version, by, s.Now())
}

// An Edited job was changed.
type Edited struct {
	// Job is as it is now, and Old as it was.
	Job scheduler.StoredJob
	Old scheduler.Job
	// Differences has a line for each key that is different; empty: nothing is.
	Differences []string
	// Trial is nil if hosts and script are those of before.
	Trial *Trial
}

// Retimed reports whether it fires at other times than before, also because it was
// paused or resumed.
func (e *Edited) Retimed() bool { return retimed(&e.Old, &e.Job.Job) }

// Edit makes of the job of that name what change makes of it. Its Version is the
// one that was read, and change may set the one that its caller has seen. A job
// that fires at other times has to have some that are to come; one that is for
// other hosts is refused as by Prepare.
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
	job.Scopes = s.Scopes
	s.markWebhook(&old.Job, &job)
	e := &Edited{Old: old.Job}
	if e.Differences, err = Diff(&old.Job, &job); err != nil {
		return nil, err
	}
	come := now
	if !retimed(&old.Job, &job) {
		come = time.Time{} // one that has run out may be changed in what it keeps
	}
	if err := s.check(&job, come); err != nil {
		return nil, err
	}
	if e.Trial, err = s.tryChange(ctx, &old.Job, &job); err != nil {
		return nil, err
	}
	e.Job, err = s.Store.ChangeJob(ctx, job, by, now)
	return e, err
}

// tryChange tries job if it may be for other hosts than old, has another script, or
// who asks is bounded by scopes; else the trial is nil.
func (s *Service) tryChange(ctx context.Context, old, job *scheduler.Job) (*Trial, error) {
	moved := otherHosts(old, job)
	if !moved && old.Script == job.Script && len(s.Scopes) == 0 {
		return nil, nil
	}
	trial, err := s.Try(ctx, job)
	if err == nil && moved {
		err = trial.Misspelt()
	}
	return &trial, err
}

// otherHosts reports whether job may be for other hosts than old.
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

// SetPaused pauses a job, or resumes it, whatever else is changed at the same time.
// changed is false if it was so already.
func (s *Service) SetPaused(ctx context.Context, name string, paused bool, by string) (kept scheduler.StoredJob, changed bool, err error) {
	for {
		if kept, err = s.readable(ctx, name); err != nil || kept.Paused == paused {
			return kept, false, err
		}
		job := kept.Job
		job.Paused = paused
		written, err := s.Store.ChangeJob(ctx, job, by, s.Now())
		if errors.As(err, new(*store.JobChangedError)) && ctx.Err() == nil {
			continue
		}
		return written, err == nil, err
	}
}

// RunNow asks for a run of a job, which a daemon carries out. The ticket's
// Decision says whether it is, waits, or is refused by the job's overlap for its
// Reason. served is false if no daemon is there that would begin it.
func (s *Service) RunNow(ctx context.Context, name, by string) (t scheduler.Assignment, served bool, err error) {
	if t, err = s.Store.RequestFiring(ctx, name, by, s.Now()); err != nil {
		return t, false, err
	}
	served, err = s.Served(ctx)
	return t, served, err
}

// Kill stops what runs of a job, or one run of a job: ref is the name or the number, and
// no job has a name of digits alone. Queued firings of a job are dropped. The runs are
// those that are being stopped, which the caller may wait for; of a job there may be
// some also if the error says what became of others, and none if it does not run. The
// error is a *store.NoJobError, a *store.NoRunError, or a *store.KillError if the run has
// ended or is of no job.
func (s *Service) Kill(ctx context.Context, ref, by string) (runs []int64, err error) {
	kill := store.KillRef{Job: ref}
	if run, err := strconv.ParseInt(ref, 10, 64); err == nil {
		kill = store.KillRef{Run: run}
	}
	return s.Store.KillRuns(ctx, kill, by, s.Now())
}
