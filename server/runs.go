package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

// Runs are what is on record of runs; a store.Store and what compares two runs.
type Runs interface {
	store.Views
	// Run is the run that ref names, "last" being the newest of user.
	Run(ctx context.Context, ref, user string) (store.Run, error)
	// Decided is how a run was decided.
	Decided(ctx context.Context, run int64) (store.Decided, error)
	// Diff are what changed between two runs that have ended, hosts with the same
	// change together, fewest first.
	Diff(ctx context.Context, before, after store.Run, visible store.Visible) ([]event.Diff, error)
}

// operations are those that read runs.
func (a runOps) operations() []operation.Operation {
	spec := func(path, id, summary string, problems ...operation.Kind) operation.Spec {
		return operation.Spec{
			Method: http.MethodGet, Path: path, ID: id, Summary: summary, Tag: "runs", Action: access.Read,
			Problems: append([]operation.Kind{noRun, prunedRun}, problems...),
		}
	}
	run := spec("/runs/{run}", "getRun", "Show a run")
	run.Statuses = []int{http.StatusOK, http.StatusNotModified}
	output := spec("/runs/{run}/hosts/{host}/output", "getOutput", "Read, or search, what a host wrote", noHost)
	output.Types = []string{"application/json", "text/plain", "application/octet-stream"}
	output.Statuses = []int{http.StatusOK, http.StatusPartialContent}
	output.Forms = []any{api.OutputRange{}, api.Search{}}
	output.Problems = append(output.Problems, operation.BadCursor, badRange)
	list := spec("/runs", "listRuns", "List the runs, newest first")
	list.Problems = nil
	return []operation.Operation{
		operation.ListOf(list, a.listRuns),
		operation.Of(run, a.getRun),
		operation.Of(spec("/runs/{run}/plan", "getRunPlan", "Show how a run was decided"), a.getRunPlan),
		operation.ListOf(spec("/runs/{run}/hosts", "listRunHosts", "List the hosts of a run, in the order of its plan"), a.listRunHosts),
		operation.Of(spec("/runs/{run}/hosts/{host}", "getRunHost", "Show a host of a run with its attempts", noHost), a.getRunHost),
		operation.Of(output, a.getOutput),
		operation.ListOf(spec("/runs/{run}/groups", "listGroupsOfRun", "List the hosts that answered the same, the smallest group first"), a.listRunGroups),
		operation.ListOf(spec("/runs/{run}/diff", "listDiff", "List what changed since another run, hosts with the same change together", stillRunning), a.listDiff),
	}
}

// RunPath is a run in a path.
type RunPath struct {
	Run string `path:"run" maxLength:"20" doc:"a number, last, or last~1 for the one before"`
}

type listRunsIn struct {
	operation.Page
	Words    string   `query:"q" maxLength:"1000" doc:"words that are in the command or the note"`
	Since    string   `query:"since" maxLength:"40" doc:"started since then: 2h, 7d, 2026-11-20, 2026-11-20T14:30"`
	Until    string   `query:"until" maxLength:"40" doc:"started before then"`
	Source   string   `query:"source" maxLength:"20" doc:"started by that: cli, rerun, job, api"`
	User     string   `query:"user" maxLength:"256" doc:"started by that user"`
	State    []string `query:"state" enum:"queued,running,finished,interrupted" doc:"in one of these states"`
	Outcome  []string `query:"outcome" enum:"ok,failed,timeout,lost,unreachable,canceled,skipped" doc:"some host ended with one of these"`
	Host     string   `query:"host" maxLength:"256" doc:"the host of that name had a part in it"`
	Job      string   `query:"job" maxLength:"256" doc:"of that job"`
	Selector string   `query:"selector" maxLength:"4096" doc:"on exactly that selector"`
	Note     string   `query:"note" maxLength:"1000" doc:"with that in the note"`
	RerunOf  int64    `query:"rerun_of" minimum:"1" doc:"repeats that run"`
}

// query is what the history is asked for.
func (in *listRunsIn) query(ctx context.Context, a runOps) (q store.Query, err error) {
	q = store.Query{
		Words: fieldsOf(in.Words), Source: in.Source, User: in.User, Host: in.Host, Job: in.Job, Selector: in.Selector, Note: in.Note, RerunOf: in.RerunOf,
	}
	if q.Since, err = a.when("since", in.Since); err != nil {
		return q, err
	}
	if q.Until, err = a.when("until", in.Until); err != nil {
		return q, err
	}
	for _, word := range in.State {
		q.States = append(q.States, store.State(word))
	}
	q.Outcomes, err = outcomesOf(in.Outcome)
	if visible, vErr := a.visible(ctx); in.Host != "" && vErr == nil && visible != nil && !visible(in.Host) {
		q.Hosts, q.Host = []string{}, "" // there is no such host for who asks
	}
	return q, err
}

