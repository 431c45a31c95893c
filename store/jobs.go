package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"tutti/scheduler"
)

// Jobs are what operators do to the jobs of a ledger: each reads the state of a job,
// applies a rule to it, and commits what follows, as often as another process was
// faster.
type Jobs struct{ ledger JobLedger }

// NewJobs are those of a ledger.
func NewJobs(ledger JobLedger) Jobs { return Jobs{ledger} }

// A JobLedger is a ledger, and what of a history has to be known beside it.
type JobLedger interface {
	scheduler.Ledger
	// Job is the job of a name, or a *NoJobError.
	Job(ctx context.Context, name string) (scheduler.StoredJob, error)
	// Run is the run that ref names, see [History].
	Run(ctx context.Context, ref, user string) (Run, error)
	// Firing is a firing, open or settled, or [ErrTaken] if there is none.
	Firing(ctx context.Context, id int64) (scheduler.FiringRecord, error)
	// Changeable is why nothing can be written; nil: it can.
	Changeable() error
	// Fault says of what was wrong what was tried, with which history; nil for nil.
	Fault(op string, err error) error
}

// AddJob keeps a job, which by wants. It fires at instants after now. The error
// is a *JobExistsError if there is one of that name.
func (j Jobs) AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	created, err := j.ledger.Create(ctx, job, by, now)
	if errors.Is(err, scheduler.ErrConflict) {
		err = &JobExistsError{Name: job.Name}
	}
	return created.State.StoredJob, err
}

// ChangeJob replaces the job of the same name, which by wants. job.Version is
// the one that was read; the error is a *JobChangedError if the job is at
// another by now, and a *NoJobError if it is gone. Nothing is written if nothing
// is different.
//
// What has not been decided up to now is not run if the job was paused, or is to
// fire at other times from now on: it is recorded as missed.
func (j Jobs) ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	if err := j.ledger.Changeable(); err != nil {
		return scheduler.StoredJob{}, err
	}
	var kept scheduler.StoredJob
	err := scheduler.Retry(ctx, func() (err error) {
		kept, err = j.changeOnce(ctx, job, by, now)
		return err
	})
	return kept, err
}

// changeOnce is [scheduler.ErrConflict] if a daemon has decided meanwhile what becomes
// of some instants.
func (j Jobs) changeOnce(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	old, err := j.ledger.Job(ctx, job.Name)
	if err != nil {
		return old, err
	}
	if old.Version != job.Version {
		return old, changedError(&old)
	}
	if same, err := sameJob(&old, &job); err != nil || same {
		return old, j.ledger.Fault("change", err)
	}
	// Many instants may have passed, and counting them takes its time.
	left := old.Leave(&job, now)
	t, err := scheduler.NewDesk(j.ledger).Apply(ctx, old.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Edit(job, left, by, at)
	})
	return t.Next.StoredJob, err
}

// sameJob reports whether nothing would change.
func sameJob(old *scheduler.StoredJob, job *scheduler.Job) (bool, error) {
	if old.Broken != nil {
		return false, nil
	}
	was, err := json.Marshal(old.Job)
	if err != nil {
		return false, err
	}
	is, err := json.Marshal(job)
	return bytes.Equal(was, is), err
}

func changedError(k *scheduler.StoredJob) error {
	return &JobChangedError{Name: k.Name, Version: k.Version, By: k.UpdatedBy, At: k.UpdatedAt}
}

// RemoveJob removes a job, which by wants. version is the one that was read, or
// 0 for whatever it is; the error is a *NoJobError or a *JobChangedError. What
// runs goes on, what waits is not begun, nobody is told of it any more, and what
// the history has of the job stays.
func (j Jobs) RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error {
	if err := j.ledger.Changeable(); err != nil {
		return err
	}
	return scheduler.Retry(ctx, func() error {
		k, err := j.ledger.Job(ctx, name)
		if err != nil {
			return err
		}
		_, err = scheduler.NewDesk(j.ledger).Apply(ctx, k.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			switch {
			case s.Removed:
				return scheduler.Transition{}, scheduler.ErrConflict
			case version != 0 && version != s.Version:
				return scheduler.Transition{}, changedError(&s.StoredJob)
			}
			return s.Remove(by, at), nil
		})
		return err
	})
}

// RequestFiring lets a job be run out of turn, which by wants. The ticket says
// what the job's overlap has decided: Run or Queued, or that it is not run and
// why. A daemon claims it if the caller does not, see ClaimFiring. The error is a
// *NoJobError if there is no such job.
func (j Jobs) RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error) {
	return j.request(ctx, j.ledger, job, by, 0, now)
}

// Request is RequestFiring and ClaimFiring in one, so that nobody is in between.
func (j Jobs) Request(ctx context.Context, owner scheduler.Membership, job, by string, now time.Time) (scheduler.Assignment, error) {
	return j.request(ctx, owner, job, by, owner.Fence(), now)
}

