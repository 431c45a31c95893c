package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"tutti/api"
	"tutti/internal/yamltree"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// Prepare checks that a job can run and fires again, here as for a history, and then on
// the server, which has its hosts. A job without a zone gets that of this machine.
func (j *Jobs) Prepare(ctx context.Context, job scheduler.Job) (*jobs.Prepared, error) {
	if err := j.checker.Complete(&job); err != nil {
		return nil, err
	}
	trial, err := j.Try(ctx, &job)
	return &jobs.Prepared{Job: job, Trial: trial}, err
}

// Try is on which hosts of the server a job would run now. Of the hosts it has the number
// only. Its error is that of the server, which also refuses a schedule that has ended.
func (j *Jobs) Try(ctx context.Context, job *scheduler.Job) (t jobs.Trial, err error) {
	spec, err := json.Marshal(job)
	if err != nil {
		return t, err
	}
	var answer api.Validation
	if err := j.c.send(ctx, http.MethodPost, api.ValidationRequest{Job: job.Name, Spec: spec}, &answer, "validate"); err != nil {
		return t, err
	}
	if t, err = jobs.TrialOf(&answer, job, j.checker.Now()); err != nil {
		return t, j.c.strange(err)
	}
	return t, nil
}

// Add adds a prepared job, once; who does so the server knows.
func (j *Jobs) Add(ctx context.Context, p *jobs.Prepared, _ string) (scheduler.StoredJob, error) {
	spec, err := json.Marshal(&p.Job)
	if err != nil {
		return scheduler.StoredJob{}, err
	}
	var form api.JobDetails
	err = j.c.send(ctx, http.MethodPost, api.JobRequest{Job: p.Job.Name, Spec: spec}, &form, "jobs")
	if isProblem(err, "job-exists") {
		return scheduler.StoredJob{}, &store.JobExistsError{Name: p.Job.Name}
	}
	if err != nil {
		return scheduler.StoredJob{}, err
	}
	return stored(j.c, &form)
}

// stored is the job of an answer.
func stored(c *Client, form *api.JobDetails) (scheduler.StoredJob, error) {
	kept, err := form.Stored()
	if err != nil {
		return kept, c.strange(err)
	}
	return kept, nil
}

// Edit calls change with the job of that name, and has the server store the result, if
// the job was not changed meanwhile: else the error is a *store.JobChangedError.
func (j *Jobs) Edit(ctx context.Context, name, _ string, change func(*scheduler.Job) error) (*jobs.Edited, error) {
	old, err := j.job(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := jobs.Readable(&old); err != nil {
		return nil, err
	}
	job := old.Job
	if err := change(&job); err != nil {
		return nil, err
	}
	e, err := j.checker.CheckEdit(&old.Job, &job)
	if err != nil {
		return nil, err
	}
	if e.Job, err = j.put(ctx, &job); err != nil {
		return nil, err
	}
	if jobs.Moved(&old.Job, &job) {
		if trial, err := j.Try(ctx, &e.Job.Job); err == nil { // the job is stored, whatever is wrong with it now
			e.Trial = &trial
		}
	}
	return e, nil
}

// job is the job of that name, or a *store.NoJobError.
func (j *Jobs) job(ctx context.Context, name string) (scheduler.StoredJob, error) {
	var form api.JobDetails
	if err := j.c.get(ctx, &form, nil, "jobs", name); err != nil {
		if isProblem(err, "no-job") {
			err = j.missing(ctx, name)
		}
		return scheduler.StoredJob{}, err
	}
	return stored(j.c, &form)
}

// put stores a job in place of its version.
func (j *Jobs) put(ctx context.Context, job *scheduler.Job) (scheduler.StoredJob, error) {
	var form api.JobDetails
	is := http.Header{"If-Match": {strconv.Quote(number(job.Version))}}
	err := j.c.sendOnce(ctx, http.MethodPut, job, &form, is, "jobs", job.Name)
	switch {
	case isProblem(err, "changed"):
		now, readErr := j.job(ctx, job.Name)
		if readErr != nil {
			return now, errors.Join(err, readErr)
		}
		return now, changedBy(&now)
	case isProblem(err, "no-job"):
		return scheduler.StoredJob{}, j.missing(ctx, job.Name)
	case err != nil:
		return scheduler.StoredJob{}, err
	}
	return stored(j.c, &form)
}

// changedBy is the error about a job that is not as it was read any more.
func changedBy(now *scheduler.StoredJob) error {
	return &store.JobChangedError{Name: now.Name, Version: now.Version, By: now.UpdatedBy, At: now.UpdatedAt}
}

// missing is the error of a history about a job that is not there.
func (j *Jobs) missing(ctx context.Context, name string) error {
	none := &store.NoJobError{Name: name}
	if forms, err := list[api.Job](ctx, j.c, 0, nil, "jobs"); err == nil {
		names := make([]string, len(forms))
		for i := range forms {
			names[i] = forms[i].Job
		}
		none.Nearest = yamltree.Nearest(name, names)
	}
	return none
}
