package daemon

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"time"

	"tutti/access"
	"tutti/internal/fault"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/server/compat"
	"tutti/store"
)

// mostWaiting is how many submitted runs may wait.
const mostWaiting = 100

// tasks are runs that are submitted as tasks.
type tasks struct {
	store.Store
	d   *Daemon
	key access.SigningKey
}

// keyOf is what the name of a task is kept under, apart from the keys of other requests.
func keyOf(id string) string { return "task:" + id }

// Submit submits a task; see [compat.Tasks].
func (t *tasks) Submit(ctx context.Context, p *access.Principal, r *compat.Request) (run int64, err error) {
	d, request, err := t.decide(ctx, p, r)
	if err != nil {
		return 0, err
	}
	s := store.Submission{
		Plan: d.Plan, Request: *request, Key: keyOf(r.ID), Body: t.key.MAC("task", r.Body), Most: mostWaiting, Now: t.d.c.Now(),
		Info: store.RunInfo{User: p.Name, Principal: p.Name, Via: string(p.Via), Inventory: d.Inventory},
	}
	if r.Callback != "" {
		s.Callback = &store.Callback{Task: r.ID, URL: r.Callback, By: p.Subject()}
	}
	done, err := t.Queue().Submit(ctx, s)
	if err != nil {
		return 0, err
	}
	t.d.lanes.look()
	return done.Run, nil
}

// decide decides a task for p.
func (t *tasks) decide(ctx context.Context, p *access.Principal, r *compat.Request) (*runner.Decision, *store.QueuedRequest, error) {
	request := &store.QueuedRequest{Keys: map[string][]string{}, Selector: r.Selector, Command: r.Command}
	if r.Host != "" {
		request.Selector = r.Host
	}
	for key, d := range map[string]time.Duration{"timeout": r.Timeout, "deadline": r.Deadline} {
		if d > 0 {
			request.Keys[key] = []string{quantity.FormatDuration(d)}
		}
	}
	if err := checkRun(p, request.Keys); err != nil {
		return nil, nil, err
	}
	if err := checkRemoteSelector(request.Selector); err != nil {
		return nil, nil, err
	}
	l := t.d.launch(t.d.c.Logger, nil)
	l.Lookup = &runner.Lookup{ForJob: true, Scopes: p.Scopes, Runs: runner.EarlierRuns{
		Open: func(context.Context) (store.Store, error) { return t.Store, nil },
	}}
	d, err := l.DecideSubmission(ctx, request, &runner.Unrecorded{})
	if err != nil {
		return nil, nil, err
	}
	if targets := d.Plan.Targets; r.Host != "" && (len(targets) != 1 || targets[0].Name != r.Host) {
		return nil, nil, fault.Usagef("host has to be the name of one host of the inventory")
	}
	d.Plan.Source, d.Plan.Selector = "api", request.Selector
	return d, request, nil
}

// Find is the run of a task; see [compat.Tasks].
func (t *tasks) Find(ctx context.Context, p *access.Principal, id string) (int64, error) {
	return t.Queue().Find(ctx, p.Name, keyOf(id), t.d.c.Now())
}

// Ended waits for the end of a run; see [compat.Tasks].
func (t *tasks) Ended(ctx context.Context, id int64) (store.Run, error) {
	wake, end := t.Wake()
	defer end()
	for {
		run, err := t.Run(context.WithoutCancel(ctx), strconv.FormatInt(id, 10), "")
		if err != nil || run.State.Ended() || ctx.Err() != nil {
			return run, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

var _ compat.Tasks = (*tasks)(nil)

// audited is [server.Audited] by the daemon's clock.
func (d *Daemon) audited(r *http.Request, p *access.Principal, action string) context.Context {
	return server.Audited(r, p, action, d.c.Now())
}

// compatible are the pages of the compatible endpoints of an API.
func (d *Daemon) compatible(api *server.API) (*compat.Handler, error) {
	path, err := d.c.History.Beside()
	if err != nil {
		return nil, err
	}
	key, err := SigningKey(path)
	if err != nil {
		return nil, err
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	return &compat.Handler{
		Tasks: &tasks{d.store, d, key}, Jobs: d.service, Changes: api.Changes, Kill: api.KillJob, Scopes: api.Fleet.Scopes, Machine: machine,
		Daemons: func(ctx context.Context) ([]scheduler.Controller, error) { return d.store.Daemons(ctx) },
		Admit:   api.Admit, Audited: d.audited, CheckCallback: d.c.Callbacks.CheckURL, MaxWait: d.c.MaxWait, Logger: d.c.Logger,
	}, nil
}
