package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// A Store keeps jobs and what became of them. store.Store is one.
type Store interface {
	Definitions
	Records
	// Daemons are those that serve the jobs now.
	Daemons(ctx context.Context) ([]scheduler.Controller, error)
	// Untold are the jobs, by number, of which a change of behaviour was not shown
	// in that place yet, and Told records that it was.
	Untold(ctx context.Context, in store.Place) ([]int64, error)
	Told(ctx context.Context, in store.Place) error
}

// Definitions are the jobs themselves, and their versions.
type Definitions interface {
	// ListJobs are all jobs, by name.
	ListJobs(ctx context.Context) ([]scheduler.StoredJob, error)
	// Job is one of them, or a *store.NoJobError.
	Job(ctx context.Context, name string) (scheduler.StoredJob, error)
	// AddJob adds a job, or returns a *store.JobExistsError.
	AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	// ChangeJob replaces the job of that name and Version, or returns a
	// *store.JobChangedError. Nothing is written if nothing is different.
	ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	// RemoveJob removes a job of a version; 0: of any.
	RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error
	// JobChanges are the changes of those that have or had the name, newest first.
	JobChanges(ctx context.Context, name string) ([]store.JobChange, error)
}

// Records are what became of jobs.
type Records interface {
	// Firings are those that fit, newest first.
	Firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error)
	// RequestFiring asks for a run of a job, whatever its schedule says.
	RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	// KillRuns asks for the end of what runs of a job, or of a run of one, and returns
	// the runs that are being stopped, also if something was wrong with others.
	KillRuns(ctx context.Context, ref store.KillRef, by string, now time.Time) ([]int64, error)
	// CountEnded brings the consecutive failures of the jobs up to date.
	CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error
	// JobCosts is what each job, by its number, has in the history.
	JobCosts(ctx context.Context) (map[int64]store.JobCost, error)
}

// A Service does to the jobs of one history what an operator or a program asks
// for. by is always who asks. Its methods may be called by several goroutines at
// once.
type Service struct {
	Checker
	// Store is the history; nil: there is none yet, and there are no jobs. Only
	// List and Plan, which can do without, may then be called.
	Store Store
}

// A BrokenError says that a job cannot be read any more.
type BrokenError struct {
	Name string
	Err  error
}

func (e *BrokenError) Error() string { return fmt.Sprintf("job %s cannot be read: %v", e.Name, e.Err) }
func (e *BrokenError) Unwrap() error { return e.Err }

// Readable is a *BrokenError if the job cannot be read any more.
func Readable(kept *scheduler.StoredJob) error {
	if kept.Broken == nil {
		return nil
	}
	return &BrokenError{kept.Name, kept.Broken}
}

// A MissingError says that there are no jobs of several names.
type MissingError struct {
	// Missing has one for each name, at least two.
	Missing []*store.NoJobError
}

func (e *MissingError) Error() string {
	var all []error
	for _, m := range e.Missing {
		all = append(all, m)
	}
	return errors.Join(all...).Error()
}

// all are all jobs; none, if there is no history.
func (s *Service) all(ctx context.Context) ([]scheduler.StoredJob, error) {
	if s.Store == nil {
		return nil, nil
	}
	return s.Store.ListJobs(ctx)
}

// Named are the jobs of these names, each once and in their order, or all. The
// error is a *store.NoJobError or, for more than one name, a *MissingError.
func (s *Service) Named(ctx context.Context, names []string) ([]scheduler.StoredJob, error) {
	if len(names) == 0 {
		return s.Store.ListJobs(ctx)
	}
	var found []scheduler.StoredJob
	var missing []*store.NoJobError
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		kept, err := s.Store.Job(ctx, name)
		if none, ok := errors.AsType[*store.NoJobError](err); ok {
			missing = append(missing, none)
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, kept)
	}
	switch len(missing) {
	case 0:
		return found, nil
	case 1:
		return nil, missing[0]
	}
	return nil, &MissingError{missing}
}

// readable is the job of that name, which can be read.
func (s *Service) readable(ctx context.Context, name string) (scheduler.StoredJob, error) {
	kept, err := s.Store.Job(ctx, name)
	if err == nil {
		err = Readable(&kept)
	}
	return kept, err
}

// Unserved reports whether one of the jobs is to fire and no daemon is there that
// would fire it.
func (s *Service) Unserved(ctx context.Context, jobs ...*scheduler.Job) (bool, error) {
	if !slices.ContainsFunc(jobs, func(job *scheduler.Job) bool { return !job.Paused }) {
		return false, nil
	}
	served, err := s.Served(ctx)
	return err == nil && !served, err
}

// Served reports whether a daemon serves the jobs.
func (s *Service) Served(ctx context.Context) (bool, error) {
	daemons, err := s.Store.Daemons(ctx)
	return len(daemons) > 0, err
}

// TellFewerDays calls tell with the names of the jobs that fire on fewer days
// than under earlier versions, which took either of two day fields for enough also
// where one begins with *. That happens once for each place where it is shown, and
// not if there is no such job.
func (s *Service) TellFewerDays(ctx context.Context, in store.Place, tell func(names []string)) error {
	untold, err := s.Store.Untold(ctx, in)
	if err != nil || len(untold) == 0 {
		return err
	}
	kept, err := s.Store.ListJobs(ctx)
	if err != nil {
		return err
	}
	var names []string
	for i := range kept {
		k := &kept[i]
		if k.Broken != nil || !slices.Contains(untold, k.ID) {
			continue
		}
		if t, err := k.Timing(k.UpdatedAt); err == nil && t.Schedule.BothDays() {
			names = append(names, k.Name)
		}
	}
	if len(names) > 0 {
		tell(names)
	}
	return s.Store.Told(ctx, in)
}
