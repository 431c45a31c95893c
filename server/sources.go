package server

import (
	"context"
	"iter"
	"net/http"

	"tutti/access"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// Jobs are the jobs of a history; jobs.Service is one.
type Jobs interface {
	// List are all jobs, by name.
	List(ctx context.Context) ([]jobs.View, error)
	// Show is a job with its past.
	Show(ctx context.Context, name string) (*jobs.Details, error)
	// Log are the firings that fit, newest first.
	Log(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error)
	// Next are when a job fires next, at most n times.
	Next(ctx context.Context, name string, n int) (*jobs.Times, error)
	// Changes are the versions of the jobs that have or had the name.
	Changes(ctx context.Context, name string) ([]store.JobChange, error)
	// Export are the jobs of these names, or all, that can be read, and the others.
	Export(ctx context.Context, names []string) (whole []scheduler.Job, broken []scheduler.StoredJob, err error)
}

// JobChanges are what is done to jobs, by p: no more than it may, on the hosts of its
// scopes. What acts on the machine of the daemon is a [*LocalError] for who may not do
// that, and a host outside the scopes an *access.ScopeError.
type JobChanges interface {
	// Prepare says what would become of a job that is added, and adds nothing.
	Prepare(ctx context.Context, p *access.Principal, job scheduler.Job) (*jobs.Prepared, error)
	Add(ctx context.Context, p *access.Principal, job scheduler.Job) (scheduler.StoredJob, error)
	// Edit makes of the job of that name and version what change makes of it.
	Edit(ctx context.Context, p *access.Principal, name string, version int64, change func(*scheduler.Job) error) (scheduler.StoredJob, error)
	// Plan says what has to be done so that the jobs are those of a file, in YAML or
	// JSON, and Apply does it, as those of jobs.Service.
	Plan(ctx context.Context, p *access.Principal, data []byte, prune bool) (*jobs.Plan, error)
	Apply(ctx context.Context, p *access.Principal, plan *jobs.Plan) iter.Seq2[jobs.Step, error]
	Remove(ctx context.Context, p *access.Principal, name string, version int64) error
	// Pause pauses a job as how says, whose By is p's, and Resume resumes it.
	Pause(ctx context.Context, p *access.Principal, name string, how scheduler.Pause) error
	Resume(ctx context.Context, p *access.Principal, name string) error
	RunNow(ctx context.Context, p *access.Principal, name string) (scheduler.Assignment, error)
	// Kill stops the runs of a job, and returns their numbers. halt: running commands go
	// on, and no more hosts are started. Of p that has scopes, known are the runs whose
	// hosts, as they were decided, are in them: if another is running, nothing is stopped,
	// and the error is scheduler.ErrConflict.
	Kill(ctx context.Context, p *access.Principal, name string, halt bool, known []int64) ([]int64, error)
}

// Fleet is the hosts that the daemon knows, and the daemons themselves.
type Fleet interface {
	// Hosts are those that a selector chooses from the inventory as it is now, also
	// those that cannot be used. The selector must not name files of this machine.
	Hosts(ctx context.Context, selector string) (*Hosts, error)
	// Scopes are the names of the hosts that each of the selectors chooses, out of one
	// reading of the inventory.
	Scopes(ctx context.Context, selectors []string) ([]map[string]bool, error)
	// Means returns what says of a selector whether each part of it means something among
	// the visible hosts alone, out of one reading of the inventory. It is for use by one
	// goroutine.
	Means(ctx context.Context, visible store.Visible) (func(selector string) bool, error)
	// JobHosts are the names of the hosts that each of the jobs would run on now; none
	// of one of which that cannot be told.
	JobHosts(ctx context.Context, jobs []*scheduler.Job) [][]string
	// Daemons are those that serve the history, and the number of this one.
	Daemons(ctx context.Context) (all []scheduler.Controller, self int64, err error)
	// Drain is that of a store.Store.
	Drain(ctx context.Context, daemon int64, drain bool) error
}

// Hosts are some of an inventory.
type Hosts struct {
	Views []runner.HostView
	// Warnings are about the inventory.
	Warnings []string
}

// Access lets principals in.
type Access interface {
	// Who is the principal of a request, or the error is an *access.AuthError.
	Who(r *http.Request) (access.Principal, error)
}

// A LocalError is something in a request that would act on the machine of the daemon.
type LocalError struct {
	// Key names it, and What says what it would be.
	Key, What string
}

func (e *LocalError) Error() string { return e.Key + " names " + e.What }
