package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/scheduler"
)

// jobsNamed are jobs of these names.
func jobsNamed(names ...string) []scheduler.Job {
	var all []scheduler.Job
	for _, name := range names {
		job := testJob(nil)
		job.Name = name
		all = append(all, job)
	}
	return all
}

func keptNamed(names ...string) []scheduler.StoredJob {
	var all []scheduler.StoredJob
	for _, job := range jobsNamed(names...) {
		job.Version = 3
		all = append(all, scheduler.StoredJob{Job: job})
	}
	return all
}

func TestPlan(t *testing.T) {
	file := jobsNamed("same", "other", "rewritten", "new")
	file[1].Command = "w"
	stored := keptNamed("gone", "other", "rewritten", "same")
	stored[2].Broken = errors.New("no schedule")
	p, err := planJobs(file, stored, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Added) != 1 || p.Added[0].Name != "new" || p.Same != 1 || !slices.Equal(p.Left, []string{"gone"}) || p.Removed != nil || p.All != 4 {
		t.Errorf("got %+v", p)
	}
	if len(p.Changed) != 2 || p.Changed[0].Job.Version != 3 || p.Changed[0].Rewritten || !slices.Equal(p.Changed[0].Differences, []string{`command: "uptime" → "w"`}) ||
		!p.Changed[1].Rewritten {
		t.Errorf("got %+v", p.Changed)
	}
	if got := len(p.Written()); got != 3 {
		t.Errorf("got %d to be written, want 3", got)
	}
	if p, err = planJobs(file, stored, true); err != nil || len(p.Removed) != 1 || p.Removed[0].Name != "gone" || p.Left != nil {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestRemovesMost(t *testing.T) {
	for _, tt := range []struct {
		removed, all int
		want         bool
	}{
		{0, 0, false},
		{0, 20, false},
		{1, 1, true},
		{1, 2, false},
		{8, 9, false},
		{9, 9, true},
		{5, 10, false},
		{6, 10, true},
	} {
		p := &Plan{Removed: make([]scheduler.StoredJob, tt.removed), All: tt.all}
		if got := p.RemovesMost(); got != tt.want {
			t.Errorf("%d of %d: got %v", tt.removed, tt.all, got)
		}
	}
}

func TestApply(t *testing.T) {
	r := newRig(t)
	r.add(t, "a")
	r.add(t, "b")
	r.add(t, "c")
	plan := func(prune bool, names ...string) *Plan {
		t.Helper()
		file := jobsNamed(names...)
		for i := range file {
			file[i].Command = "w"
		}
		p, err := r.Plan(t.Context(), "jobs.yaml", file, prune)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	apply := func(p *Plan) (steps []string, errs []error) {
		for step, err := range r.Apply(t.Context(), p, "ann") {
			switch {
			case err != nil:
				errs = append(errs, err)
			case step.Added != nil:
				steps = append(steps, "added "+step.Added.Name)
			case step.Changed != nil:
				steps = append(steps, "changed "+step.Changed.Job.Name)
			case step.Removed != nil:
				steps = append(steps, "removed "+step.Removed.Name)
			}
		}
		return steps, errs
	}
	late := plan(true, "a", "d")
	if _, err := r.Edit(t.Context(), "a", "bob", func(j *scheduler.Job) error { j.Command = "who"; return nil }); err != nil {
		t.Fatal(err)
	}
	steps, errs := apply(late)
	if want := []string{"added d", "removed b", "removed c"}; !slices.Equal(steps, want) || len(errs) != 1 {
		t.Errorf("got %q and %v, want %q and an error of what another user has changed", steps, errs, want)
	}
	if steps, errs = apply(plan(false, "a", "d")); !slices.Equal(steps, []string{"changed a"}) || errs != nil {
		t.Errorf("got %q, %v", steps, errs)
	}

	most := plan(true, "e")
	var unconfirmed *UnconfirmedError
	if steps, errs = apply(most); steps != nil || len(errs) != 1 || !errors.As(errs[0], &unconfirmed) || *unconfirmed != (UnconfirmedError{2, 2}) {
		t.Errorf("got %q, %v, want to be asked", steps, errs)
	}
	most.Confirmed = true
	if steps, errs = apply(most); fmt.Sprint(steps) != "[added e removed a removed d]" || errs != nil {
		t.Errorf("got %q, %v", steps, errs)
	}
}

func TestPlanRefusesTimesThatHavePassed(t *testing.T) {
	r := newRig(t)
	file := jobsNamed("a", "b")
	for i := range file {
		file[i].Schedules = []string{"@at 2027-01-31T18:00:00Z"}
	}
	_, err := r.Plan(t.Context(), "jobs.yaml", file, false)
	for _, want := range []string{"jobs.yaml: job a: ", "jobs.yaml: job b: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The problems of many jobs are the first ten of them, and how many more there are.
func TestPlanBoundsItsErrors(t *testing.T) {
	r := newRig(t)
	file := make([]scheduler.Job, 30)
	for i := range file {
		file[i] = testJob(nil)
		file[i].Name, file[i].Schedules = fmt.Sprintf("j%d", i), []string{"@at 2027-01-31T18:00:00Z"}
	}
	_, err := r.Plan(t.Context(), "jobs.yaml", file, false)
	if err == nil {
		t.Fatal("got no error")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 11 || lines[10] != "and 20 more" {
		t.Errorf("got %q, want ten problems and how many more", lines)
	}
}

// No step is made once the context has ended, and the caller gets the error.
func TestApplyEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	p, err := r.Plan(t.Context(), "jobs.yaml", jobsNamed("a", "b", "c"), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	for _, err := range r.Apply(ctx, p, "ann") {
		errs = append(errs, err)
		cancel()
	}
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("got %v, want a step and the end of the context", errs)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v, want one job", all, err)
	}
}

// However many jobs of a file are checked against the caller's scopes, the inventory is
// read once.
func TestScopesReadTheInventoryOnce(t *testing.T) {
	r := newRig(t)
	reads := filepath.Join(t.TempDir(), "reads")
	program := filepath.Join(t.TempDir(), "hosts")
	text := "#!/bin/sh\n[ \"$1\" = --list ] && echo x >>" + reads + "\necho '{\"web\": {\"hosts\": [\"web1\", \"web2\"]}, \"_meta\": {\"hostvars\": {}}}'\n"
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil { //nolint:gosec // an inventory that is a program
		t.Fatal(err)
	}
	file := jobsNamed("a", "b", "c")
	for i := range file {
		file[i].Inventory = []string{program}
	}
	r.Scopes = []string{"web"}
	if _, err := r.Plan(t.Context(), "jobs.yaml", file, false); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(reads); err != nil || string(data) != "x\n" {
		t.Errorf("got %q, %v, want one reading", data, err)
	}
}

func TestRead(t *testing.T) {
	r := newRig(t)
	read, err := r.Read(t.Context(), "jobs.yaml", []byte("jobs:\n  a: {schedule: '@daily', selector: web, script: a.sh}\n"), "/srv")
	if err != nil || len(read) != 1 || read[0].Script != "/srv/a.sh" || read[0].Zone != "Europe/Berlin" {
		t.Errorf("got %+v, %v", read, err)
	}
	for text, want := range map[string]string{
		"{}": "jobs",
		"jobs:\n  a: {schedule: '@daily', selector: web, command: w, sudo_pass_command: pass}\n": "needs --sudo; add --sudo",
	} {
		if _, err := r.Read(t.Context(), "jobs.yaml", []byte(text), "/srv"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestExport(t *testing.T) {
	r := newRig(t)
	r.add(t, "a")
	r.add(t, "b")
	whole, broken, err := r.Export(t.Context(), []string{"b"})
	if err != nil || len(whole) != 1 || whole[0].Name != "b" || broken != nil {
		t.Errorf("got %+v, %+v, %v", whole, broken, err)
	}
}
