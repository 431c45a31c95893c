package daemon

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// submissions are the runs that clients start over HTTP.
type submissions struct {
	store.Queue
	env     *runner.Env
	history *runner.History
	store   store.Store
	// owner has what must not be on disk, in vault; submitted is called after a run was.
	owner     func() store.Daemon
	vault     *vault
	submitted func()
}

// NewSubmissions are those of a history, decided in env. What must not be on disk belongs
// to owner, which has to execute it.
func NewSubmissions(env *runner.Env, history *runner.History, s store.Store, owner func() store.Daemon) server.Submissions {
	return &submissions{s.Queue(), env, history, s, owner, &vault{}, func() {}}
}

// submissions are those that the lanes of this daemon find at once.
func (l *lanes) submissions() server.Submissions {
	return &submissions{l.queue, l.c.Env, l.c.History, l.store, l.registration.member, &l.vault, l.look}
}

// Plan decides a submission; see [server.Submissions].
func (q *submissions) Plan(ctx context.Context, s *server.Submission) (*runner.Decision, error) {
	if err := checkRemoteItems(&s.Request); err != nil {
		return nil, err
	}
	how := &runner.Lookup{ForJob: true, Scopes: s.Principal.Scopes, Exactly: s.Exactly}
	if !s.Maintained {
		var err error
		if how.Resting, err = runner.Resting(ctx, q.store, time.Now()); err != nil {
			return nil, err
		}
	}
	l := &runner.Launch{Env: q.env, History: q.history, Lookup: how, View: runner.Unattended{}, Warn: func(string) {}}
	d, err := l.DecideSubmission(ctx, &s.Request, &s.With)
	if err != nil {
		return nil, err
	}
	d.Plan.Source, d.RerunOf = "api", s.RerunOf
	return d, nil
}

// checkRemoteItems refuses files of this machine in the items that choose hosts.
func checkRemoteItems(q *store.QueuedRequest) error {
	var r runner.Request
	r.Hosts.Only, r.Hosts.Exclude = q.Keys["only"], q.Keys["exclude"]
	selector, err := r.Selector(q.Selector, false)
	if err != nil {
		return err
	}
	if len(selector.Files()) > 0 {
		return &server.LocalError{Key: "selector", What: "files of the daemon's machine"}
	}
	return nil
}

// Submit puts a submission into the queue; see [server.Submissions].
func (q *submissions) Submit(ctx context.Context, s *server.Submission, d *runner.Decision) (store.Submitted, error) {
	p, now := &s.Principal, s.By.At
	x := store.Submission{
		Plan: d.Plan,
		Info: store.RunInfo{
			Inventory: d.Inventory, Note: first(s.Request.Keys["note"]), User: strings.TrimPrefix(p.Name, "unix:"),
			RerunOf: s.RerunOf, Given: d.Given, Principal: p.Name, Via: string(p.Via), ByHand: p.Via == access.ViaUnix,
		},
		Request: s.Request, Priority: s.Priority, Key: s.Key, Body: s.Body, Most: server.MaxQueued, Now: now, Callback: s.Receiver,
	}
	ctx = store.Audited(ctx, access.Entry{By: s.By, Action: "run.start", After: access.Details{
		"selector": d.Plan.Selector, "hosts": len(d.Plan.Targets), "command": d.Plan.Task.Label(),
	}.JSON()})
	defer q.submitted()
	if s.With.IsZero() {
		return q.Queue.Submit(ctx, x)
	}
	x.Secrets = q.owner()
	var done store.Submitted
	err := q.vault.keep(s.With, func() (run int64, err error) {
		done, err = q.Queue.Submit(ctx, x)
		return done.Run, err
	})
	return done, err
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// Running are the runs that are running.
func (q *submissions) Running(ctx context.Context) ([]store.Run, error) {
	return q.store.Runs(ctx, store.Query{States: []store.State{store.Running}})
}

// Stop requests a stop of a run.
func (q *submissions) Stop(ctx context.Context, x scheduler.Stop) error {
	return q.store.StopRun(ctx, x)
}

// Hosts are those of a run with one of the outcomes.
func (q *submissions) Hosts(ctx context.Context, run int64, outcomes []fanout.Outcome) ([]string, error) {
	return q.store.HostsOf(ctx, strconv.FormatInt(run, 10), "", outcomes)
}

// Script is the text of the script of a run.
func (q *submissions) Script(ctx context.Context, run int64) ([]byte, error) {
	return q.Queue.Script(ctx, run)
}

// Delete deletes a run that has ended.
func (q *submissions) Delete(ctx context.Context, run int64) error { return q.store.Delete(ctx, run) }

// Prune deletes the runs that are not kept.
func (q *submissions) Prune(ctx context.Context, keep store.Retention) (store.Pruned, error) {
	if keep == (store.Retention{}) {
		keep = q.history.Retention
	}
	return q.store.Prune(ctx, keep)
}

// Wake is that of the history.
func (q *submissions) Wake() (wake <-chan struct{}, end func()) { return q.store.Wake() }