// shows reports whether what who asks sees of a run is what it asked for: the history
// has looked at hosts, and at a selector, that it may not see.
func (in *listRunsIn) shows(form *api.Run) bool {
	if in.Selector != "" && form.Selector != in.Selector {
		return false
	}
	if form.Hidden == 0 || len(in.Outcome) == 0 {
		return true
	}
	return slices.ContainsFunc(in.Outcome, func(word string) bool { return form.Counts[word] > 0 })
}

// outcomesOf reads words that the schema has let through.
func outcomesOf(words []string) (outcomes []fanout.Outcome, err error) {
	for _, word := range words {
		var o fanout.Outcome
		if err := o.UnmarshalText([]byte(word)); err != nil {
			return nil, operation.Invalid.Fail("").With(api.InParameter("outcome", "is none of the outcomes"))
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// most is how many pages of runs are looked through for those that who asks may see.
const mostPages = 20

func (a runOps) listRuns(ctx context.Context, in *listRunsIn, key string, limit int) ([]api.Run, string, error) {
	q, err := in.query(ctx, a)
	if err != nil {
		return nil, "", err
	}
	if q.Before, err = numberOf(key); err != nil {
		return nil, "", err
	}
	var items []api.Run
	for range mostPages {
		q.Limit = limit - len(items)
		page, err := a.Runs.RunsPage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		for _, run := range page.Runs {
			form, sees, err := a.runForm(ctx, run)
			if err != nil {
				return nil, "", err
			}
			if sees && in.shows(&form) {
				items = append(items, form)
			}
		}
		if q.Before = page.Next; page.Next == 0 {
			return items, "", nil
		}
		if len(items) == limit {
			break
		}
	}
	return items, keyOfNumber(q.Before), nil
}

// runForm is the form of a run for who asks, which has only the hosts that it may
// see. sees is false if it may see none of them.
func (a runOps) runForm(ctx context.Context, run store.Run) (form api.Run, sees bool, err error) {
	p := principalOf(ctx)
	if p.CheckJob(access.Read, run.Job) != nil {
		return form, false, nil
	}
	visible, err := a.visible(ctx)
	if err != nil || visible == nil {
		return api.NewRun(run), err == nil, err
	}
	counts, err := a.Runs.Counts(ctx, []int64{run.ID}, visible)
	seen, sees := counts[run.ID]
	if err != nil || !sees {
		return form, false, err
	}
	if run.Selector, err = a.selectorOf(ctx, &run); err != nil {
		return form, false, err
	}
	run.Summary.Hosts, run.Summary.Counts = seen.Hosts, seen.Outcomes
	if seen.Hidden > 0 && run.ExitCode != nil {
		code := runner.ExitCode(run.Summary, nil, nil)
		run.ExitCode = &code
	}
	form = api.NewRun(run)
	if form.Hidden = seen.Hidden; form.Hidden > 0 {
		form.Reason = "" // it may name some of them
	}
	return form, true, nil
}

// run is the run of a path, if who asks may see it.
func (a runOps) run(ctx context.Context, ref string) (store.Run, api.Run, error) {
	run, err := a.named(ctx, ref)
	if err != nil {
		return run, api.Run{}, err
	}
	form, sees, err := a.runForm(ctx, run)
	if err == nil && !sees {
		err = noRun.Fail("")
	}
	return run, form, err
}

// named is the run of a path, "last" being that of who asks: the last that it submitted;
// over a local socket that of a user of this machine, with its runs of the command line.
func (a runOps) named(ctx context.Context, ref string) (store.Run, error) {
	p := principalOf(ctx)
	if p.Via == access.ViaUnix {
		return a.Runs.Run(ctx, ref, strings.TrimPrefix(p.Name, "unix:"))
	}
	return a.Runs.Submitted(ctx, ref, p.Name)
}

func (a runOps) getRun(ctx context.Context, in *RunPath) (*operation.Answer[api.Run], error) {
	run, form, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(form)
	if run.State.Ended() && form.Hidden == 0 {
		answer.Tag = "r" + strconv.FormatInt(run.ID, 10) + "-" + string(run.State)
	}
	return answer, nil
}

func (a runOps) getRunPlan(ctx context.Context, in *RunPath) (*operation.Answer[api.RunPlan], error) {
	run, seen, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	decided, err := a.Runs.Decided(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	form := api.RunPlan{
		Schema: 1, Type: "run_plan", Run: run.ID, Source: run.Source, Selector: seen.Selector, Command: run.Command,
		Task: decided.Task, Policy: decided.Policy, Options: decided.Given,
	}
	if form.Options == nil {
		form.Options = map[string][]string{}
	}
	if p := principalOf(ctx); p.Check(access.Origins) == nil {
		form.Inventory = run.Inventory
	} else {
		hideLocal(form.Options)
	}
	if seen.Hidden > 0 {
		delete(form.Options, "hosts") // the names of all
	}
	return operation.Reply(form), nil
}
