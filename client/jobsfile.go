package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"tutti/api"
	"tutti/internal/fault"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// errMoved says that others changed jobs while the plan was made.
var errMoved = fault.Usagef("other users changed jobs at the same time; nothing was changed")

// A filePlan is a plan as the server knows it.
type filePlan struct {
	plan *jobs.Plan
	// body is the file, and tag what the server calls its plan of it.
	body  []byte
	tag   string
	prune bool
}

// Plan compares the jobs of a file with those of the server, as [jobs.Service.Plan] does
// with those of a history, and has the server check the plan.
func (j *Jobs) Plan(ctx context.Context, file string, read []scheduler.Job, prune bool) (*jobs.Plan, error) {
	var body bytes.Buffer
	if err := scheduler.WriteJobs(&body, read); err != nil {
		return nil, err
	}
	const tries = 3
	for range tries {
		kept, err := j.Named(ctx, nil)
		if err != nil {
			return nil, err
		}
		p, err := j.checker.Compare(file, read, kept, prune)
		if err != nil {
			return nil, err
		}
		planned := filePlan{plan: p, body: body.Bytes(), prune: prune}
		form, tag, err := planned.send(ctx, j.c, true)
		if err != nil {
			return nil, err
		}
		if isPlan(p, &form) {
			planned.tag = tag
			j.planned = &planned
			return p, nil
		}
	}
	return nil, errMoved
}

// isPlan reports whether form is that of p.
func isPlan(p *jobs.Plan, form *api.JobsPlan) bool {
	var want, got []string
	for step := range p.Steps() {
		want = append(want, step.Job())
	}
	got = append(got, form.Added...)
	for i := range form.Changed {
		got = append(got, form.Changed[i].Job)
	}
	got = append(got, form.Removed...)
	return len(p.Added) == len(form.Added) && len(p.Removed) == len(form.Removed) && slices.Equal(want, got)
}

// send has the server apply a file, or say what it would do.
func (f *filePlan) send(ctx context.Context, c *Client, dryRun bool) (form api.JobsPlan, tag string, err error) {
	q, err := newRequest(http.MethodPost, "apply")
	if err != nil {
		return form, "", err
	}
	q.query = url.Values{}
	if f.prune {
		q.query.Set("prune", "true")
	}
	q.body, q.media = f.body, "application/yaml"
	if dryRun {
		q.query.Set("dry_run", "true")
		q.key = newKey() // nothing is done, however often
	} else {
		q.header = http.Header{"If-Match": {f.tag}}
	}
	q.got = func(h http.Header) { tag = h.Get("Etag") }
	err = c.exchange(ctx, q, &form)
	return form, tag, err
}

// Apply has the server make the changes of the plan that Plan returned last, and yields
// each step with its error. If a job was changed since, nothing is changed; the steps
// about such jobs are yielded, and then that.
func (j *Jobs) Apply(ctx context.Context, p *jobs.Plan, _ string) iter.Seq2[jobs.Step, error] {
	return func(yield func(jobs.Step, error) bool) {
		switch {
		case p.RemovesMost() && !p.Confirmed:
			yield(jobs.Step{}, &jobs.UnconfirmedError{Removed: len(p.Removed), All: p.All})
			return
		case len(slices.Collect(p.Steps())) == 0:
			return
		}
		_, _, err := j.planned.send(ctx, j.c, false)
		failed := map[string]error{}
		switch {
		case isProblem(err, "changed"), isProblem(err, "partly"):
			failed, err = failures(ctx, j, p, err)
		case err != nil:
			yield(jobs.Step{}, err)
			return
		}
		for step := range p.Steps() {
			stepErr, bad := failed[step.Job()]
			if err != nil && !bad {
				continue // nothing was changed
			}
			if !yield(step, stepErr) {
				return
			}
		}
		if err != nil {
			yield(jobs.Step{}, err)
		}
	}
}

// failures are the steps of a plan that were not made because others changed these jobs,
// by the names of the jobs. The error is nil if the other steps were made.
func failures(ctx context.Context, j *Jobs, p *jobs.Plan, refused error) (map[string]error, error) {
	kept, err := j.Named(ctx, nil)
	if err != nil {
		return nil, errors.Join(refused, err)
	}
	partly := isProblem(refused, "partly")
	failed := map[string]error{}
	for step := range p.Steps() {
		now := find(kept, step.Job())
		if partly && isMade(&step, now) {
			continue
		}
		if err := conflict(&step, now); err != nil {
			failed[step.Job()] = err
		} else if partly {
			failed[step.Job()] = fmt.Errorf("job %s: %w", step.Job(), refused)
		}
	}
	if partly {
		return failed, nil
	}
	return failed, errMoved
}

// find is the job of that name; nil: there is none.
func find(kept []scheduler.StoredJob, name string) *scheduler.StoredJob {
	i := slices.IndexFunc(kept, func(k scheduler.StoredJob) bool { return k.Name == name })
	if i < 0 {
		return nil
	}
	return &kept[i]
}

// isMade reports whether the job, as it is now, is what the step makes of it.
func isMade(step *jobs.Step, now *scheduler.StoredJob) bool {
	if step.Removed != nil || now == nil || now.Broken != nil {
		return step.Removed != nil && now == nil
	}
	want := step.Added
	if want == nil {
		want = &step.Changed.Job
	}
	lines, err := jobs.Diff(&now.Job, want)
	return err == nil && len(lines) == 0
}

// conflict is what others did to the job of a step, as it is now, since the plan was made;
// nil: nothing.
func conflict(step *jobs.Step, now *scheduler.StoredJob) error {
	var version int64
	switch {
	case step.Added != nil && now != nil:
		return &store.JobExistsError{Name: now.Name}
	case step.Added != nil:
		return nil
	case now == nil:
		return &store.NoJobError{Name: step.Job()}
	case step.Changed != nil:
		version = step.Changed.Job.Version
	default:
		version = step.Removed.Version
	}
	if now.Version == version {
		return nil
	}
	return changedBy(now)
}
