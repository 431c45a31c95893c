package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/api"
	"tutti/api/event"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func testJob(name, command string) scheduler.Job {
	job := scheduler.NewJob(name, "UTC")
	job.Schedules, job.Selector, job.Command = []string{"@daily"}, "web", command
	return job
}

// A shelf is a server with jobs. changed is called before a file is applied.
type shelf struct {
	jobs    map[string]scheduler.Job
	answer  string // to the file; empty: it is applied
	changed func()
	asked   []string
}

func (s *shelf) client(tb testing.TB) *Jobs {
	c := newClient(tb, s.serve)
	checker := jobs.Checker{Env: &runner.Env{Getenv: func(string) string { return "" }}, Now: func() time.Time { return noon }}
	return c.Jobs(checker)
}

func (s *shelf) form(name string) api.JobDetails {
	job := s.jobs[name]
	spec, _ := json.Marshal(job)
	return api.JobDetails{Job: api.Job{Job: name, Version: job.Version, State: "ok", UpdatedBy: "bob", UpdatedAt: event.Time(noon), Spec: spec}}
}

func answer(status int, form any, header ...string) (*http.Response, error) {
	data, err := json.Marshal(form)
	return reply(status, "application/json", string(data), header...), err
}

func (s *shelf) serve(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.Path, base)
	s.asked = append(s.asked, r.Method+" "+path+r.Header.Get("If-Match"))
	name := strings.TrimPrefix(path, "/jobs/")
	switch {
	case path == "/jobs" && r.Method == http.MethodGet:
		var items []api.Job
		for _, name := range []string{"a", "b", "c"} {
			if _, there := s.jobs[name]; there {
				items = append(items, s.form(name).Job)
			}
		}
		return answer(200, api.NewList(items, ""))
	case path == "/apply" && r.URL.Query().Get("dry_run") == "true":
		return s.plan(r)
	case path == "/apply":
		if s.changed != nil {
			s.changed()
		}
		if s.answer != "" {
			return problem(409, s.answer, ""), nil
		}
		return s.plan(r)
	case s.jobs[name].Name == "":
		return problem(404, "no-job", ""), nil
	case r.Method == http.MethodPut && r.Header.Get("If-Match") != fmt.Sprintf("%q", number(s.jobs[name].Version)):
		return problem(412, "changed", ""), nil
	}
	return answer(200, s.form(name))
}

// plan is that of a file that adds c, changes a, and removes b.
func (s *shelf) plan(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(string(data), "jobs:\n") {
		return problem(422, "invalid", ""), err
	}
	return answer(200, api.JobsPlan{Added: []string{"c"}, Changed: []api.PlannedChange{{Job: "a"}}, Removed: []string{"b"}}, "Etag", `"tag"`)
}

func newShelf() *shelf {
	s := &shelf{jobs: map[string]scheduler.Job{"a": testJob("a", "w"), "b": testJob("b", "w")}}
	for name, job := range s.jobs {
		job.Version = 3
		s.jobs[name] = job
	}
	return s
}

// set makes a job another one, of the next version.
func (s *shelf) set(name, command string) {
	job := testJob(name, command)
	job.Version = s.jobs[name].Version + 1
	s.jobs[name] = job
}

func apply(tb testing.TB, s *shelf) (made []string, failed string) {
	tb.Helper()
	j := s.client(tb)
	p, err := j.Plan(tb.Context(), "jobs.yaml", []scheduler.Job{testJob("c", "new"), testJob("a", "new")}, true)
	if err != nil {
		tb.Fatal(err)
	}
	p.Confirmed = true
	var all []error
	for step, err := range j.Apply(tb.Context(), p, "") {
		if err == nil {
			made = append(made, step.Job())
		}
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		failed = err.Error()
	}
	return made, failed
}

