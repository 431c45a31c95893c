package jobs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/sqlite"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// A rig is a service over its own history, with an inventory of web1, web2 and db1.
type rig struct {
	*Service
	store store.Store
	now   time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	hosts := filepath.Join(dir, "hosts.yaml")
	if err := os.WriteFile(hosts, []byte("groups:\n  web: {hosts: [web1, web2]}\n  db: {hosts: [db1]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "history.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := &rig{store: s, now: noon}
	r.Service = &Service{Store: s, Checker: Checker{
		Now: func() time.Time { return r.now },
		Env: &runner.Env{
			Getenv: func(key string) string {
				return map[string]string{"TUTTI_INVENTORY": hosts, "TZ": "Europe/Berlin"}[key]
			},
			LookupEnv: func(string) (string, bool) { return "", false },
			Wording:   fault.Wording{Key: func(k fault.Key) string { return "--" + string(k) }},
			WorkDir:   dir, Home: dir, User: "ann",
		},
	}}
	return r
}

// add adds the job of that name.
func (r *rig) add(t *testing.T, name string) scheduler.StoredJob {
	t.Helper()
	job := testJob(nil)
	job.Name = name
	p, err := r.Prepare(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.Add(t.Context(), p, "ann")
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestPrepare(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name   string
		change func(*scheduler.Job)
		want   string // in the error; empty: none
	}{
		{"as it is", func(*scheduler.Job) {}, ""},
		{"a selector of an earlier run", func(j *scheduler.Job) { j.Selector = "run:last" }, "jobs cannot use run:"},
		{"a time that has passed", func(j *scheduler.Job) { j.Schedules = []string{"@at 2027-01-31T18:00:00Z"} }, "2027-01-31"},
		{"an option that is none", func(j *scheduler.Job) { j.Options["history"] = []string{"/h.db"} }, "unknown job option"},
		{"options that do not fit", func(j *scheduler.Job) { j.Options["limit"], j.Options["pick"] = []string{"1"}, []string{"1"} }, "cannot be combined"},
		{"an unknown host", func(j *scheduler.Job) { j.Selector = "app1" }, ""},
		{"an unknown host that is left out", func(j *scheduler.Job) { j.Selector = "web,!app1" }, "app1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := testJob(nil)
			job.Zone = ""
			tt.change(&job)
			p, err := r.Prepare(t.Context(), job)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || p.Job.Zone != "Europe/Berlin" {
				t.Errorf("got zone %q, %v", p.Job.Zone, err)
			}
			if known := p.Trial.Hosts != nil; known != (job.Selector == "web") || known != (p.Trial.Err == nil) {
				t.Errorf("got hosts %v, %v", p.Trial.Hosts, p.Trial.Err)
			}
		})
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("got %d jobs, %v: preparing adds none", len(all), err)
	}
}

func TestEdit(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	edit := func(change func(*scheduler.Job)) (*Edited, error) {
		return r.Edit(t.Context(), "sweep", "bob", func(j *scheduler.Job) error { change(j); return nil })
	}
	e, err := edit(func(j *scheduler.Job) { j.Command = "uptime -p" })
	if err != nil || e.Job.Version != 2 || e.Retimed() || e.Trial != nil || !slices.Equal(e.Differences, []string{`command: "uptime" → "uptime -p"`}) {
		t.Errorf("got %+v, %v", e, err)
	}
	e, err = edit(func(j *scheduler.Job) { j.Selector, j.Schedules = "db", []string{"@daily"} })
	if err != nil || e.Job.Version != 3 || !e.Retimed() || e.Trial == nil || len(e.Trial.Hosts.Hosts) != 1 || e.Job.UpdatedBy != "bob" {
		t.Errorf("got %+v, %v", e, err)
	}
	if _, err = edit(func(j *scheduler.Job) { j.Version, j.Command = 1, "w" }); !errors.As(err, new(*store.JobChangedError)) {
		t.Errorf("got %v, want a job that has changed", err)
	}
	if _, err = edit(func(j *scheduler.Job) { j.Schedules = []string{"@at 2027-01-31T18:00:00Z"} }); err == nil {
		t.Error("a job that never fires again was taken")
	}
	if _, err = r.Edit(t.Context(), "swoop", "bob", nil); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v, want no such job", err)
	}
}

func TestSetPaused(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	for _, step := range []struct{ paused, changed bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		set := func() (scheduler.StoredJob, bool, error) { return r.Resume(t.Context(), "sweep", "ann") }
		if step.paused {
			set = func() (scheduler.StoredJob, bool, error) {
				return r.Pause(t.Context(), "sweep", scheduler.Pause{By: "ann"})
			}
		}
		stored, changed, err := set()
		if err != nil || changed != step.changed || stored.Paused != step.paused {
			t.Errorf("%+v: got paused %v, changed %v, %v", step, stored.Paused, changed, err)
		}
	}
}

// Who paused a job, until when and why is kept whatever else is changed, until it is
// resumed; another pause needs its own.
func TestPauses(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	until := noon.Add(2 * time.Hour)
	for _, p := range []scheduler.Pause{{Until: noon}, {Until: noon.Add(-time.Hour)}, {Note: strings.Repeat("x", 1001)}, {Note: "\x1b[2J"}, {Note: "\u202eabc"}} {
		if _, _, err := r.Pause(t.Context(), "sweep", p); !errors.As(err, new(*scheduler.KeyError)) {
			t.Errorf("%+v: got %v, want a *KeyError", p, err)
		}
	}
	pause := func(p scheduler.Pause, want bool) {
		t.Helper()
		if stored, changed, err := r.Pause(t.Context(), "sweep", p); err != nil || changed != want || !stored.Paused {
			t.Errorf("%+v: got changed %t, %v", p, changed, err)
		}
	}
	check := func(want scheduler.Pause) {
		t.Helper()
		if stored, err := r.store.Job(t.Context(), "sweep"); err != nil || stored.Pause != want {
			t.Errorf("got %+v, %v, want %+v", stored.Pause, err, want)
		}
	}
	pause(scheduler.Pause{By: "ann", Until: until, Note: "disk"}, true)
	pause(scheduler.Pause{By: "bob", Until: until, Note: "disk"}, false)
	check(scheduler.Pause{By: "ann", At: noon, Until: until, Note: "disk"})
	r.now = noon.Add(time.Minute)
	if _, err := r.Edit(t.Context(), "sweep", "eve", func(j *scheduler.Job) error { j.Command = "ls"; return nil }); err != nil {
		t.Fatal(err)
	}
	check(scheduler.Pause{By: "ann", At: noon, Until: until, Note: "disk"})
	pause(scheduler.Pause{By: "bob"}, true)
	check(scheduler.Pause{By: "bob", At: r.now})
	changes, err := r.Changes(t.Context(), "sweep")
	if err != nil || len(changes) != 4 || changes[0].What != store.JobChanged || changes[2].What != store.JobPaused {
		t.Errorf("got %+v, %v", changes, err)
	}
	if _, _, err := r.Resume(t.Context(), "sweep", "ann"); err != nil {
		t.Fatal(err)
	}
	check(scheduler.Pause{})
	if _, err := r.Edit(t.Context(), "sweep", "eve", func(j *scheduler.Job) error { j.Paused = true; return nil }); err != nil {
		t.Fatal(err)
	}
	check(scheduler.Pause{By: "eve", At: r.now})
	if _, _, err := r.Pause(t.Context(), "swoop", scheduler.Pause{}); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v, want no such job", err)
	}
	paused := testJob(nil)
	paused.Name, paused.Paused = "born", true
	if stored, err := r.store.AddJob(t.Context(), paused, "eve", r.now); err != nil || stored.Pause != (scheduler.Pause{By: "eve", At: r.now}) {
		t.Errorf("got %+v, %v", stored.Pause, err)
	}
}

