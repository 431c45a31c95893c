package jobs

import (
	"errors"
	"slices"
	"testing"

	"tutti/access"
	"tutti/scheduler"
)

// Hosts outside the caller's scopes are refused when a job is added or changed, and the
// scopes bound the job from then on.
func TestServiceWithinScopes(t *testing.T) {
	r := newRig(t)
	job := func(name, selector string) scheduler.Job {
		j := testJob(nil)
		j.Name, j.Selector = name, selector
		return j
	}
	outside := func(what string, err error) {
		t.Helper()
		if !errors.As(err, new(*access.ScopeError)) {
			t.Errorf("%s: got %v, want an *access.ScopeError", what, err)
		}
	}
	scoped := func(name string, want ...string) {
		t.Helper()
		stored, err := r.Store.Job(t.Context(), name)
		if err != nil || !slices.Equal(stored.Scopes, want) {
			t.Errorf("%s: got the scopes %q, %v, want %q", name, stored.Scopes, err, want)
		}
	}
	r.add(t, "wide")
	scoped("wide")

	r.Scopes = []string{"web"}
	_, err := r.Prepare(t.Context(), job("other", "db"))
	outside("add", err)
	p, err := r.Prepare(t.Context(), job("mine", "web1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Add(t.Context(), p, "eve"); err != nil {
		t.Fatal(err)
	}
	scoped("mine", "web")
	_, err = r.Edit(t.Context(), "mine", "eve", func(j *scheduler.Job) error { j.Selector = "all"; return nil })
	outside("change of the hosts", err)
	db, err := r.Prepare(t.Context(), job("x", "web"))
	if err != nil {
		t.Fatal(err)
	}
	db.Job.Name, db.Job.Selector, db.Job.Scopes = "dbs", "db", nil
	if _, err := r.Store.AddJob(t.Context(), db.Job, "ann", r.now); err != nil {
		t.Fatal(err)
	}
	_, err = r.Edit(t.Context(), "dbs", "eve", func(j *scheduler.Job) error { j.Command = "reboot"; return nil })
	outside("change of the command", err)

	// Nor does a job come into the scope by a change.
	_, err = r.Edit(t.Context(), "dbs", "eve", func(j *scheduler.Job) error { j.Selector = "web1"; return nil })
	outside("change into the scope", err)
	_, err = r.Plan(t.Context(), "jobs.yaml", []scheduler.Job{job("dbs", "web1")}, false)
	outside("a file that changes into the scope", err)

	// A file is refused as a whole, also for a job that it removes.
	_, err = r.Plan(t.Context(), "jobs.yaml", []scheduler.Job{job("mine", "web2"), job("new", "db1")}, false)
	outside("a file", err)
	_, err = r.Plan(t.Context(), "jobs.yaml", []scheduler.Job{job("mine", "web2")}, true)
	outside("a file that removes", err)
	plan, err := r.Plan(t.Context(), "jobs.yaml", []scheduler.Job{job("mine", "web2"), job("new", "web1")}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Apply(t.Context(), plan, "eve") {
		if err != nil {
			t.Error(err)
		}
	}
	scoped("mine", "web")
	scoped("new", "web")

	// The next user who changes the job brings other scopes; pausing does not change
	// them.
	r.Scopes = nil
	if _, _, err := r.Pause(t.Context(), "mine", scheduler.Pause{By: "ann"}); err != nil {
		t.Error(err)
	}
	scoped("mine", "web")
	if _, err := r.Edit(t.Context(), "mine", "ann", func(j *scheduler.Job) error { j.Selector = "all"; return nil }); err != nil {
		t.Error(err)
	}
	scoped("mine")
}
