package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"tutti/access"
	"tutti/api"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

var (
	unconfirmed = operation.Kind{Name: "unconfirmed", Title: "Most jobs would be removed", Status: http.StatusPreconditionRequired, Text: "Ask with dry_run first, and send the tag of that plan in If-Match."}
	partly      = operation.Kind{Name: "partly", Title: "Some jobs could not be changed", Status: http.StatusConflict, Text: "The detail says how many changes were made. Ask with dry_run for those that are left."}
)

// maxJobsFile bounds a file of jobs, in bytes.
const maxJobsFile = 8 << 20

// yamlTypes are what YAML is called.
var yamlTypes = []string{"application/yaml", "application/x-yaml", "text/yaml"}

// applySpec is s for a file as its body.
func applySpec(s operation.Spec) operation.Spec {
	s.MaxBody, s.Accepts = maxJobsFile, append([]string{"application/json"}, yamlTypes...)
	return s
}

// applyJobs makes the jobs those of a file. With dry_run it says what would be done, and
// by which tag exactly that is asked for.
func (a changeOps) applyJobs(ctx context.Context, in *struct {
	DryRun  bool   `query:"dry_run" doc:"say what would be done, and do nothing"`
	Prune   bool   `query:"prune" doc:"remove the jobs that are not in the file"`
	IfMatch string `header:"If-Match" maxLength:"80" doc:"the tag of a dry run: exactly that is done, or nothing"`
	RawBody []byte `contentType:"application/yaml" doc:"jobs.yaml, or the same as JSON"`
},
) (*operation.Answer[api.JobsPlan], error) {
	p := principalOf(ctx)
	plan, err := a.Changes.Plan(ctx, &p, in.RawBody, in.Prune)
	if err != nil {
		return nil, a.refusedFile(ctx, err)
	}
	tag, err := planTag(plan)
	if err != nil {
		return nil, err
	}
	form, err := a.planForm(ctx, plan, in.DryRun)
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(form)
	answer.Header = http.Header{"Etag": {strconv.Quote(tag)}}
	if in.DryRun {
		return answer, nil
	}
	if in.IfMatch != "" && in.IfMatch != strconv.Quote(tag) {
		return nil, jobChanged.Fail("the jobs, or the file, are not those of the dry run")
	}
	plan.Confirmed = in.IfMatch != ""
	if plan.RemovesMost() && !plan.Confirmed {
		return nil, unconfirmed.Fail((&jobs.UnconfirmedError{Removed: len(plan.Removed), All: plan.All}).Error())
	}
	return answer, a.apply(ctx, &p, plan)
}

// refusedFile records that a file was refused for want of a right.
func (a changeOps) refusedFile(ctx context.Context, err error) error {
	if why := refusalOf(err); why != "" {
		a.record(ctx, access.Entry{By: by(ctx, a.Now()), Action: "job.apply", Outcome: access.Refused, After: access.Details{"reason": why}.JSON()})
	}
	return err
}

// apply does what was planned. Steps that others were faster with are a problem that
// names them. What the others would fail by too, such as a full disk, ends it.
func (a changeOps) apply(ctx context.Context, p *access.Principal, plan *jobs.Plan) error {
	ctx = store.Audited(ctx, access.Entry{By: by(ctx, a.Now()), Action: "job.apply"})
	failure, done := partly.Fail(""), 0
	for step, err := range a.Changes.Apply(ctx, p, plan) {
		if err == nil {
			done++
			continue
		}
		f := explain(err)
		if f == nil || f.Kind.Status >= http.StatusInternalServerError && done == 0 {
			return err
		}
		failure.Errors = append(failure.Errors, api.At("/jobs/"+step.Job(), f.Kind.Title))
		if f.Kind.Status >= http.StatusInternalServerError {
			break
		}
	}
	if failure.Errors == nil {
		return nil
	}
	steps := len(plan.Written()) + len(plan.Removed)
	failure.Detail = fmt.Sprintf("of %d changes %d were made, %d failed, and %d were not tried", steps, done, len(failure.Errors), steps-done-len(failure.Errors))
	return failure
}

