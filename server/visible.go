package server

import (
	"context"
	"errors"
	"sync"

	"tutti/access"
	"tutti/api"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

type memoKey struct{}

// A memo keeps what is found out once for a request, which may ask for it many times.
type memo struct {
	once    sync.Once
	visible store.Visible
	err     error

	meansOnce sync.Once
	means     func(selector string) bool
	meansErr  error
}

// visible says which hosts who asks may see; nil: all. It is the one place where the
// scope of a principal becomes hosts, and each reader is given what it returns. A
// request has one answer, however often it asks.
func (a *API) visible(ctx context.Context) (store.Visible, error) {
	p := principalOf(ctx)
	if len(p.Scopes) == 0 {
		return nil, nil
	}
	m, ok := ctx.Value(memoKey{}).(*memo)
	if !ok { // a stream asks again, as rights change
		return a.findVisible(ctx, p.Scopes)
	}
	m.once.Do(func() { m.visible, m.err = a.findVisible(ctx, p.Scopes) })
	return m.visible, m.err
}

func (a *API) findVisible(ctx context.Context, scopes []string) (store.Visible, error) {
	sets, err := a.Fleet.Scopes(ctx, scopes)
	if err != nil {
		return nil, err
	}
	return func(host string) bool {
		for _, set := range sets {
			if !set[host] {
				return false
			}
		}
		return true
	}, nil
}

// selectorOf is the selector of a run as who asks, who has a scope, may read it: empty if
// a part of it means nothing among the hosts that it may see, so that it tells of no other.
// Who submitted the run knows it.
func (a *API) selectorOf(ctx context.Context, run *store.Run) (string, error) {
	if p := principalOf(ctx); run.Principal == p.Name || run.Selector == "all" {
		return run.Selector, nil
	}
	means, err := a.means(ctx)
	if err != nil || !means(run.Selector) {
		return "", err
	}
	return run.Selector, nil
}

// means is Fleet.Means for who asks, once for a request.
func (a *API) means(ctx context.Context) (func(selector string) bool, error) {
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, err
	}
	m, ok := ctx.Value(memoKey{}).(*memo)
	if !ok {
		return a.Fleet.Means(ctx, visible)
	}
	m.meansOnce.Do(func() { m.means, m.meansErr = a.Fleet.Means(ctx, visible) })
	return m.means, m.meansErr
}

// visibleJobs are the items whose jobs who asks may see: those that it is limited to,
// and that would run on a host that it may see, as things are now.
func visibleJobs[T any](ctx context.Context, a *API, items []T, jobOf func(*T) *scheduler.Job) ([]T, error) {
	p := principalOf(ctx)
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, err
	}
	var some []T
	var own []*scheduler.Job
	for i := range items {
		if job := jobOf(&items[i]); p.CheckJob(access.Read, job.Name) == nil {
			some, own = append(some, items[i]), append(own, job)
		}
	}
	if visible == nil || len(some) == 0 {
		return some, nil
	}
	var seen []T
	for i, hosts := range a.Fleet.JobHosts(ctx, own) {
		for _, host := range hosts {
			if visible(host) {
				seen = append(seen, some[i])
				break
			}
		}
	}
	return seen, nil
}

// seesJob is a problem unless who asks may know of that job, which may have been
// removed.
func (a *API) seesJob(ctx context.Context, name string) error {
	p := principalOf(ctx)
	if p.CheckJob(access.Read, name) != nil {
		return noJob.Fail("") // which jobs there are is not told
	}
	if len(p.Scopes) == 0 {
		return nil
	}
	changes, err := a.Jobs.Changes(ctx, name)
	if f := explain(err); f != nil && f.Kind.Name == noJob.Name {
		return noJob.Fail("")
	}
	if err != nil {
		return err
	}
	last := changes[0].Job
	if last == nil {
		return noJob.Fail("")
	}
	seen, err := visibleJobs(ctx, a, []scheduler.Job{*last}, func(j *scheduler.Job) *scheduler.Job { return j })
	if err == nil && len(seen) == 0 {
		err = noJob.Fail("")
	}
	return err
}

// unseen reports whether an error of seesJob is that who asks may not know of the job.
func unseen(err error) bool {
	f, ok := errors.AsType[*operation.Failure](err)
	return ok && f.Kind.Name == noJob.Name
}

// firingForm is the form of a firing for who asks: of its run it has only the hosts
// that it may see, and nothing if there is none.
func (a *API) firingForm(ctx context.Context, row *store.FiringRow) (api.Firing, error) {
	form := api.NewFiring(row)
	visible, err := a.visible(ctx)
	if err != nil || visible == nil || row.Run == nil {
		return form, err
	}
	run, sees, err := runOps{a}.runForm(ctx, *row.Run)
	if err != nil {
		return form, err
	}
	if !sees {
		hidden := *row
		hidden.Run, hidden.RunID = nil, 0
		return api.NewFiring(&hidden), nil
	}
	form.Hosts, form.Counts, form.ExitCode = run.Hosts, run.Counts, run.ExitCode
	return form, nil
}

// jobForm is the form of a job for who asks.
func (a *API) jobForm(ctx context.Context, v *jobs.View) (api.Job, error) {
	form, err := v.Form()
	if err != nil {
		return form, err
	}
	return form, a.hideRuns(ctx, &form, v)
}

// hideRuns leaves in the firings of a job what who asks may see.
func (a *API) hideRuns(ctx context.Context, form *api.Job, v *jobs.View) error {
	for _, f := range []struct {
		form *api.Firing
		row  *store.FiringRow
	}{{form.Last, v.Last}, {form.Ran, v.Ran}} {
		if f.form == nil {
			continue
		}
		var err error
		if *f.form, err = a.firingForm(ctx, f.row); err != nil {
			return err
		}
	}
	return nil
}