// racing is a store in which another user changes each job before the first change of
// it is written.
type racing struct {
	store.Store
	raced bool
}

func (r *racing) ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.StoredJob, error) {
	if !r.raced {
		r.raced = true
		other := job
		other.Paused = true
		other.Command = "whoami"
		if _, err := r.Store.ChangeJob(ctx, other, "eve", now); err != nil {
			return scheduler.StoredJob{}, err
		}
	}
	return r.Store.ChangeJob(ctx, job, by, now)
}

func (r *racing) PauseJob(ctx context.Context, name string, p scheduler.Pause, now time.Time) (scheduler.StoredJob, bool, error) {
	kept, err := r.Store.Job(ctx, name)
	if err != nil {
		return kept, false, err
	}
	kept.Command = "whoami"
	if _, err := r.Store.ChangeJob(ctx, kept.Job, "eve", now); err != nil {
		return kept, false, err
	}
	return r.Store.PauseJob(ctx, name, p, now)
}

func TestPauseKeepsWhatSomebodyElseChanges(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	r.Store = &racing{Store: r.store}
	stored, changed, err := r.Pause(t.Context(), "sweep", scheduler.Pause{By: "ann"})
	if err != nil || !changed || !stored.Paused || stored.Command != "whoami" {
		t.Errorf("got %+v, changed %v, %v", stored.Job, changed, err)
	}
}

