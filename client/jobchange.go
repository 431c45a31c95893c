package client

import (
	"context"
	"net/http"
	"strconv"

	"tutti/api"
	"tutti/api/event"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/store"
)

// Pause pauses a job, or changes until when and why it is paused; the server
// records the principal. changed is false if it is paused so already.
func (j *Jobs) Pause(ctx context.Context, name string, p scheduler.Pause) (stored scheduler.StoredJob, changed bool, err error) {
	body := api.PauseRequest{Note: p.Note}
	if !p.Until.IsZero() {
		body.Until = event.FormatTime(p.Until)
	}
	return pausing(ctx, j, name, "pause", body, func(k *scheduler.StoredJob) bool { return !k.Paused || !k.Pause.Same(p) })
}

// Resume resumes a job; the server records the principal. changed is false if the job was not
// paused.
func (j *Jobs) Resume(ctx context.Context, name, _ string) (stored scheduler.StoredJob, changed bool, err error) {
	return pausing(ctx, j, name, "resume", nil, func(k *scheduler.StoredJob) bool { return k.Paused })
}

// pausing asks for an operation on a job, unless it differs in nothing.
func pausing(ctx context.Context, j *Jobs, name, word string, body any, differs func(*scheduler.StoredJob) bool) (stored scheduler.StoredJob, changed bool, err error) {
	details, err := j.Show(ctx, name)
	if err != nil {
		return stored, false, err
	}
	if err := jobs.Readable(&details.StoredJob); err != nil || !differs(&details.StoredJob) {
		return details.StoredJob, false, err
	}
	var form api.JobDetails
	if err := j.c.send(ctx, http.MethodPost, body, &form, "jobs", name, word); err != nil {
		return stored, false, j.noJob(ctx, name, err)
	}
	if stored, err = form.Stored(); err != nil {
		return stored, false, j.c.strange(err)
	}
	return stored, true, nil
}

// Remove removes a job if it is at that version; 0: whatever its version. Its running
// commands go on.
func (j *Jobs) Remove(ctx context.Context, name string, version int64, _ string) error {
	if version == 0 {
		details, err := j.Show(ctx, name)
		if err != nil {
			return err
		}
		version = details.Version
	}
	q, err := newRequest(http.MethodDelete, "jobs", name)
	if err != nil {
		return err
	}
	q.header = http.Header{"If-Match": {strconv.Quote(number(version))}}
	return j.noJob(ctx, name, j.c.exchange(ctx, q, nil))
}

// RunNow starts a job manually: a daemon runs it. The server refuses it where the job's
// overlap policy does.
func (j *Jobs) RunNow(ctx context.Context, name, _ string) (t scheduler.Assignment, served bool, err error) {
	var form api.Ticket
	if err := j.c.send(ctx, http.MethodPost, nil, &form, "jobs", name, "run"); err != nil {
		return t, false, j.noJob(ctx, name, err)
	}
	t.ID, t.Reason = form.Firing, form.Reason
	t.Job.Name = form.Job
	if t.Decision, err = api.DecisionOf(form.Decision); err != nil {
		return t, false, j.c.strange(err)
	}
	served, err = j.Served(ctx)
	return t, served, err
}

// AwaitRun waits until the firing of t, which RunNow returned, is run or is known not to
// be. It returns the number of the run; 0 if there is none: t then says why.
func (j *Jobs) AwaitRun(ctx context.Context, t *scheduler.Assignment) (run int64, err error) {
	for {
		rows, err := j.Log(ctx, store.FiringQuery{Job: t.Job.Name, Limit: awaitedRows})
		if err != nil {
			return 0, err
		}
		for i := range rows {
			if f := &rows[i]; f.ID == t.ID {
				t.Decision, t.Reason, run = f.Decision, f.Reason, f.RunID
			}
		}
		if run != 0 || t.Decision != scheduler.Run && t.Decision != scheduler.Queued {
			return run, nil
		}
		if !sleep(ctx, lookEvery) {
			return 0, context.Cause(ctx)
		}
	}
}

// awaitedRows is how many firings of a job are looked through for one that was made just
// now.
const awaitedRows = 100

// Unserved reports whether one of the jobs is not paused and no daemon serves the jobs.
func (j *Jobs) Unserved(ctx context.Context, all ...*scheduler.Job) (bool, error) {
	for _, job := range all {
		if !job.Paused {
			served, err := j.Served(ctx)
			return err == nil && !served, err
		}
	}
	return false, nil
}
