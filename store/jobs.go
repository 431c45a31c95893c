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

// Jobs are the changes that operators make to the jobs of a ledger. Each method reads
// the state of a job, applies a rule to it, and commits the transition; it tries again
// if another process was faster.
type Jobs struct{ ledger JobLedger }

// NewJobs returns the Jobs of a ledger.
func NewJobs(ledger JobLedger) Jobs { return Jobs{ledger} }

// A JobLedger is a ledger with the reads of the history that Jobs needs.
type JobLedger interface {
	scheduler.Ledger
	// Job returns the job of a name, or a *NoJobError.
	Job(ctx context.Context, name string) (scheduler.StoredJob, error)
	// Run returns the run that ref names, see [History].
	Run(ctx context.Context, ref, user string) (Run, error)
	// Firing returns a firing, open or settled, or [ErrTaken] if there is none.
	Firing(ctx context.Context, id int64) (scheduler.FiringRecord, error)
	// Changeable returns why nothing can be written; nil: writes work.
	Changeable() error
	// Fault adds to an error the operation and the history; nil for nil.
	Fault(op string, err error) error
}

// AddJob stores a job for the user by. It fires at scheduled times after now. The error
// is a *JobExistsError if there is a job of that name.
func (j Jobs) AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	created, err := j.ledger.Create(ctx, job, by, now)
	if errors.Is(err, scheduler.ErrConflict) {
		err = &JobExistsError{Name: job.Name}
	}
	return created.State.StoredJob, err
}

// ChangeJob replaces the job of the same name for the user by. job.Version is the
// version that the caller read; the error is a *JobChangedError if the job is at
// another by now, and a *NoJobError if it was removed. ChangeJob writes nothing if
// nothing differs.
//
// Scheduled times before now that are not decided yet are recorded as missed if the job
// was paused, or fires at other times from now on.
func (j Jobs) ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	if err := j.ledger.Changeable(); err != nil {
		return scheduler.StoredJob{}, err
	}
	var changed scheduler.StoredJob
	err := scheduler.Retry(ctx, func() (err error) {
		changed, err = j.changeOnce(ctx, job, by, now)
		return err
	})
	return changed, err
}

// changeOnce returns [scheduler.ErrConflict] if a daemon decided scheduled times of the
// job in the meantime.
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
	// Before the transaction: counting many scheduled times takes time.
	left := old.Leave(&job, now)
	t, err := scheduler.NewDesk(j.ledger).Apply(ctx, old.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Edit(job, left, by, at)
	})
	return t.Next.StoredJob, err
}

// PauseJob pauses a job for the user p.By, or changes until when and why it is paused. The
// error is a *NoJobError if there is no such job. changed is false if it is paused so
// already.
func (j Jobs) PauseJob(ctx context.Context, name string, p scheduler.Pause, now time.Time) (paused scheduler.StoredJob, changed bool, err error) {
	if err := j.ledger.Changeable(); err != nil {
		return paused, false, err
	}
	err = scheduler.Retry(ctx, func() error {
		k, err := j.ledger.Job(ctx, name)
		if err != nil {
			return err
		}
		if changed = !k.Paused || !k.Pause.Same(p); !changed {
			paused = k
			return nil
		}
		t, err := scheduler.NewDesk(j.ledger).Apply(ctx, k.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.StartPause(p, at)
		})
		paused = t.Next.StoredJob
		return err
	})
	return paused, changed && err == nil, err
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

// RemoveJob removes a job for the user by. version is the version that the caller read;
// 0: any. The error is a *NoJobError or a *JobChangedError. Running commands go on,
// queued firings are dropped, notifications that are not delivered yet are given up,
// and the history of the job stays.
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

// RequestFiring starts a job manually for the user by. The assignment holds the
// decision of the job's overlap policy: Run, Queued, or not to run and why. A daemon
// claims the firing unless the caller does, see ClaimFiring. The error is a *NoJobError
// if there is no such job.
func (j Jobs) RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error) {
	return j.request(ctx, j.ledger, job, by, 0, now)
}

// Request is RequestFiring and ClaimFiring in one transaction, so that no daemon can
// claim the firing in between.
func (j Jobs) Request(ctx context.Context, owner scheduler.Membership, job, by string, now time.Time) (scheduler.Assignment, error) {
	return j.request(ctx, owner, job, by, owner.Fence(), now)
}

func (j Jobs) request(ctx context.Context, states scheduler.States, job, by string, daemon int64, now time.Time) (assignment scheduler.Assignment, err error) {
	if err := j.ledger.Changeable(); err != nil {
		return assignment, err
	}
	k, err := j.ledger.Job(ctx, job)
	if err != nil {
		return assignment, err
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
		return assignment, j.ledger.Fault("change", err)
	}
	return t.Assignments[0], nil
}

