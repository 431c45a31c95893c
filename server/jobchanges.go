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
	"tutti/store"
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
	starts := func(s operation.Spec) operation.Spec {
		s.Starts, s.Problems = true, append(s.Problems, keyReused)
		return s
	}
	put := spec("PUT", "/jobs/{job}", "putJob", "Replace a job of the version in If-Match, or create it with If-None-Match: *", access.EditJob, 200, noJob, jobExists, jobChanged, noVersion, brokenJob)
	put.Statuses = []int{http.StatusOK, http.StatusCreated}
	return []operation.Operation{
		operation.Of(starts(spec("POST", "/jobs", "addJob", "Add a job", access.EditJob, http.StatusCreated, jobExists, noJob)), a.addJob),
		operation.Of(put, a.putJob),
		operation.Of(spec("PATCH", "/jobs/{job}", "patchJob", "Change keys of the job of the version in If-Match; null is the default", access.EditJob, 200, noJob, jobChanged, noVersion, brokenJob), a.patchJob),
		operation.Of(spec("POST", "/jobs/{job}/restore", "restoreJob", "Make the job of the version in If-Match what it was at another", access.EditJob, 200, noJob, noChange, jobChanged, noVersion, brokenJob), a.restoreJob),
		operation.Of(spec("DELETE", "/jobs/{job}", "removeJob", "Remove the job of the version in If-Match; what runs of it goes on", access.EditJob, http.StatusNoContent, noJob, jobChanged, noVersion), a.removeJob),
		operation.Of(spec("POST", "/jobs/{job}/pause", "pauseJob", "Pause a job, until a time or until it is resumed", access.PauseJob, 200, noJob, brokenJob), a.pauseJob),
		operation.Of(spec("POST", "/jobs/{job}/resume", "resumeJob", "Resume a job", access.PauseJob, 200, noJob, brokenJob), a.resumeJob),
		operation.Of(starts(spec("POST", "/jobs/{job}/run", "runJob", "Run a job now", access.StartJob, http.StatusCreated, noJob, overlaps, brokenJob)), a.runJob),
		operation.Of(spec("POST", "/jobs/{job}/kill", "killJob", "Stop the runs of a job, and drop its queued firings", access.Kill, http.StatusAccepted, noJob), a.killJob),
		operation.Of(applySpec(spec("POST", "/apply", "applyJobs", "Make the jobs those of a file", access.EditJob, 200, jobChanged, unconfirmed, partly)), a.applyJobs),
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

func (a changeOps) addJob(ctx context.Context, in *struct {
	Body    api.JobRequest
	RawBody []byte
},
) (answer *operation.Answer[api.JobDetails], err error) {
	before, err := a.once(ctx, in.RawBody, func(ctx context.Context) error {
		answer, err = a.add(ctx, in.Body.Job, in.Body.Spec)
		return err
	})
	if err != nil || before == nil {
		return answer, err
	}
	if answer, err = a.added(ctx, in.Body.Job); err != nil {
		return nil, err
	}
	if answer.Body.JobID != before.Job {
		return nil, noJob.Fail("the job that this request added was removed")
	}
	answer.Header = replayed(answer.Header)
	return answer, nil
}

// add adds a job of that spec.
func (a changeOps) add(ctx context.Context, name string, spec json.RawMessage) (*operation.Answer[api.JobDetails], error) {
	job, err := specOf(spec, name)
	if err != nil {
		return nil, err
	}
	err = a.audited(ctx, "job.add", name, func(ctx context.Context, p *access.Principal) error {
		_, err := a.Changes.Add(ctx, p, job)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.added(ctx, name)
}

// added answers with a job that was added.
func (a changeOps) added(ctx context.Context, name string) (*operation.Answer[api.JobDetails], error) {
	answer, err := jobOps(a).getJob(ctx, &JobPath{Job: name})
	if err == nil {
		answer.Status = http.StatusCreated
		answer.Header.Set("Location", location(ctx, "/jobs/", name).Get("Location"))
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

// JobVersion is a job in a path, and which version of it the request is about.
type JobVersion struct {
	JobPath
	IfMatch string `header:"If-Match" maxLength:"40" doc:"the version that the change is of, with quotes, as ETag has it"`
}

func (a changeOps) putJob(ctx context.Context, in *struct {
	JobVersion
	IfNoneMatch string `header:"If-None-Match" maxLength:"40" doc:"*: only if there is no job of that name"`
	Body        json.RawMessage
},
) (*operation.Answer[api.JobDetails], error) {
	if in.IfNoneMatch == "*" && in.IfMatch == "" {
		return a.add(ctx, in.Job, in.Body)
	}
	job, err := specOf(in.Body, in.Job)
	if err != nil {
		return nil, err
	}
	return a.edit(ctx, "job.change", &in.JobVersion, func(old *scheduler.Job) error {
		*old = job
		return nil
	})
}

// edit makes of a job of a version what change makes of it.
func (a changeOps) edit(ctx context.Context, action string, in *JobVersion, change func(*scheduler.Job) error) (*operation.Answer[api.JobDetails], error) {
	version, err := versionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	err = a.onJob(ctx, action, in.Job, func(ctx context.Context, p *access.Principal) error {
		_, err := a.Changes.Edit(ctx, p, in.Job, version, change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jobOps(a).getJob(ctx, &in.JobPath)
}

func (a changeOps) removeJob(ctx context.Context, in *JobVersion) (*operation.Answer[operation.Nothing], error) {
	version, err := versionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	return operation.Reply(operation.Nothing{}), a.onJob(ctx, "job.remove", in.Job, func(ctx context.Context, p *access.Principal) error {
		return a.Changes.Remove(ctx, p, in.Job, version)
	})
}

func (a changeOps) pauseJob(ctx context.Context, in *struct {
	JobPath
	Body *api.PauseRequest
},
) (*operation.Answer[api.JobDetails], error) {
	var how scheduler.Pause
	if in.Body != nil {
		var err error
		if how.Until, err = a.until(in.Body.Until); err != nil {
			return nil, err
		}
		how.Note = in.Body.Note
	}
	err := a.onJob(ctx, "job.pause", in.Job, func(ctx context.Context, p *access.Principal) error {
		return a.Changes.Pause(ctx, p, in.Job, how)
	})
	if err != nil {
		return nil, err
	}
	return jobOps(a).getJob(ctx, &in.JobPath)
}

func (a changeOps) resumeJob(ctx context.Context, in *JobPath) (*operation.Answer[api.JobDetails], error) {
	err := a.onJob(ctx, "job.resume", in.Job, func(ctx context.Context, p *access.Principal) error {
		return a.Changes.Resume(ctx, p, in.Job)
	})
	if err != nil {
		return nil, err
	}
	return jobOps(a).getJob(ctx, in)
}

func (a changeOps) runJob(ctx context.Context, in *JobPath) (*operation.Answer[api.Ticket], error) {
	var t scheduler.Assignment
	before, err := a.once(ctx, nil, func(ctx context.Context) error {
		return a.onJob(ctx, "job.run", in.Job, func(ctx context.Context, p *access.Principal) (err error) {
			t, err = a.Changes.RunNow(ctx, p, in.Job)
			return err
		})
	})
	switch {
	case err != nil:
		return nil, err
	case before != nil:
		return a.ranBefore(ctx, in.Job, before.Firing)
	case t.Decision != scheduler.Run && t.Decision != scheduler.Queued:
		return nil, overlaps.Fail(t.Reason)
	}
	return operation.Reply(api.Ticket{Schema: 1, Type: "ticket", Firing: t.ID, Job: in.Job, Decision: t.Decision.String(), Reason: t.Reason}), nil
}

// ranBefore answers with a firing that the same request has made, as it is now.
func (a changeOps) ranBefore(ctx context.Context, job string, firing int64) (*operation.Answer[api.Ticket], error) {
	rows, err := a.Jobs.Log(ctx, store.FiringQuery{Job: job, Before: firing + 1, Limit: 1})
	if err != nil {
		return nil, err
	}
	ticket := api.Ticket{Schema: 1, Type: "ticket", Firing: firing, Job: job, Decision: scheduler.Run.String()} // its row may be deleted
	if len(rows) > 0 && rows[0].ID == firing {
		ticket.Decision, ticket.Reason = rows[0].Decision.String(), rows[0].Reason
	}
	answer := operation.Reply(ticket)
	answer.Header = replayed(answer.Header)
	return answer, nil
}

func (a changeOps) killJob(ctx context.Context, in *struct {
	JobPath
	Body *api.KillRequest
},
) (*operation.Answer[api.KillAnswer], error) {
	var runs []int64
	err := a.onJob(ctx, "job.kill", in.Job, func(ctx context.Context, p *access.Principal) (err error) {
		e, _ := store.AuditOf(ctx)
		e.After = killDetails(in.Body).JSON()
		runs, err = a.KillJob(store.Audited(ctx, e), p, in.Job, in.Body.Halts())
		return err
	})
	if err != nil {
		return nil, err
	}
	return operation.Reply(api.KillAnswer{Schema: 1, Type: "kill", Runs: append([]int64{}, runs...)}), nil
}

// KillJob stops, or halts, for p, the runs of a job, and returns their numbers. It is an
// *access.ScopeError if one of them has hosts outside the scope of p.
func (a *API) KillJob(ctx context.Context, p *access.Principal, job string, halt bool) (runs []int64, err error) {
	ctx = withPrincipal(ctx, *p)
	err = scheduler.Retry(ctx, func() error { // another run may start meanwhile
		known, err := changeOps{a}.ownRuns(ctx, p, job)
		if err == nil {
			runs, err = a.Changes.Kill(ctx, p, job, halt, known)
		}
		return err
	})
	return runs, err
}

// ownRuns are the running runs of a job, all of whose hosts are in the scope of p: those
// that were decided, whatever the job has now. It is an *access.ScopeError if one has
// others. Who has no scope need not know them.
func (a changeOps) ownRuns(ctx context.Context, p *access.Principal, job string) ([]int64, error) {
	if len(p.Scopes) == 0 {
		return nil, nil
	}
	var known []int64
	for q := (store.Query{Job: job, States: []store.State{store.Running}}); ; {
		page, err := a.Runs.RunsPage(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, run := range page.Runs {
			form, _, err := runOps(a).runForm(ctx, run)
			if err != nil {
				return nil, err
			}
			if form.Hidden > 0 {
				return nil, &access.ScopeError{Outside: form.Hidden, Hosts: form.Hosts + form.Hidden}
			}
			known = append(known, run.ID)
		}
		if q.Before = page.Next; q.Before == 0 {
			return known, nil
		}
	}
}

// onJob does something to a job that who asks may see; see audited.
func (a changeOps) onJob(ctx context.Context, action, job string, do func(context.Context, *access.Principal) error) error {
	if err := a.seesJob(ctx, job); err != nil {
		return err
	}
	return a.audited(ctx, action, job, do)
}

// audited does something to a job, which the audit has if it was done. What is refused
// for want of a right it has too.
func (a changeOps) audited(ctx context.Context, action, job string, do func(context.Context, *access.Principal) error) error {
	p := principalOf(ctx)
	e := access.Entry{By: by(ctx, a.Now()), Action: action, Object: "job:" + job}
	err := do(store.Audited(ctx, e), &p)
	if why := refusalOf(err); why != "" {
		e.Outcome, e.After = access.Refused, access.Details{"reason": why}.JSON()
		a.record(ctx, e)
	}
	return err
}

// refusalOf is the name of the problem that an error is if who asks has no right to do
// that; "" otherwise.
func refusalOf(err error) string {
	if err == nil {
		return ""
	}
	if f := explainAccess(err); f != nil && f.Kind.Status == http.StatusForbidden {
		return f.Kind.Name
	}
	return ""
}

// record adds what was refused to the audit. That it could not be recorded is in the log:
// it was refused in any case.
func (a *API) record(ctx context.Context, e access.Entry) {
	if a.Gate == nil {
		return
	}
	if err := a.Gate.Store.Record(context.WithoutCancel(ctx), e); err != nil && a.Logger != nil {
		a.Logger.Error("cannot record in the audit", "action", e.Action, "request", strconv.Quote(e.Request), "error", err)
	}
}
