package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/quantity"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

// operations are those on runs that there are: in the queue, running, or over.
func (a queueOps) operations() []operation.Operation {
	if a.Submissions == nil {
		return nil
	}
	spec := func(method, path, id, summary string, action access.Action, status int, problems ...operation.Kind) operation.Spec {
		return operation.Spec{
			Method: method, Path: path, ID: id, Summary: summary, Tag: "runs", Action: action, Statuses: []int{status}, Changes: method != http.MethodGet, Problems: problems,
		}
	}
	kill := spec("POST", "/runs/{run}/kill", "killRun", "Stop a run, whatever started it", access.Kill, http.StatusAccepted, noRun, prunedRun, outOfScope)
	kill.Statuses = append(kill.Statuses, http.StatusOK)
	return []operation.Operation{
		operation.Of(kill, a.kill),
		operation.Of(spec("DELETE", "/runs/{run}", "deleteRun", "Delete a run that has ended", access.Delete, http.StatusNoContent, noRun, prunedRun, stillRunning, outOfScope), a.remove),
		operation.Of(spec("POST", "/prune", "prune", "Delete the runs that are not kept", access.Delete, http.StatusOK, outOfScope), a.prune),
		operation.ListOf(spec("GET", "/queue", "listQueue", "List the runs that run and wait, in the order of their turn", access.Read, http.StatusOK), a.list),
		operation.Of(spec("PATCH", "/queue/{run}", "moveRun", "Change the priority of a run that waits", access.Run, http.StatusOK, noRun, prunedRun, notQueued, outOfScope), a.move),
		operation.Of(spec("DELETE", "/queue/{run}", "removeFromQueue", "Stop a run that waits", access.Kill, http.StatusNoContent, noRun, prunedRun, notQueued, outOfScope), a.drop),
	}
}

// QueuedPath is a run in a path, by its number.
type QueuedPath struct {
	Run int64 `path:"run" minimum:"1" doc:"a number"`
}

// own is the run of a path, if all of its hosts are in the scope of who asks, who may
// do that action to it.
func (a queueOps) own(ctx context.Context, ref string, action access.Action) (store.Run, error) {
	run, form, err := runOps(a).run(ctx, ref)
	if err != nil {
		return run, err
	}
	p := principalOf(ctx)
	if err := p.CheckJob(action, run.Job); err != nil {
		return run, err
	}
	if form.Hidden > 0 {
		return run, &access.ScopeError{Outside: form.Hidden, Hosts: form.Hosts + form.Hidden}
	}
	return run, nil
}

func (a queueOps) kill(ctx context.Context, in *struct {
	RunPath
	Prefer string `header:"Prefer" maxLength:"100" doc:"wait=N: answer when the run has ended, or after N seconds, at most 300"`
	Body   *api.KillRequest
},
) (*operation.Answer[api.Killed], error) {
	wait, err := waitOf(in.Prefer)
	if err != nil {
		return nil, err
	}
	run, err := a.own(ctx, in.Run, access.Kill)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	stopped := !run.State.Ended()
	if stopped {
		err = a.stop(ctx, run.ID, in.Body)
	}
	switch {
	case errors.As(err, new(*store.KillError)):
		stopped = false
	case err != nil:
		return nil, err
	case stopped:
		if err := submitOps(a).awaitEnd(ctx, strconv.FormatInt(run.ID, 10), wait); err != nil {
			return nil, err
		}
	}
	form, err := a.killed(ctx, run.ID, in.Body.Halts())
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(form)
	if !stopped {
		answer.Status = http.StatusOK
		return answer, nil
	}
	at := event.Time(now)
	answer.Body.RequestedAt = &at
	return answer, nil
}

// stop requests a stop of a run.
func (a queueOps) stop(ctx context.Context, run int64, how *api.KillRequest) error {
	p := principalOf(ctx)
	ctx = a.audited(ctx, "run.kill", runObject(run), killDetails(how))
	return a.Submissions.Stop(ctx, scheduler.Stop{Run: run, By: p.Name, At: a.Now(), Halt: how.Halts()})
}

// killDetails are what the audit says of a kill.
func killDetails(how *api.KillRequest) access.Details {
	if how.Halts() {
		return access.Details{"how": api.KillHalt}
	}
	return access.Details{"how": api.KillEnd}
}

// killed says how far the hosts of a run are that was stopped, or halted.
func (a queueOps) killed(ctx context.Context, id int64, halted bool) (api.Killed, error) {
	run, err := a.Runs.Run(ctx, strconv.FormatInt(id, 10), "")
	if err != nil {
		return api.Killed{}, err
	}
	form := api.Killed{Schema: 1, Type: "kill", Run: id, State: run.State, Hosts: []api.KilledHost{}}
	for from := 0; ; {
		page, err := a.Runs.ResultsPage(ctx, store.ResultQuery{Run: id, From: from, Limit: 1000})
		if err != nil {
			return form, err
		}
		for i := range page.Hosts {
			form.Hosts = append(form.Hosts, killedHost(&page.Hosts[i], halted))
		}
		if from = page.Next; from == 0 {
			return form, nil
		}
	}
}

func killedHost(h *store.HostRow, halted bool) api.KilledHost {
	form := api.KilledHost{Host: h.Target.Name, State: "requested"}
	switch {
	case h.Phase == store.HostEnded && h.Outcome == fanout.Lost:
		form.State = "unknown"
	case h.Phase == store.HostEnded:
		form.State = "ended"
	case halted && h.Phase == store.HostRunning:
		form.State = "running"
	}
	return form
}

