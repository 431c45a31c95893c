package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/server/operation"
)

// The problems of changes.
var (
	noVersion = operation.Kind{Name: "no-version", Title: "The change does not say which version it is of", Status: http.StatusPreconditionRequired, Text: "Send the ETag that you have read in the header If-Match, or If-None-Match: * to create only."}
	overlaps  = operation.Kind{Name: "overlap", Title: "The job is running, and its overlap rule refuses another run", Status: http.StatusConflict, Text: "Wait until it has ended, or stop it."}
)

// operations are those that change jobs.
func (a changeOps) operations() []operation.Operation {
	if a.Changes == nil {
		return nil
	}
	spec := func(method, path, id, summary string, action access.Action, status int, problems ...operation.Kind) operation.Spec {
		return operation.Spec{
			Method: method, Path: path, ID: id, Summary: summary, Tag: "jobs", Action: action, Statuses: []int{status},
			Problems: append([]operation.Kind{outOfScope, localOnly}, problems...),
		}
	}
	put := spec("PUT", "/jobs/{job}", "putJob", "Replace a job of the version in If-Match, or create it with If-None-Match: *", access.EditJob, 200, noJob, jobExists, jobChanged, noVersion, brokenJob)
	put.Statuses = []int{http.StatusOK, http.StatusCreated}
	return []operation.Operation{
		operation.Of(spec("POST", "/jobs", "addJob", "Add a job", access.EditJob, http.StatusCreated, jobExists), a.addJob),
		operation.Of(put, a.putJob),
		operation.Of(spec("DELETE", "/jobs/{job}", "removeJob", "Remove the job of the version in If-Match; what runs of it goes on", access.EditJob, http.StatusNoContent, noJob, jobChanged, noVersion), a.removeJob),
		operation.Of(spec("POST", "/jobs/{job}/pause", "pauseJob", "Pause a job", access.PauseJob, 200, noJob, brokenJob), a.pause(true)),
		operation.Of(spec("POST", "/jobs/{job}/resume", "resumeJob", "Resume a job", access.PauseJob, 200, noJob, brokenJob), a.pause(false)),
		operation.Of(spec("POST", "/jobs/{job}/run", "runJob", "Run a job now", access.StartJob, http.StatusCreated, noJob, overlaps, brokenJob), a.runJob),
		operation.Of(spec("POST", "/jobs/{job}/kill", "killJob", "Stop what runs of a job", access.Kill, http.StatusAccepted, noJob), a.killJob),
	}
}

// specOf reads what a job is to be; its name is that of the request.
func specOf(data json.RawMessage, name string) (scheduler.Job, error) {
	var job scheduler.Job
	if err := json.Unmarshal(data, &job); err != nil {
		return job, operation.Invalid.Fail("the spec cannot be read: " + withoutQuoted(err.Error()))
	}
	if job.Name != "" && job.Name != name {
		return job, operation.Invalid.Fail("").With(api.At("/name", "is another name than that of the job"))
	}
	job.Name = name
	return job, nil
}

func (a changeOps) addJob(ctx context.Context, in *struct{ Body api.JobRequest }) (*operation.Answer[api.JobDetails], error) {
	job, err := specOf(in.Body.Spec, in.Body.Job)
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	if _, err := a.Changes.Add(ctx, &p, job); err != nil {
		return nil, err
	}
	a.audit(ctx, "job.add", "job:"+job.Name)
	return a.created(ctx, job.Name)
}

// created answers with a job that is new.
func (a changeOps) created(ctx context.Context, name string) (*operation.Answer[api.JobDetails], error) {
	answer, err := jobOps(a).getJob(ctx, &JobPath{Job: name})
	if err == nil {
		answer.Status = http.StatusCreated
		answer.Header.Set("Location", location("/jobs/", name).Get("Location"))
	}
	return answer, err
}

// versionOf is the version that a request is about: that of If-Match.
func versionOf(ifMatch string) (int64, error) {
	if ifMatch == "" {
		return 0, noVersion.Fail("")
	}
	n, ok := parseNumber(strings.Trim(ifMatch, `"`))
	if !ok {
		return 0, jobChanged.Fail("If-Match is no version of a job")
	}
	return n, nil
}