// ClaimFiring assigns a requested firing to owner, even if another process is about to
// start it. The assignment's Decision is Run if owner is to start it now, and Queued if
// it has to wait for others of the job: call again. Any other decision means that it
// does not run, for its Reason. The error is ErrTaken if it has started.
func (j Jobs) ClaimFiring(ctx context.Context, owner scheduler.Membership, id int64, now time.Time) (assignment scheduler.Assignment, err error) {
	if err := j.ledger.Changeable(); err != nil {
		return assignment, err
	}
	f, err := j.ledger.Firing(ctx, id)
	if err != nil {
		return assignment, err
	}
	t, err := scheduler.NewDesk(owner).Apply(ctx, f.JobID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Take(id, owner.Fence(), at)
	})
	switch {
	case err == nil:
		return t.Assignments[0], nil
	case !errors.Is(err, ErrTaken):
		return assignment, err
	}
	// The firing may be settled without a run.
	if f, err = j.ledger.Firing(ctx, id); err != nil || f.Run != 0 {
		return assignment, cmp.Or(err, ErrTaken)
	}
	subjects, err := j.ledger.Load(ctx, []int64{f.JobID})
	if err != nil {
		return assignment, err
	}
	return subjects[0].State.Assignment(&f), nil
}

// KillRuns requests, for the user by, a stop of a job's runs, or of one run of a job,
// and returns their numbers. The process that executes a run heeds it soon. Firings of
// the job that have not started are dropped. The error is a *NoJobError, a *NoRunError,
// or a *KillError if the run cannot be stopped; of a job, numbers are returned also
// with an error.
func (j Jobs) KillRuns(ctx context.Context, ref KillRef, by string, now time.Time) ([]int64, error) {
	if err := j.ledger.Changeable(); err != nil {
		return nil, err
	}
	if ref.Job != "" {
		return j.killJob(ctx, ref, scheduler.Stop{By: by, At: now, Halt: ref.Halt})
	}
	run, err := j.ledger.Run(ctx, strconv.FormatInt(ref.Run, 10), "")
	switch {
	case err != nil:
		return nil, err
	case run.JobID == 0:
		return nil, &KillError{Run: ref.Run, Reason: "it does not belong to a job", advice: AdviceKillElsewhere}
	}
	if err := j.stop(ctx, &run, scheduler.Stop{Run: run.ID, By: by, At: now, Halt: ref.Halt}); err != nil {
		return nil, err
	}
	return []int64{ref.Run}, nil
}

// StopRun makes the request x to stop a run, of a job or not. The process that executes it
// heeds it soon; a run that waits in the queue has ended, whatever x.Halt. The error is a
// *NoRunError, or a *KillError if the run has ended.
func (j Jobs) StopRun(ctx context.Context, x scheduler.Stop) error {
	if err := j.ledger.Changeable(); err != nil {
		return err
	}
	run, err := j.ledger.Run(ctx, strconv.FormatInt(x.Run, 10), "")
	if err != nil {
		return err
	}
	return j.stop(ctx, &run, x)
}

// stop makes a request to stop a run. For a run of a job the job's rules do so, since
// later firings may wait for it.
func (j Jobs) stop(ctx context.Context, run *Run, x scheduler.Stop) (err error) {
	if run.State.Ended() {
		return RunEndedError(run.ID)
	}
	if run.JobID == 0 {
		err = j.ledger.Stop(ctx, x)
	} else {
		_, err = scheduler.NewDesk(j.ledger).Apply(ctx, run.JobID, x.At, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.KillRun(x, at)
		})
	}
	if errors.Is(err, scheduler.ErrConflict) {
		err = RunEndedError(run.ID)
	}
	return err
}

// RunEndedError is the *KillError for a run that has ended.
func RunEndedError(run int64) error {
	return &KillError{Run: run, Reason: "it has finished", advice: AdviceRunEnded}
}

func (j Jobs) killJob(ctx context.Context, ref KillRef, x scheduler.Stop) ([]int64, error) {
	subjects, err := j.ledger.Find(ctx, ref.Job)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 {
		_, err := j.ledger.Job(ctx, ref.Job) // its error suggests a name
		return nil, err
	}
	var runs []int64
	var errs []error
	for _, job := range subjects {
		t, err := scheduler.NewDesk(j.ledger).Apply(ctx, job.State.ID, x.At, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return ref.rule(s, x, at)
		})
		errs = append(errs, err)
		for _, stop := range t.Stops {
			runs = append(runs, stop.Run)
		}
	}
	slices.Sort(runs)
	return runs, errors.Join(errs...)
}

// rule makes the request x of what ref names of a job.
func (ref *KillRef) rule(s scheduler.JobState, x scheduler.Stop, at scheduler.Moment) (scheduler.Transition, error) {
	if ref.Known != nil {
		for _, run := range s.Running() {
			if !slices.Contains(ref.Known, run) {
				return scheduler.Transition{}, scheduler.ErrConflict
			}
		}
	}
	if ref.StartedOnly {
		return s.KillRun(x, at)
	}
	return s.Kill(x, at), nil
}