func (a queueOps) remove(ctx context.Context, in *struct{ QueuedPath }) (*operation.Answer[operation.Nothing], error) {
	if _, err := a.own(ctx, strconv.FormatInt(in.Run, 10), access.Delete); err != nil {
		return nil, err
	}
	if err := a.Submissions.Delete(a.audited(ctx, "run.delete", runObject(in.Run), nil), in.Run); err != nil {
		return nil, err
	}
	return operation.Reply(operation.Nothing{}), nil
}

func (a queueOps) prune(ctx context.Context, in *struct{ Body *api.PruneRequest }) (*operation.Answer[api.Pruned], error) {
	if p := principalOf(ctx); len(p.Scopes) > 0 {
		return nil, outOfScope.Fail("runs are deleted whatever their hosts")
	}
	var keep store.Retention
	var after access.Details
	if r := in.Body; r != nil {
		var err error
		if keep, err = retentionOf(r); err != nil {
			return nil, err
		}
		after = access.Details{"retention": r}
	}
	p, err := a.Submissions.Prune(a.audited(ctx, "run.prune", "history", after), keep)
	if err != nil {
		return nil, err
	}
	return operation.Reply(api.Pruned{Schema: 1, Type: "pruned", Runs: p.Runs, Held: p.Held, Bytes: p.Bytes}), nil
}

func retentionOf(r *api.PruneRequest) (keep store.Retention, err error) {
	keep.KeepRuns = r.KeepRuns
	if r.Keep != "" {
		if keep.Keep, err = quantity.ParseDuration(r.Keep); err != nil || keep.Keep <= 0 {
			return keep, operation.Invalid.Fail("").With(api.At("/keep", "want a duration such as 30d"))
		}
	}
	if r.MaxSize != "" {
		if keep.MaxSize, err = quantity.ParseSize(r.MaxSize); err != nil || keep.MaxSize <= 0 {
			return keep, operation.Invalid.Fail("").With(api.At("/max_size", "want a size such as 1GiB"))
		}
	}
	return keep, nil
}

func (a queueOps) list(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.QueueItem, string, error) {
	running, err := a.Submissions.Running(ctx)
	if err != nil {
		return nil, "", err
	}
	var all []api.QueueItem
	for _, run := range running {
		form, sees, err := runOps(a).runForm(ctx, run)
		if err != nil {
			return nil, "", err
		}
		if sees {
			all = append(all, api.QueueItem{Schema: 1, Type: "queue_item", Run: form, Daemon: run.Daemon})
		}
	}
	waiting, err := a.waiting(ctx)
	if err != nil {
		return nil, "", err
	}
	all = append(all, waiting...)
	return pageOf(all, key, limit, func(q api.QueueItem) string { return keyOfNumber(q.Run.Run) }, func(q api.QueueItem) api.QueueItem { return q })
}

// waiting are the runs that wait and who asks may see. Their places are those among them:
// that there are others is not told.
func (a queueOps) waiting(ctx context.Context) (items []api.QueueItem, err error) {
	waiting, err := a.Submissions.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	places := 0
	for i := range waiting {
		form, sees, err := runOps(a).runForm(ctx, waiting[i].Run)
		if err != nil {
			return nil, err
		}
		if sees {
			item := api.NewQueueItem(&waiting[i], form)
			if item.Place > 0 { // it waits for its turn
				places++
				item.Place = places
			}
			items = append(items, item)
		}
	}
	return items, nil
}

func (a queueOps) move(ctx context.Context, in *struct {
	QueuedPath
	Body api.MoveRequest
},
) (*operation.Answer[api.QueueItem], error) {
	number := strconv.FormatInt(in.Run, 10)
	if _, err := a.own(ctx, number, access.Run); err != nil {
		return nil, err
	}
	if _, err := a.Submissions.Move(a.audited(ctx, "run.move", runObject(in.Run), nil), in.Run, in.Body.Priority); err != nil {
		return nil, err
	}
	waiting, err := a.waiting(ctx)
	if err != nil {
		return nil, err
	}
	for i := range waiting {
		if waiting[i].Run.Run == in.Run {
			return operation.Reply(waiting[i]), nil
		}
	}
	return nil, notQueued.Fail("")
}

func (a queueOps) drop(ctx context.Context, in *struct{ QueuedPath }) (*operation.Answer[operation.Nothing], error) {
	number := strconv.FormatInt(in.Run, 10)
	run, err := a.own(ctx, number, access.Kill)
	if err != nil {
		return nil, err
	}
	if run.State != store.Queued {
		return nil, notQueued.Fail("")
	}
	if err := a.stop(ctx, run.ID, nil); err != nil {
		return nil, err
	}
	return operation.Reply(operation.Nothing{}), nil
}

// audited is a context whose change is in the audit as that action; see store.Audited.
func (a queueOps) audited(ctx context.Context, action, object string, after access.Details) context.Context {
	e := access.Entry{By: by(ctx, a.Now()), Action: action, Object: object}
	if after != nil {
		e.After = after.JSON()
	}
	return store.Audited(ctx, e)
}

// runObject is a run as the audit names it.
func runObject(run int64) string { return "run:" + strconv.FormatInt(run, 10) }
