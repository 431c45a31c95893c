package server_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
)

// onceRows are the rows of the table in docs/api.md that says what comes of a POST that is
// sent again: the paths, and what it says of them.
func onceRows(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| POST | sent again |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if _, twice := rows[m[1]]; twice {
				t.Errorf("%s is there twice", m[1])
			}
			rows[m[1]] = strings.TrimSpace(cells[2])
		}
	}
	return rows
}

// Every POST accepts a key, and does what the manual says when it is sent again.
func TestPostsSentAgain(t *testing.T) {
	r := newRig(t)
	ended := started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`)).Run.Run
	if w := r.ask(t, "DELETE", "/queue/1", ""); w.Code != 204 || ended != 1 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	for _, name := range []string{"backup", "restored"} {
		r.add(t, name, nil)
	}
	link := r.link(t)
	if w := r.ask(t, "POST", "/users", `{"user":"dave","role":"viewer"}`); w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	const run, replays = `{"selector":"web","command":"true"}`, "Idempotency-Replayed"
	tests := map[string]struct {
		path, body string
		header     []string
		// first and again are the statuses; kept: what is made is one thing.
		first, again int
		kept         bool
	}{
		"/runs":                     {body: run, first: 201, again: 201, kept: true},
		"/plan":                     {body: run, first: 200, again: 200},
		"/ping":                     {body: `{"selector":"web"}`, first: 201, again: 201, kept: true},
		"/hosts/{host}/ping":        {path: "/hosts/web1/ping", first: 201, again: 201, kept: true},
		"/runs/{run}/rerun":         {path: "/runs/1/rerun", body: `{"all":true}`, first: 201, again: 201, kept: true},
		"/runs/{run}/kill":          {path: "/runs/1/kill", first: 200, again: 200},
		"/prune":                    {first: 200, again: 200},
		"/jobs":                     {body: `{"job":"sweep","spec":` + sweepSpec + `}`, first: 201, again: 201, kept: true},
		"/jobs/{job}/run":           {path: "/jobs/backup/run", first: 201, again: 201, kept: true},
		"/jobs/{job}/kill":          {path: "/jobs/backup/kill", first: 202, again: 202},
		"/jobs/{job}/pause":         {path: "/jobs/backup/pause", first: 200, again: 200},
		"/jobs/{job}/resume":        {path: "/jobs/backup/resume", first: 200, again: 200},
		"/jobs/{job}/restore":       {path: "/jobs/restored/restore", body: `{"version":1}`, header: []string{"If-Match", `"2"`}, first: 200, again: 412},
		"/apply":                    {body: `{"jobs":{}}`, first: 200, again: 200},
		"/notifications/{id}/retry": {path: "/notifications/" + r.message(t) + "/retry", first: 200, again: 200},
		"/validate":                 {body: `{"selector":"web"}`, first: 200, again: 200},
		"/users":                    {body: `{"user":"carol","role":"viewer"}`, first: 201, again: 409},
		"/users/{user}/link":        {path: "/users/dave/link", first: 201, again: 201},
		"/tokens":                   {body: `{"token":"ci","role":"viewer"}`, first: 201, again: 409},
		"/session":                  {body: `{"name":"linked","password":"correct horse battery"}`, first: 201, again: 201},
		"/session/link":             {body: `{"link":"` + link + `","password":"correct horse battery"}`, first: 201, again: 401},
	}
	rows := onceRows(t)
	var posts []string
	for _, o := range r.Table() {
		if o.Method == "POST" {
			posts = append(posts, o.Path)
			if o.Starts != tests[o.Path].kept || o.Starts != strings.Contains(rows[o.Path], "with a key") {
				t.Errorf("%s: the table says %t that it remembers keys, the manual %q", o.Path, o.Starts, rows[o.Path])
			}
		}
	}
	for path := range rows {
		if !slices.Contains(posts, path) {
			t.Errorf("docs/api.md has %s, the table does not", path)
		}
	}
	r.change(t, "restored")
	slices.Reverse(posts) // a link is used before its user logs in
	for _, path := range posts {
		x, known := tests[path]
		if !known || rows[path] == "" {
			t.Errorf("%s: neither tested nor in the manual", path)
			continue
		}
		if x.path == "" {
			x.path = path
		}
		r.now = r.now.Add(time.Second) // its rate is bounded
		header := append([]string{"Idempotency-Key", "key of " + path}, x.header...)
		first := r.ask(t, "POST", x.path, x.body, header...)
		again := r.ask(t, "POST", x.path, x.body, header...)
		if first.Code != x.first || again.Code != x.again || first.Header().Get(replays) != "" || (again.Header().Get(replays) == "true") != x.kept {
			t.Errorf("%s: got %d %s, then %d %v %s", path, first.Code, first.Body, again.Code, again.Header(), again.Body)
		}
		if a, b := madeBy(t, first), madeBy(t, again); x.kept && (a != b || a == (made{})) {
			t.Errorf("%s: made %+v, then %+v", path, a, b)
		}
	}
}

// A made is what the answer of a POST says that was made.
type made struct {
	Run    int64 `json:"run"`
	Firing int64 `json:"firing"`
	JobID  int64 `json:"job_id"`
}

func madeBy(t *testing.T, w *httptest.ResponseRecorder) (m made) {
	t.Helper()
	if w.Code == 204 {
		return m
	}
	_ = json.Unmarshal(w.Body.Bytes(), &m) // of others a run may be an object
	return m
}

// link is a login link of a new user.
func (r *rig) link(t *testing.T) string {
	t.Helper()
	by := access.By{Actor: "ann", At: r.now}
	u, err := r.accounts.AddUser(t.Context(), access.User{Name: "linked", Role: access.Viewer}, by)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := r.accounts.NewLink(t.Context(), &u, by)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

// change gives a job a second version.
func (r *rig) change(t *testing.T, name string) {
	t.Helper()
	if w := r.ask(t, "PATCH", "/jobs/"+name, `{"command":"true"}`, "If-Match", `"1"`); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
}

// A job and a firing are made once for a key, whichever request is first, and a refusal is not
// remembered.
func TestOnceForJobs(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", func(j *scheduler.Job) { j.MaxRunning = 1 })
	const add = `{"job":"sweep","spec":` + sweepSpec + `}`
	if w := r.ask(t, "POST", "/jobs", add, "Idempotency-Key", "k1"); w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs", strings.Replace(add, `"sweep"}`, `"sweep -v"}`, 1), "Idempotency-Key", "k1"), "key-reused")
	r.refused(t, r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", "k1"), "key-reused")
	r.refused(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`, "Idempotency-Key", "k1"), "key-reused")
	r.refused(t, r.ask(t, "POST", "/jobs", add, "Idempotency-Key", "k\x7f"), "invalid")
	r.refused(t, r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", strings.Repeat("k", 256)), "invalid")
	var jobs [2]*httptest.ResponseRecorder
	var all [2]chan struct{}
	for i := range jobs { // both are under way at once
		all[i] = make(chan struct{})
		go func() {
			defer close(all[i])
			q := httptest.NewRequest("POST", "/api/v1/jobs/backup/run", nil)
			q.Header.Set("Idempotency-Key", "k2")
			jobs[i] = httptest.NewRecorder()
			r.ServeHTTP(jobs[i], q)
		}()
	}
	<-all[0]
	<-all[1]
	a, b := madeBy(t, jobs[0]), madeBy(t, jobs[1])
	if a != b || a.Firing == 0 || jobs[0].Header().Get("Idempotency-Replayed") == jobs[1].Header().Get("Idempotency-Replayed") {
		t.Errorf("got %s and %s", jobs[0].Body, jobs[1].Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", "k3"), "overlap")
	if w := r.ask(t, "POST", "/jobs/backup/kill", ""); w.Code != 202 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", "k3"); w.Code != 201 || madeBy(t, w).Firing == a.Firing {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", "k2"); w.Code != 201 || !strings.Contains(w.Body.String(), `"decision":"skipped"`) {
		t.Errorf("got %d %s, want the firing as it is now", w.Code, w.Body)
	}
	var job api.JobDetails
	r.get(t, "/jobs/sweep", &job)
	if w := r.ask(t, "DELETE", "/jobs/sweep", "", "If-Match", `"1"`); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs", add, "Idempotency-Key", "k1"), "no-job")
	if w := r.ask(t, "PUT", "/jobs/sweep", sweepSpec, "If-None-Match", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs", add, "Idempotency-Key", "k1"), "no-job") // it is another job
	r.who.Name = "bob"
	if w := r.ask(t, "POST", "/jobs/backup/run", "", "Idempotency-Key", "k1"); w.Code != 409 {
		t.Errorf("got %d: a key is its principal's", w.Code)
	}
}