// planTag is a word for what a plan does: another plan has another one.
func planTag(plan *jobs.Plan) (string, error) {
	type one struct {
		Do      string         `json:"do"`
		Name    string         `json:"name"`
		ID      int64          `json:"id,omitempty"`
		Version int64          `json:"version,omitempty"`
		Spec    *scheduler.Job `json:"spec,omitempty"`
	}
	steps := []one{}
	for i := range plan.Added {
		steps = append(steps, one{Do: "add", Name: plan.Added[i].Name, Spec: &plan.Added[i]})
	}
	for i := range plan.Changed {
		job := &plan.Changed[i].Job
		steps = append(steps, one{Do: "change", Name: job.Name, Version: job.Version, Spec: job})
	}
	for i := range plan.Removed {
		k := &plan.Removed[i]
		steps = append(steps, one{Do: "remove", Name: k.Name, ID: k.ID, Version: k.Version})
	}
	data, err := json.Marshal(steps)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return "all-" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// planForm is the form of a plan. Of the jobs that are left it has those that who asks
// may see.
func (a changeOps) planForm(ctx context.Context, plan *jobs.Plan, dry bool) (api.JobsPlan, error) {
	form := api.JobsPlan{
		Schema: 1, Type: "jobs_plan", DryRun: dry, Added: []string{}, Changed: []api.PlannedChange{}, Removed: []string{},
		Same: plan.Same, Left: []string{},
	}
	for i := range plan.Added {
		form.Added = append(form.Added, plan.Added[i].Name)
	}
	for i := range plan.Changed {
		c := &plan.Changed[i]
		form.Changed = append(form.Changed, api.PlannedChange{Job: c.Job.Name, Rewritten: c.Rewritten, Differences: append([]string{}, c.Differences...)})
	}
	for i := range plan.Removed {
		form.Removed = append(form.Removed, plan.Removed[i].Name)
	}
	for _, name := range plan.Left {
		err := a.seesJob(ctx, name)
		if f, ok := err.(*operation.Failure); ok && f.Kind.Name == noJob.Name { //nolint:errorlint // seesJob returns it as it is
			continue
		}
		if err != nil {
			return form, err
		}
		form.Left = append(form.Left, name)
	}
	return form, nil
}

// exportSpec is the operation that writes a file of jobs.
func exportSpec() operation.Spec {
	return operation.Spec{
		Method: http.MethodGet, Path: "/export", ID: "exportJobs", Tag: "jobs", Action: access.Read,
		Summary: "Write jobs as a file, which apply reads", Types: []string{"application/json", "application/yaml"}, Problems: []operation.Kind{noJob},
	}
}

// exportJobs writes the jobs that who asks may see. How many of them cannot be read, and
// so are not in the file, is in the header Tutti-Broken.
func (a jobOps) exportJobs(ctx context.Context, in *struct {
	Job    []string `query:"job" maxItems:"1000" doc:"only these jobs"`
	Accept string   `header:"Accept" hidden:"true"`
},
) (*operation.Answer[any], error) {
	for _, name := range in.Job {
		if err := a.seesJob(ctx, name); err != nil {
			return nil, err
		}
	}
	whole, broken, err := a.Jobs.Export(ctx, in.Job)
	if err != nil {
		return nil, err
	}
	whole, err = visibleJobs(ctx, a.API, whole, func(j *scheduler.Job) *scheduler.Job { return j })
	if err != nil {
		return nil, err
	}
	answer := &operation.Answer[any]{Header: http.Header{}}
	if p := principalOf(ctx); len(broken) > 0 && len(p.Scopes) == 0 && len(p.Jobs) == 0 {
		answer.Header.Set("Tutti-Broken", strconv.Itoa(len(broken)))
	}
	if prefers(in.Accept, append(yamlTypes, "application/json")...) == "application/json" {
		answer.Body = exportForm(whole)
		return answer, nil
	}
	var b bytes.Buffer
	if err := scheduler.WriteJobs(&b, whole); err != nil {
		return nil, err
	}
	answer.Body = operation.Bytes{Type: "application/yaml", Data: b.Bytes()}
	return answer, nil
}

// exportForm is a file of jobs as JSON.
func exportForm(all []scheduler.Job) api.JobsFile {
	file := api.JobsFile{Jobs: map[string]json.RawMessage{}}
	for i := range all {
		var keys map[string]json.RawMessage
		data, err := json.Marshal(all[i])
		if err == nil {
			err = json.Unmarshal(data, &keys)
		}
		if err != nil {
			continue // a job that was read can be written
		}
		delete(keys, "name")
		if data, err = json.Marshal(keys); err == nil {
			file.Jobs[all[i].Name] = data
		}
	}
	return file
}
