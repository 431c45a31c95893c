package server

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"tutti/access"
	"tutti/api"
	"tutti/inventory"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/server/operation"
)

// checkOperations are those that say what something would mean.
func (a checkOps) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of(operation.Spec{
			Method: http.MethodPost, Path: "/validate", ID: "validate", Tag: "jobs", Action: access.Plan,
			Summary:  "Say what a schedule, a selector or a job means, as things are now",
			Problems: []operation.Kind{noInventory, noMatch, localOnly, outOfScope},
		}, a.validate),
	}
}

// shownNext and shownNames are how much of a schedule and of a selector is shown.
const (
	shownNext  = 10
	shownNames = 100
)

func (a checkOps) validate(ctx context.Context, in *struct{ Body api.ValidationRequest }) (*operation.Answer[api.Validation], error) {
	answer := api.Validation{Schema: 1, Type: "validation", Warnings: []string{}}
	if len(in.Body.Spec) > 0 {
		return a.validateSpec(ctx, &in.Body, &answer)
	}
	if in.Body.Selector == "" && len(in.Body.Schedule) == 0 {
		return nil, operation.Invalid.Fail("want a schedule, a selector, or both, or a spec")
	}
	if len(in.Body.Schedule) > 0 {
		if err := a.validateSchedule(&in.Body, &answer); err != nil {
			return nil, err
		}
	}
	if in.Body.Selector != "" {
		views, err := a.hostViews(ctx, in.Body.Selector)
		if err != nil {
			return nil, err
		}
		n := len(views)
		answer.Hosts = &n
		for _, v := range views[:min(n, shownNames)] {
			answer.Names = append(answer.Names, v.Name)
		}
	}
	return operation.Reply(answer), nil
}

// validateSchedule says when a schedule fires, and what its author may not have
// meant.
func (a checkOps) validateSchedule(in *api.ValidationRequest, answer *api.Validation) error {
	zone := in.Zone
	if zone == "" {
		zone = "UTC"
	}
	job := scheduler.NewJob(in.Job, zone)
	job.Schedules, job.Seconds = in.Schedule, in.Seconds
	return a.addTimes(&job, answer)
}

// addTimes says when a job fires.
func (a checkOps) addTimes(job *scheduler.Job, answer *api.Validation) error {
	now := a.Now()
	timing, err := job.Timing(now)
	if err != nil {
		return err
	}
	next, err := jobs.Coming(timing, now, shownNext)
	if err != nil {
		return err
	}
	doubts, err := jobs.DoubtsOf(timing, now)
	if err != nil {
		return err
	}
	answer.Schedule = timing.Schedule.Describe()
	for _, f := range next {
		answer.Next = append(answer.Next, api.NewNext(f))
	}
	answer.Warnings = append(answer.Warnings, doubts.Warnings...)
	return nil
}

// validateSpec says what would become of a job that is added, and adds nothing.
func (a checkOps) validateSpec(ctx context.Context, in *api.ValidationRequest, answer *api.Validation) (*operation.Answer[api.Validation], error) {
	if in.Selector != "" || len(in.Schedule) > 0 || in.Zone != "" || in.Seconds {
		return nil, operation.Invalid.Fail("").With(api.At("/spec", "has a schedule and a selector of its own"))
	}
	if a.Changes == nil {
		return nil, operation.Invalid.Fail("").With(api.At("/spec", "jobs cannot be changed here"))
	}
	job, err := specOf(in.Spec, cmp.Or(in.Job, "job"))
	if err != nil {
		return nil, err
	}
	p := principalOf(ctx)
	prepared, err := a.Changes.Prepare(ctx, &p, job)
	if err != nil {
		return nil, err
	}
	if err := a.addTimes(&prepared.Job, answer); err != nil {
		return nil, err
	}
	addTrial(&p, &prepared.Trial, answer)
	return operation.Reply(*answer), nil
}

// addTrial says on which hosts a job would run now, and what would make it fail. Where its
// inventory is, a principal that may act on this machine learns.
func addTrial(p *access.Principal, trial *jobs.Trial, answer *api.Validation) {
	if trial.Script != nil {
		answer.Fails = append(answer.Fails, "its script cannot be read")
	}
	if trial.Hosts == nil {
		if trial.Err != nil {
			answer.Fails = append(answer.Fails, withoutQuoted(trial.Err.Error()))
		}
		return
	}
	n := len(trial.Hosts.Hosts)
	answer.Hosts = &n
	for _, h := range trial.Hosts.Hosts[:min(n, shownNames)] {
		answer.Names = append(answer.Names, h.Name)
	}
	answer.Warnings = append(answer.Warnings, trial.Hosts.Warnings...)
	if p.Check(access.Controller) == nil {
		answer.Inventory = trial.Hosts.Files
	}
}

// inSelector says where a selector is wrong.
func inSelector(e *inventory.SelectorError) api.ProblemError {
	return api.At("/selector", "column "+strconv.Itoa(e.Column)+": "+withoutQuoted(e.Msg))
}

// inSchedule says where a schedule is wrong.
func inSchedule(e *scheduler.SyntaxError) api.ProblemError {
	text := withoutQuoted(e.Msg)
	if e.Column > 0 {
		text = "column " + strconv.Itoa(e.Column) + ": " + text
	}
	return api.At("/schedule/"+strconv.Itoa(e.Index), text)
}
