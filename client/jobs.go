package client

import (
	"context"
	"fmt"

	"tutti/api"
	"tutti/api/event"
	"tutti/internal/yamltree"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// Jobs reads and changes the jobs of a server like those of a history on this machine.
type Jobs struct {
	c *Client
	// checker has the clock for schedules, and checks jobs first.
	checker jobs.Checker
	// planned is the plan that was made last; nil: none was.
	planned *filePlan
}

// Jobs is the jobs of the server; checker has the clock of this machine.
func (c *Client) Jobs(checker jobs.Checker) *Jobs { return &Jobs{c: c, checker: checker} }

// List are all jobs, by name.
func (j *Jobs) List(ctx context.Context) ([]jobs.View, error) {
	forms, err := list[api.Job](ctx, j.c, 0, nil, "jobs")
	if err != nil {
		return nil, err
	}
	views := make([]jobs.View, len(forms))
	for i := range forms {
		if views[i], err = jobs.ViewOf(&forms[i]); err != nil {
			return nil, j.c.strange(err)
		}
	}
	return views, nil
}

// Show is the job of that name with its past.
func (j *Jobs) Show(ctx context.Context, name string) (*jobs.Details, error) {
	var form api.JobDetails
	if err := j.c.get(ctx, &form, nil, "jobs", name); err != nil {
		return nil, j.noJob(ctx, name, err)
	}
	details, err := jobs.DetailsOf(&form)
	if err != nil {
		return nil, j.c.strange(err)
	}
	return details, nil
}

// noJob converts a refusal about a job that is shown into the error of a history.
func (j *Jobs) noJob(ctx context.Context, name string, err error) error {
	if !isProblem(err, "no-job") {
		return err
	}
	var changes []api.Change
	if changes, _ = list[api.Change](ctx, j.c, 1, nil, "jobs", name, "changes"); len(changes) > 0 {
		if last, err := changes[0].Stored(0); err == nil {
			return &jobs.RemovedError{Name: name, Last: last}
		}
	}
	return j.missing(ctx, name)
}

// Log are the firings of a job, newest first.
func (j *Jobs) Log(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	query := values()
	if !q.Since.IsZero() {
		query.Set("since", event.FormatTime(q.Since))
	}
	addWords(query, "decision", q.Decisions)
	forms, err := list[api.Firing](ctx, j.c, q.Limit, query, "jobs", q.Job, "log")
	if err != nil {
		return nil, j.noJob(ctx, q.Job, err)
	}
	rows := make([]store.FiringRow, len(forms))
	for i := range forms {
		if rows[i], err = forms[i].Stored(); err != nil {
			return nil, j.c.strange(err)
		}
	}
	return rows, nil
}

// Next is when the job of that name fires, at most n times, according to the server.
func (j *Jobs) Next(ctx context.Context, name string, n int) (*jobs.Times, error) {
	details, err := j.Show(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := jobs.Readable(&details.StoredJob); err != nil {
		return nil, err
	}
	timing, err := details.Timing(j.checker.Now())
	if err != nil {
		return nil, err
	}
	forms, err := list[api.Next](ctx, j.c, min(n, jobs.MostNext), nil, "jobs", name, "next")
	if err != nil {
		return nil, err
	}
	zone, err := scheduler.LoadZone(details.Zone)
	if err != nil {
		return nil, err
	}
	times := &jobs.Times{Timing: timing, Paused: details.Paused}
	for i := range forms {
		times.Next = append(times.Next, forms[i].Stored(zone))
	}
	return times, nil
}

// Named are the jobs of these names, each once and in their order, or all. The error is
// a *store.NoJobError or, for more than one name, a *jobs.MissingError.
func (j *Jobs) Named(ctx context.Context, names []string) ([]scheduler.StoredJob, error) {
	views, err := j.List(ctx)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*scheduler.StoredJob, len(views))
	all, known := make([]scheduler.StoredJob, len(views)), make([]string, len(views))
	for i := range views {
		all[i], known[i] = views[i].StoredJob, views[i].Name
		byName[views[i].Name] = &all[i]
	}
	if len(names) == 0 {
		return all, nil
	}
	return jobs.Choose(names, func(name string) (scheduler.StoredJob, error) {
		if k := byName[name]; k != nil {
			return *k, nil
		}
		return scheduler.StoredJob{}, &store.NoJobError{Name: name, Nearest: yamltree.Nearest(name, known)}
	})
}

// Export are the jobs of these names, or all, that can be read, and the others.
func (j *Jobs) Export(ctx context.Context, names []string) (whole []scheduler.Job, broken []scheduler.StoredJob, err error) {
	kept, err := j.Named(ctx, names)
	whole, broken = jobs.Whole(kept)
	return whole, broken, err
}

// AnnounceFewerDays does nothing: it is for jobs that earlier versions stored on this
// machine.
func (j *Jobs) AnnounceFewerDays(context.Context, store.Place, func(names []string)) error {
	return nil
}

// Served reports whether a daemon serves the jobs.
func (j *Jobs) Served(ctx context.Context) (bool, error) {
	daemons, err := list[api.Daemon](ctx, j.c, 0, nil, "daemons")
	if err != nil {
		return false, fmt.Errorf("cannot list the daemons: %w", err)
	}
	for _, d := range daemons {
		if d.Serves {
			return true, nil
		}
	}
	return false, nil
}