func TestResumeKeepsWhatSomebodyElseChanges(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	if _, _, err := r.Pause(t.Context(), "sweep", scheduler.Pause{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	r.Store = &racing{Store: r.store}
	stored, changed, err := r.Resume(t.Context(), "sweep", "ann")
	if err != nil || !changed || stored.Paused || stored.Command != "whoami" {
		t.Errorf("got %+v, changed %v, %v", stored.Job, changed, err)
	}
}

func TestNamed(t *testing.T) {
	r := newRig(t)
	r.add(t, "a")
	r.add(t, "b")
	names := func(stored []scheduler.StoredJob) (out []string) {
		for _, k := range stored {
			out = append(out, k.Name)
		}
		return out
	}
	if stored, err := r.Named(t.Context(), []string{"b", "a", "b"}); err != nil || !slices.Equal(names(stored), []string{"b", "a"}) {
		t.Errorf("got %q, %v", names(stored), err)
	}
	if stored, err := r.Named(t.Context(), nil); err != nil || !slices.Equal(names(stored), []string{"a", "b"}) {
		t.Errorf("got %q, %v", names(stored), err)
	}
	if _, err := r.Named(t.Context(), []string{"a", "x"}); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v, want one that is missing", err)
	}
	missing, ok := errors.AsType[*MissingError](func() error { _, err := r.Named(t.Context(), []string{"x", "a", "y"}); return err }())
	if !ok || len(missing.Missing) != 2 || missing.Error() != "no job \"x\"\nno job \"y\"" {
		t.Errorf("got %v, want two that are missing", missing)
	}
}

func TestRunNow(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	assignment, served, err := r.RunNow(t.Context(), "sweep", "ann")
	if err != nil || served || assignment.Decision != scheduler.Run || assignment.RequestedBy != "ann" {
		t.Errorf("got %+v, served %v, %v", assignment, served, err)
	}
	daemon, err := r.store.JoinDaemons(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close() //nolint:errcheck // the test is over
	if assignment, served, err = r.RunNow(t.Context(), "sweep", "ann"); err != nil || !served || assignment.Decision != scheduler.Skipped || assignment.Reason == "" {
		t.Errorf("got %+v, served %v, %v", assignment, served, err)
	}
	rows, err := r.Log(t.Context(), store.FiringQuery{Job: "sweep"})
	if err != nil || len(rows) != 2 {
		t.Errorf("got %d firings, %v", len(rows), err)
	}
	if _, err := r.Log(t.Context(), store.FiringQuery{Job: "swoop"}); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v, want no such job", err)
	}
}

// begin starts a run of a requested firing.
func (r *rig) begin(t *testing.T, job string) *store.Recorder {
	t.Helper()
	daemon, err := r.store.JoinDaemons(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Close() })
	assignment, err := daemon.Request(t.Context(), job, "ann", noon)
	if err != nil {
		t.Fatal(err)
	}
	plan := fanout.Plan{Source: "job", Task: fanout.Task{Action: fanout.Command("uptime")}, Targets: []fanout.Target{{Name: "web1"}}}
	info := store.RunInfo{Job: job, JobID: assignment.Job.ID, Firing: assignment.ID, Owner: daemon, DueAt: noon}
	recorder, err := r.store.Begin(t.Context(), plan, info)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recorder.Close() })
	return recorder
}

