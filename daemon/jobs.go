package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"tutti/access"
	"tutti/internal/fault"
	"tutti/internal/outgoing"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server"
	"tutti/store"
)

// jobChanges are what clients over HTTP do to jobs: no more than their scope covers,
// and nothing that acts on this machine unless they may do that.
type jobChanges struct {
	service *jobs.Service
	// callbacks says what webhooks may reach of those who may not act on this machine.
	callbacks outgoing.Policy
}

// NewJobChanges are those of a service over jobs.
func NewJobChanges(s *jobs.Service, callbacks outgoing.Policy) server.JobChanges {
	return jobChanges{s, callbacks}
}

// of is the service for who asks: what it writes is bounded by its scopes, and webhooks
// that it sets by what may be reached, unless it may act on this machine.
func (c jobChanges) of(p *access.Principal) *jobs.Service {
	s := *c.service
	s.Scopes = p.Scopes
	if p.Check(access.Controller) != nil {
		s.WebhookBy, s.CheckWebhook = p.Subject(), c.callbacks.CheckURL
	}
	return &s
}

// Prepare says what would become of a job that is added, and adds nothing.
func (c jobChanges) Prepare(ctx context.Context, p *access.Principal, job scheduler.Job) (*jobs.Prepared, error) {
	if err := checkLocal(p, &job); err != nil {
		return nil, err
	}
	return c.of(p).Prepare(ctx, job)
}

// Add adds a job.
func (c jobChanges) Add(ctx context.Context, p *access.Principal, job scheduler.Job) (scheduler.StoredJob, error) {
	prepared, err := c.Prepare(ctx, p, job)
	if err != nil {
		return scheduler.StoredJob{}, err
	}
	return c.of(p).Add(ctx, prepared, p.Name)
}

// Edit makes of the job of that name and version what change makes of it.
func (c jobChanges) Edit(ctx context.Context, p *access.Principal, name string, version int64, change func(*scheduler.Job) error) (scheduler.StoredJob, error) {
	edited, err := c.of(p).Edit(ctx, name, p.Name, func(job *scheduler.Job) error {
		if err := checkLocal(p, job); err != nil {
			return err
		}
		old := *job
		if old.Version != version {
			job.Version = version
			return nil // the store says who has changed it
		}
		if err := change(job); err != nil {
			return err
		}
		if job.Zone == "" {
			job.Zone = old.Zone
		}
		job.Name, job.Version = name, version
		return checkLocal(p, job)
	})
	if err != nil {
		return scheduler.StoredJob{}, err
	}
	return edited.Job, nil
}

// Remove removes the job of that name and version.
func (c jobChanges) Remove(ctx context.Context, p *access.Principal, name string, version int64) error {
	if err := c.check(ctx, p, name, true); err != nil {
		return err
	}
	return c.service.Remove(ctx, name, version, p.Name)
}

// Pause pauses a job.
func (c jobChanges) Pause(ctx context.Context, p *access.Principal, name string, how scheduler.Pause) error {
	if err := c.check(ctx, p, name, false); err != nil {
		return err
	}
	how.By = p.Name
	_, _, err := c.service.Pause(ctx, name, how)
	return err
}

// Resume resumes a job.
func (c jobChanges) Resume(ctx context.Context, p *access.Principal, name string) error {
	if err := c.check(ctx, p, name, false); err != nil {
		return err
	}
	_, _, err := c.service.Resume(ctx, name, p.Name)
	return err
}

// RunNow asks for a run of a job.
func (c jobChanges) RunNow(ctx context.Context, p *access.Principal, name string) (scheduler.Assignment, error) {
	if err := c.check(ctx, p, name, false); err != nil {
		return scheduler.Assignment{}, err
	}
	t, _, err := c.service.RunNow(ctx, name, p.Name)
	return t, err
}

// Kill stops, or halts, the runs of a job. Of a principal with a scope, known are the runs
// whose hosts are in it. A firing that has not started would run on the hosts that the job
// has now: it is left alone if one of them is outside.
func (c jobChanges) Kill(ctx context.Context, p *access.Principal, name string, halt bool, known []int64) ([]int64, error) {
	ref := store.KillRef{Job: name, Halt: halt}
	err := c.check(ctx, p, name, false)
	if len(p.Scopes) > 0 {
		ref.Known = append([]int64{}, known...)
		if len(known) > 0 && errors.As(err, new(*access.ScopeError)) {
			ref.StartedOnly, err = true, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return c.service.Store.KillRuns(ctx, ref, p.Name, c.service.Now())
}

// check refuses what is not who asks' to do with a job: one that has hosts outside its
// scope, and, to edit it, one that acts on this machine.
func (c jobChanges) check(ctx context.Context, p *access.Principal, name string, edits bool) error {
	stored, err := c.service.Store.Job(ctx, name)
	if err != nil {
		return err
	}
	if edits {
		if err := checkLocal(p, &stored.Job); err != nil {
			return err
		}
	}
	if len(p.Scopes) == 0 {
		return nil
	}
	if err := jobs.Readable(&stored); err != nil {
		return err
	}
	return c.of(p).Within(ctx, &stored.Job)
}

// checkLocal is a *server.LocalError if a job acts on this machine, and an
// *access.DeniedError if it logs in to hosts, or uses sudo there, as who asks may not:
// a job must not be the way to what a run of theirs is refused. Who may act on this
// machine may make any.
func checkLocal(p *access.Principal, job *scheduler.Job) error {
	if p.Check(access.Controller) == nil {
		return nil
	}
	if keys := localKeys(job); len(keys) > 0 {
		what := "what acts on it"
		if len(keys) > 1 {
			what += ", as do " + strings.Join(keys[1:], ", ")
		}
		return fault.Usage(&server.LocalError{Key: keys[0], What: what})
	}
	return checkRights(p, job.Options)
}

// localKeys are the keys of a job that act on this machine.
func localKeys(job *scheduler.Job) []string {
	var found []string
	for _, option := range slices.Sorted(maps.Keys(job.Options)) {
		k, known := runner.KeyNamed(strings.ReplaceAll(option, "_", "-"))
		if known && slices.ContainsFunc(job.Options[option], k.Local) {
			found = append(found, option)
		}
	}
	for key, set := range map[string]bool{
		"script": job.Script != "", "inventory": len(job.Inventory) > 0, "notify/command": job.Notify.Command != "",
		"notify/secret_file": job.Notify.SecretFile != "", "selector": errors.As(checkRemoteSelector(job.Selector), new(*server.LocalError)),
	} {
		if set {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	return found
}
