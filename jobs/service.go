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

// A Store stores jobs and their firings. store.Store implements it.
type Store interface {
	Definitions
	Records
	// Daemons returns the daemons that serve the jobs now.
	Daemons(ctx context.Context) ([]scheduler.Controller, error)
	// Unannounced returns the numbers of the jobs whose change of behaviour was not
	// announced in that place yet; Announced records that it was.
	Unannounced(ctx context.Context, in store.Place) ([]int64, error)
	Announced(ctx context.Context, in store.Place) error
}

// Definitions are the jobs and their versions.
type Definitions interface {
	// ListJobs returns all jobs, by name.
	ListJobs(ctx context.Context) ([]scheduler.StoredJob, error)
	// Job returns one job, or a *store.NoJobError.
	Job(ctx context.Context, name string) (scheduler.StoredJob, error)
	// AddJob adds a job, or returns a *store.JobExistsError.
	AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	// ChangeJob replaces the job of that name and Version, or returns a
	// *store.JobChangedError. It writes nothing if nothing differs.
	ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error)
	// PauseJob pauses a job for the user p.By, or changes until when and why it is paused;
	// changed is false if it is paused so already. The error is a *store.NoJobError if
	// there is none.
	PauseJob(ctx context.Context, name string, p scheduler.Pause, now time.Time) (paused scheduler.StoredJob, changed bool, err error)
	// RemoveJob removes a job if it is at that version; 0: at any.
	RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error
	// JobChanges returns the changes of all jobs that have or had the name, newest
	// first.
	JobChanges(ctx context.Context, name string) ([]store.JobChange, error)
}

// Records are the firings and runs of jobs.
type Records interface {
	// Firings returns the firings that match, newest first.
	Firings(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error)
	// RequestFiring starts a job manually.
	RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Assignment, error)
	// KillRuns requests a stop of a job's runs, or of one run, and returns the runs
	// that are being stopped, also if there was an error about others.
	KillRuns(ctx context.Context, ref store.KillRef, by string, now time.Time) ([]int64, error)
	// CountEnded updates, in jobs, the consecutive failures by firings that have ended
	// and are not settled.
	CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error
	// JobCosts returns, by job number, what the history has of each job.
	JobCosts(ctx context.Context) (map[int64]store.JobCost, error)
}

// A Service performs the requests of operators and programs on the jobs of one history.
// The parameter by always is the user who makes the request. Its methods may be called
// by several goroutines at once.
type Service struct {
	Checker
	// Store is the history; nil: there is none yet, and there are no jobs. Only List
	// and Plan may be called then.
	Store Store
}

// A BrokenError says that a job cannot be read any more.
type BrokenError struct {
	Name string
	Err  error
}

func (e *BrokenError) Error() string { return fmt.Sprintf("job %s cannot be read: %v", e.Name, e.Err) }
func (e *BrokenError) Unwrap() error { return e.Err }

// Readable returns a *BrokenError if the job cannot be read any more.
func Readable(job *scheduler.StoredJob) error {
	if job.Broken == nil {
		return nil
	}
	return &BrokenError{job.Name, job.Broken}
}

// A MissingError says that jobs of several names do not exist.
type MissingError struct {
	// Missing has an error for each name, at least two.
	Missing []*store.NoJobError
}

func (e *MissingError) Error() string {
	var all []error
	for _, m := range e.Missing {
		all = append(all, m)
	}
	return errors.Join(all...).Error()
}

// all returns all jobs; none, if there is no history.
func (s *Service) all(ctx context.Context) ([]scheduler.StoredJob, error) {
	if s.Store == nil {
		return nil, nil
	}
	return s.Store.ListJobs(ctx)
}

// Named returns the jobs of these names, each once and in this order; all jobs for no
// names. The error is a *store.NoJobError or, for several missing names, a
// *MissingError.
func (s *Service) Named(ctx context.Context, names []string) ([]scheduler.StoredJob, error) {
	if len(names) == 0 {
		return s.Store.ListJobs(ctx)
	}
	return Choose(names, func(name string) (scheduler.StoredJob, error) { return s.Store.Job(ctx, name) })
}

// Choose are the jobs of these names, each once and in their order, which find finds. The
// error is that of find or, if that is a *store.NoJobError for more than one name, a
// *MissingError.
func Choose(names []string, find func(name string) (scheduler.StoredJob, error)) ([]scheduler.StoredJob, error) {
	var found []scheduler.StoredJob
	var missing []*store.NoJobError
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		kept, err := find(name)
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

// readable returns the job of that name, or a *BrokenError.
func (s *Service) readable(ctx context.Context, name string) (scheduler.StoredJob, error) {
	job, err := s.Store.Job(ctx, name)
	if err == nil {
		err = Readable(&job)
	}
	return job, err
}

// Unserved reports whether one of the jobs is not paused and no daemon serves the jobs.
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

// AnnounceFewerDays calls announce with the names of the jobs that fire on fewer days
// than under earlier versions of tutti, for which either of two day fields was enough
// also where one begins with *. It does so once for each place, and not if there is no
// such job.
func (s *Service) AnnounceFewerDays(ctx context.Context, in store.Place, announce func(names []string)) error {
	unannounced, err := s.Store.Unannounced(ctx, in)
	if err != nil || len(unannounced) == 0 {
		return err
	}
	stored, err := s.Store.ListJobs(ctx)
	if err != nil {
		return err
	}
	var names []string
	for i := range stored {
		k := &stored[i]
		if k.Broken != nil || !slices.Contains(unannounced, k.ID) {
			continue
		}
		if t, err := k.Timing(k.UpdatedAt); err == nil && t.Schedule.BothDays() {
			names = append(names, k.Name)
		}
	}
	if len(names) > 0 {
		announce(names)
	}
	return s.Store.Announced(ctx, in)
}