func TestKill(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"idle", "sweep"} {
		r.add(t, name)
	}
	run := r.begin(t, "sweep").RunID()
	own, err := r.store.Begin(t.Context(), fanout.Plan{Source: "cli", Task: fanout.Task{Action: fanout.Command("uptime")}}, store.RunInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close() //nolint:errcheck // the test is over
	for _, tt := range []struct {
		ref  string
		want []int64
		err  any
	}{
		{"sweep", []int64{run}, nil},
		{strconv.FormatInt(run, 10), []int64{run}, nil},
		{"idle", nil, nil},
		{"swoop", nil, new(*store.NoJobError)},
		{"99", nil, new(*store.NoRunError)},
		{strconv.FormatInt(own.RunID(), 10), nil, new(*store.KillError)},
	} {
		got, err := r.Kill(t.Context(), tt.ref, false, "bob")
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == nil) || err != nil && !errors.As(err, tt.err) {
			t.Errorf("%s: got %v, %v, want %v, %T", tt.ref, got, err, tt.want, tt.err)
		}
	}
	stops, err := r.store.Stops(t.Context(), []int64{run, own.RunID()})
	if err != nil || len(stops) != 1 || stops[0].Run != run || stops[0].By != "bob" {
		t.Errorf("got %+v, %v, want bob's request to stop run %d alone", stops, err, run)
	}
}

func TestUnserved(t *testing.T) {
	r := newRig(t)
	paused, active := testJob(nil), testJob(nil)
	paused.Paused = true
	for _, tt := range []struct {
		jobs []*scheduler.Job
		want bool
	}{{nil, false}, {[]*scheduler.Job{&paused}, false}, {[]*scheduler.Job{&paused, &active}, true}} {
		if got, err := r.Unserved(t.Context(), tt.jobs...); err != nil || got != tt.want {
			t.Errorf("%d jobs: got %v, %v", len(tt.jobs), got, err)
		}
	}
}

// unannounced is a store with jobs that have to be announced.
type unannounced struct {
	store.Store
	ids []int64
}

func (u *unannounced) Unannounced(context.Context, store.Place) ([]int64, error) { return u.ids, nil }

func (u *unannounced) Announced(context.Context, store.Place) error {
	u.ids = nil
	return nil
}

func TestTellFewerDays(t *testing.T) {
	r := newRig(t)
	var ids []int64
	for name, schedule := range map[string]string{"both": "0 2 */2 * 1", "either": "0 2 1 * 1", "other": "0 2 */3 * 2"} {
		job := testJob(nil)
		job.Name, job.Schedules = name, []string{schedule}
		stored, err := r.store.AddJob(t.Context(), job, "ann", noon)
		if err != nil {
			t.Fatal(err)
		}
		if name != "other" {
			ids = append(ids, stored.ID)
		}
	}
	r.Store = &unannounced{r.store, ids}
	var got [][]string
	for range 2 {
		if err := r.AnnounceFewerDays(t.Context(), store.InLog, func(names []string) { got = append(got, names) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || !slices.Equal(got[0], []string{"both"}) {
		t.Errorf("got %q, want the job whose days both have to match, once", got)
	}
}
