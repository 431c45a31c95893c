package server

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

// noChange is the problem of a version that a job never had.
var noChange = operation.Kind{Name: "no-change", Title: "The job has no such version", Status: http.StatusNotFound, Text: "The versions of a job are at /jobs/JOB/changes."}

// patchJob changes some keys of a job: a merge patch (RFC 7396) of its spec.
func (a changeOps) patchJob(ctx context.Context, in *struct {
	JobVersion
	Body map[string]json.RawMessage
},
) (*operation.Answer[api.JobDetails], error) {
	return a.edit(ctx, "job.change", &in.JobVersion, func(job *scheduler.Job) error {
		was, err := json.Marshal(job)
		if err != nil {
			return err
		}
		patch, err := json.Marshal(in.Body)
		if err != nil {
			return err
		}
		is, err := mergePatch(was, patch)
		if err != nil {
			return err
		}
		*job, err = specOf(is, in.Job)
		return err
	})
}

// mergePatch is target with what patch has in its place; null takes a key out.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	var changes, was map[string]json.RawMessage
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch, nil // no object, which is put in place of whatever there was
	}
	if json.Unmarshal(target, &was) != nil || was == nil {
		was = map[string]json.RawMessage{}
	}
	is := maps.Clone(was)
	for key, value := range changes {
		if string(value) == "null" {
			delete(is, key)
			continue
		}
		merged, err := mergePatch(was[key], value)
		if err != nil {
			return nil, err
		}
		is[key] = merged
	}
	return json.Marshal(is)
}

// restoreJob makes a job what it was at another version. Whether it is paused stays as
// it is: what a job does is restored, and not when somebody stopped it.
func (a changeOps) restoreJob(ctx context.Context, in *struct {
	JobVersion
	Body api.RestoreRequest
},
) (*operation.Answer[api.JobDetails], error) {
	if _, err := versionOf(in.IfMatch); err != nil {
		return nil, err
	}
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	change, err := a.change(ctx, in.Job, in.Body.Version)
	if err != nil {
		return nil, err
	}
	if change.Job == nil {
		return nil, brokenJob.Fail("that version cannot be read")
	}
	return a.edit(ctx, "job.restore", &in.JobVersion, func(job *scheduler.Job) error {
		paused := job.Paused
		*job = *change.Job
		job.Paused = paused
		return nil
	})
}

// change is a version of the job that has the name, or had it last.
func (a *API) change(ctx context.Context, job string, version int64) (*store.JobChange, error) {
	changes, err := a.Jobs.Changes(ctx, job)
	if err != nil {
		return nil, err
	}
	for i := range changes {
		if c := &changes[i]; c.Version == version && c.JobID == changes[0].JobID {
			return c, nil
		}
	}
	return nil, noChange.Fail("")
}

func (a jobOps) getChange(ctx context.Context, in *struct {
	JobPath
	Version int64 `path:"version" minimum:"1" doc:"a version of the job"`
},
) (*operation.Answer[api.JobChange], error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	change, err := a.change(ctx, in.Job, in.Version)
	if err != nil {
		return nil, err
	}
	return operation.Reply(api.JobChange{Schema: 1, Type: "job_change", Job: in.Job, Change: changeForm(change)}), nil
}

// changeSpec is the operation that shows a version.
func changeSpec() operation.Spec {
	return operation.Spec{
		Method: http.MethodGet, Path: "/jobs/{job}/changes/{version}", ID: "getChange", Tag: "jobs", Action: access.Read,
		Summary: "Show a version of a job", Problems: []operation.Kind{noJob, noChange},
	}
}