// What others did to jobs while a file was applied is said as of a history.
func TestApplyAmongOthers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  string
		changed func(*shelf)
		made    string
		failed  string
	}{
		{"alone", "", func(*shelf) {}, "[c a b]", ""},
		{"one was changed", "changed", func(s *shelf) { s.set("a", "other") }, "[]", `job "a" was changed by bob, to version 4` + "\n" + errMoved.Error()},
		{"one was removed", "changed", func(s *shelf) { delete(s.jobs, "b") }, "[]", `no job "b"` + "\n" + errMoved.Error()},
		{"one was added", "changed", func(s *shelf) { s.set("c", "other") }, "[]", `job "c" already exists` + "\n" + errMoved.Error()},
		{"it is not known what", "changed", func(*shelf) {}, "[]", errMoved.Error()},
		{"all but one were made", "partly", func(s *shelf) { s.set("c", "new"); s.set("a", "other"); delete(s.jobs, "b") }, "[c b]", `job "a" was changed by bob, to version 4`},
		{"one was not tried", "partly", func(s *shelf) { s.set("c", "new"); s.set("a", "new") }, "[c a]", "job b: T"},
		{"the disk is full", "history-full", func(*shelf) {}, "[]", "T"},
	} {
		s := newShelf()
		s.answer, s.changed = tt.answer, func() { tt.changed(s) }
		made, failed := apply(t, s)
		if fmt.Sprint(made) != tt.made || failed != tt.failed {
			t.Errorf("%s: got %v and %q, want %s and %q", tt.name, made, failed, tt.made, tt.failed)
		}
		if want := `POST /apply"tag"`; s.asked[2] != want {
			t.Errorf("%s: got %q, want %q third", tt.name, s.asked, want)
		}
	}
}

// Jobs that change while a file is planned are planned again, and not for ever.
func TestPlanAmongOthers(t *testing.T) {
	s := newShelf()
	delete(s.jobs, "b") // the server removes one that is not there
	_, err := s.client(t).Plan(t.Context(), "jobs.yaml", []scheduler.Job{testJob("c", "new"), testJob("a", "new")}, true)
	if !errors.Is(err, errMoved) || len(s.asked) != 6 {
		t.Errorf("got %v after %q", err, s.asked)
	}
}

func TestEditAmongOthers(t *testing.T) {
	s := newShelf()
	edit := func(name string, change func(*scheduler.Job)) (*jobs.Edited, error) {
		return s.client(t).Edit(t.Context(), name, "", func(job *scheduler.Job) error { change(job); return nil })
	}
	e, err := edit("a", func(job *scheduler.Job) { job.Command = "who" })
	if err != nil || len(e.Differences) != 1 || e.Trial != nil || s.asked[1] != `PUT /jobs/a"3"` {
		t.Errorf("got %+v, %v after %q", e, err, s.asked)
	}
	_, err = edit("a", func(job *scheduler.Job) { s.set("a", "other"); job.Command = "who" })
	if changed, ok := errors.AsType[*store.JobChangedError](err); !ok || changed.By != "bob" || changed.Version != 4 {
		t.Errorf("got %v", err)
	}
	_, err = edit("a", func(job *scheduler.Job) { delete(s.jobs, "a"); job.Command = "who" })
	if !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v", err)
	}
	asked := len(s.asked)
	_, err = edit("b", func(job *scheduler.Job) { job.Schedules = []string{"61 * * * *"} })
	if err == nil || len(s.asked) != asked+1 {
		t.Errorf("got %v, and the server was asked %q", err, s.asked[asked:])
	}
}

// A request that was cut off is sent again with its key, where the server knows it by that.
func TestCutOffJobRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		s := newShelf()
		c := newClient(t, func(r *http.Request) (*http.Response, error) {
			switch r.Method + " " + r.URL.Path {
			case "GET /api/v1/daemons":
				return answer(200, api.NewList([]api.Daemon{{Serves: true}}, ""))
			case "POST /api/v1/jobs", "POST /api/v1/jobs/a/run":
				if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys)%2 == 1 {
					return nil, io.EOF
				}
				if r.URL.Path == "/api/v1/jobs" {
					return answer(201, s.form("a"))
				}
				return answer(201, api.Ticket{Firing: 7, Job: "a", Decision: "run"})
			}
			return problem(404, "not-found", ""), nil
		})
		j := c.Jobs(jobs.Checker{})
		if kept, err := j.Add(t.Context(), &jobs.Prepared{Job: testJob("a", "w")}, ""); err != nil || kept.Version != 3 {
			t.Errorf("got %+v, %v", kept, err)
		}
		if ticket, served, err := j.RunNow(t.Context(), "a", ""); err != nil || ticket.ID != 7 || !served {
			t.Errorf("got %+v, %v", ticket, err)
		}
		if len(keys) != 4 || keys[0] == "" || keys[0] != keys[1] || keys[2] == "" || keys[2] != keys[3] || keys[0] == keys[2] {
			t.Errorf("got keys %q", keys)
		}
	})
}