func (a changeOps) putJob(ctx context.Context, in *struct {
	JobPath
	IfMatch     string `header:"If-Match" maxLength:"40" doc:"the version that is replaced, with quotes, as ETag has it"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"40" doc:"*: only if there is no job of that name"`
	Body        json.RawMessage
},
) (*operation.Answer[api.JobDetails], error) {
	job, err := specOf(in.Body, in.Job)
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	if in.IfNoneMatch == "*" && in.IfMatch == "" {
		if _, err := a.Changes.Add(ctx, &p, job); err != nil {
			return nil, err
		}
		a.audit(ctx, "job.add", "job:"+job.Name)
		return a.created(ctx, job.Name)
	}
	if job.Version, err = versionOf(in.IfMatch); err != nil {
		return nil, err
	}
	if _, err := a.Changes.Replace(ctx, &p, job); err != nil {
		return nil, err
	}
	a.audit(ctx, "job.change", "job:"+job.Name)
	return jobOps(a).getJob(ctx, &in.JobPath)
}

func (a changeOps) removeJob(ctx context.Context, in *struct {
	JobPath
	IfMatch string `header:"If-Match" maxLength:"40" doc:"the version that is removed, with quotes, as ETag has it"`
},
) (*operation.Answer[operation.Nothing], error) {
	version, err := versionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	if err := a.Changes.Remove(ctx, &p, in.Job, version); err != nil {
		return nil, err
	}
	a.audit(ctx, "job.remove", "job:"+in.Job)
	return operation.Reply(operation.Nothing{}), nil
}

// pause pauses or resumes a job.
func (a changeOps) pause(paused bool) func(context.Context, *JobPath) (*operation.Answer[api.JobDetails], error) {
	action := map[bool]string{true: "job.pause", false: "job.resume"}[paused]
	return func(ctx context.Context, in *JobPath) (*operation.Answer[api.JobDetails], error) {
		p := principalOf(ctx)
		if _, err := a.Changes.SetPaused(ctx, &p, in.Job, paused); err != nil {
			return nil, err
		}
		a.audit(ctx, action, "job:"+in.Job)
		return jobOps(a).getJob(ctx, in)
	}
}

func (a changeOps) runJob(ctx context.Context, in *JobPath) (*operation.Answer[api.Ticket], error) {
	if err := jobOps(a).seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	t, err := a.Changes.RunNow(ctx, &p, in.Job)
	if err != nil {
		return nil, err
	}
	if t.Decision != scheduler.Run && t.Decision != scheduler.Queued {
		return nil, overlaps.Fail(t.Reason)
	}
	a.audit(ctx, "job.run", "job:"+in.Job)
	return operation.Reply(api.Ticket{Schema: 1, Type: "ticket", Firing: t.ID, Job: in.Job, Decision: t.Decision.String(), Reason: t.Reason}), nil
}

func (a changeOps) killJob(ctx context.Context, in *JobPath) (*operation.Answer[api.KillAnswer], error) {
	if err := jobOps(a).seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	runs, err := a.Changes.Kill(ctx, &p, in.Job)
	if err != nil {
		return nil, err
	}
	a.audit(ctx, "job.kill", "job:"+in.Job)
	return operation.Reply(api.KillAnswer{Schema: 1, Type: "kill", Runs: append([]int64{}, runs...)}), nil
}

// audit records what was done to what is kept elsewhere. That it could not be
// recorded is in the log: it was done.
func (a changeOps) audit(ctx context.Context, action, object string) {
	if a.Gate == nil {
		return
	}
	entry := access.Entry{By: by(ctx, a.Now()), Action: action, Object: object, Outcome: access.Done}
	if err := a.Gate.Store.Record(context.WithoutCancel(ctx), entry); err != nil && a.Logger != nil {
		a.Logger.Error("cannot record in the audit", "action", action, "request", strconv.Quote(entry.Request), "error", err)
	}
}