func (j Jobs) request(ctx context.Context, states scheduler.States, job, by string, daemon int64, now time.Time) (ticket scheduler.Assignment, err error) {
	if err := j.ledger.Changeable(); err != nil {
		return ticket, err
	}
	k, err := j.ledger.Job(ctx, job)
	if err != nil {
		return ticket, err
	}
	t, err := scheduler.NewDesk(states).Apply(ctx, k.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		switch {
		case s.Removed:
			return scheduler.Transition{}, &NoJobError{Name: job}
		case s.Broken != nil:
			return scheduler.Transition{}, s.Broken
		}
		return s.Request(by, daemon, at), nil
	})
	if err != nil {
		return ticket, j.ledger.Fault("change", err)
	}
	return t.Assignments[0], nil
}

// ClaimFiring gives a firing that was requested to owner, whoever else is about
// to begin it. The ticket's Decision is Run if it is owner's to begin now, and
// Queued if it has to wait for others of the job: ask again. Any other says that
// it is not run, and why in the Reason. The error is ErrTaken if it has begun.
func (j Jobs) ClaimFiring(ctx context.Context, owner scheduler.Membership, id int64, now time.Time) (ticket scheduler.Assignment, err error) {
	if err := j.ledger.Changeable(); err != nil {
		return ticket, err
	}
	f, err := j.ledger.Firing(ctx, id)
	if err != nil {
		return ticket, err
	}
	t, err := scheduler.NewDesk(owner).Apply(ctx, f.JobID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Take(id, owner.Fence(), at)
	})
	switch {
	case err == nil:
		return t.Assignments[0], nil
	case !errors.Is(err, ErrTaken):
		return ticket, err
	}
	// It may be settled without a run.
	if f, err = j.ledger.Firing(ctx, id); err != nil || f.Run != 0 {
		return ticket, cmp.Or(err, ErrTaken)
	}
	subjects, err := j.ledger.Load(ctx, []int64{f.JobID})
	if err != nil {
		return ticket, err
	}
	return subjects[0].State.Assignment(f), nil
}

// KillRuns asks for the end of runs of jobs, which by wants, and returns their
// numbers. Whoever carries them out ends them soon. Of a job
// what has not begun is not begun any more. The error is a *NoJobError, a
// *NoRunError, or a *KillError if the run cannot be ended; of a job, the numbers are
// those of which it was asked nevertheless.
func (j Jobs) KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) ([]int64, error) {
	if err := j.ledger.Changeable(); err != nil {
		return nil, err
	}
	if ref.Job != "" {
		return j.killJob(ctx, ref.Job, by, now)
	}
	run, err := j.ledger.Run(ctx, strconv.FormatInt(ref.Run, 10), "")
	switch {
	case err != nil:
		return nil, err
	case run.JobID == 0:
		return nil, &KillError{Run: ref.Run, Reason: "it does not belong to a job", advice: AdviceKillElsewhere}
	}
	if err := j.stop(ctx, &run, by, now); err != nil {
		return nil, err
	}
	return []int64{ref.Run}, nil
}

// StopRun asks for the end of a run, of a job or not, which by wants. Whoever carries
// it out ends it soon. The error is a *NoRunError, or a *KillError if it has ended.
func (j Jobs) StopRun(ctx context.Context, id int64, by string, now time.Time) error {
	if err := j.ledger.Changeable(); err != nil {
		return err
	}
	run, err := j.ledger.Run(ctx, strconv.FormatInt(id, 10), "")
	if err != nil {
		return err
	}
	return j.stop(ctx, &run, by, now)
}

// stop asks for the end of a run. That of a job is asked for by the job's rules, since
// it decides what becomes of later firings.
func (j Jobs) stop(ctx context.Context, run *Run, by string, now time.Time) (err error) {
	if run.State.Ended() {
		return endedError(run.ID)
	}
	if run.JobID == 0 {
		err = j.ledger.Stop(ctx, scheduler.Stop{Run: run.ID, By: by, At: now})
	} else {
		_, err = scheduler.NewDesk(j.ledger).Apply(ctx, run.JobID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.KillRun(run.ID, by, at)
		})
	}
	if errors.Is(err, scheduler.ErrConflict) {
		err = endedError(run.ID)
	}
	return err
}

func endedError(run int64) error {
	return &KillError{Run: run, Reason: "it has finished", advice: AdviceRunEnded}
}

func (j Jobs) killJob(ctx context.Context, name, by string, now time.Time) ([]int64, error) {
	subjects, err := j.ledger.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 {
		_, err := j.ledger.Job(ctx, name) // says which there is
		return nil, err
	}
	var runs []int64
	var errs []error
	for _, x := range subjects {
		t, err := scheduler.NewDesk(j.ledger).Apply(ctx, x.State.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Kill(by, at), nil
		})
		errs = append(errs, err)
		for _, stop := range t.Stops {
			runs = append(runs, stop.Run)
		}
	}
	slices.Sort(runs)
	return runs, errors.Join(errs...)
}
