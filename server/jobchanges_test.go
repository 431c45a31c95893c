package server_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

const sweepSpec = `{"schedule":"0 4 * * *","zone":"UTC","selector":"web","command":"sweep"}`

// A job is added once, replaced only by who has seen its version, and removed.
func TestChangesOfJobs(t *testing.T) {
	r := newRig(t)
	w := r.ask(t, "POST", "/jobs", `{"job":"sweep","spec":`+sweepSpec+`}`)
	if w.Code != 201 || w.Header().Get("ETag") != `"1"` || w.Header().Get("Location") != "/api/v1/jobs/sweep" {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs", `{"job":"sweep","spec":`+sweepSpec+`}`), "job-exists")
	r.refused(t, r.ask(t, "PUT", "/jobs/sweep", sweepSpec, "If-None-Match", "*"), "job-exists")
	changed := strings.Replace(sweepSpec, `"sweep"`, `"sweep -v"`, 1)
	r.refused(t, r.ask(t, "PUT", "/jobs/sweep", changed), "no-version")
	if w := r.ask(t, "PUT", "/jobs/sweep", changed, "If-Match", `"1"`); w.Code != 200 || w.Header().Get("ETag") != `"2"` || !strings.Contains(w.Body.String(), "sweep -v") {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	w = r.ask(t, "PUT", "/jobs/sweep", sweepSpec, "If-Match", `"1"`)
	if r.refused(t, w, "changed"); w.Code != 412 {
		t.Errorf("got %d", w.Code)
	}
	if w := r.ask(t, "PUT", "/jobs/fresh", sweepSpec, "If-None-Match", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "DELETE", "/jobs/sweep", ""), "no-version")
	r.refused(t, r.ask(t, "DELETE", "/jobs/sweep", "", "If-Match", `"1"`), "changed")
	if w := r.ask(t, "DELETE", "/jobs/sweep", "", "If-Match", `"2"`); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/jobs/sweep", ""), "no-job")
	var audit api.List[api.AuditEntry]
	r.get(t, "/audit?object=job:sweep", &audit)
	var actions []string
	for _, e := range audit.Items {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "job.remove job.change job.add" {
		t.Errorf("the audit has %s", got)
	}
}

// What is wrong with a spec is told by its key, without what stands there.
func TestWrongSpecs(t *testing.T) {
	r := newRig(t)
	for spec, name := range map[string]string{
		`{"schedule":"0 4 * *","selector":"web","command":"x"}`:                           "invalid",
		`{"schedule":"0 4 * * *","zone":"UTC","selector":"web"}`:                          "invalid",
		`{"schedule":"0 4 * * *","zone":"UTC","selector":"web","command":"x","zqz":"y"}`:  "invalid",
		`{"schedule":"0 4 * * *","zone":"UTC","selector":"web","command":"x","name":"y"}`: "invalid",
		`{"schedule":"0 4 * * *","selector":"web","command":"x","command":"y"}`:           "invalid",
		`["x"]`: "invalid",
	} {
		w := r.ask(t, "PUT", "/jobs/sweep", spec, "If-None-Match", "*")
		if r.refused(t, w, name); w.Code != 422 {
			t.Errorf("%s: got %d", spec, w.Code)
		}
	}
}

// What acts on the machine of the daemon is for admins, whether it is there or comes.
func TestLocalKeysAreForAdmins(t *testing.T) {
	r := newRig(t)
	r.add(t, "local", func(j *scheduler.Job) {
		j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnFailure}, Command: "mail ops"}
	})
	r.who.Role = access.Editor
	for _, key := range []string{
		`"identity":["/etc/key"]`, `"inventory":"/etc/hosts.yaml"`, `"notify":{"on":"always","command":"mail"}`, `"port":22`, `"env":["SECRET"]`,
		`"sudo":"root","sudo_pass_command":"cat /etc/pass"`, `"jump":"gate"`, `"known_hosts":"/etc/k"`, `"host_keys":"off"`, `"ssh_config":"/etc/c"`, `"stdin":"/etc/passwd"`,
		`"only":"@/etc/passwd"`, `"only":["web","@/etc/passwd"]`, `"exclude":"db1,@/etc/passwd"`,
	} {
		spec := strings.TrimSuffix(sweepSpec, "}") + "," + key + "}"
		if w := r.ask(t, "PUT", "/jobs/sweep", spec, "If-None-Match", "*"); w.Code != 403 {
			t.Errorf("%s: got %d %s", key, w.Code, w.Body)
		}
	}
	r.refused(t, r.ask(t, "PUT", "/jobs/local", sweepSpec, "If-Match", `"1"`), "local-only")
	r.refused(t, r.ask(t, "DELETE", "/jobs/local", "", "If-Match", `"1"`), "local-only")
	if w := r.ask(t, "PUT", "/jobs/sweep", sweepSpec, "If-None-Match", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// A job is no way to a login, or to sudo, that a run of who makes it would be refused.
func TestRightsOfJobsOnHosts(t *testing.T) {
	r := newRig(t)
	r.add(t, "rooted", func(j *scheduler.Job) { j.Options = map[string][]string{"user": {"root"}} })
	with := func(key string) string { return strings.TrimSuffix(sweepSpec, "}") + "," + key + "}" }
	r.who = access.Principal{Name: "ed/plain", Role: access.Editor}
	for _, key := range []string{`"sudo":"root"`, `"sudo":"www-data"`, `"user":"root"`} {
		r.refused(t, r.ask(t, "PUT", "/jobs/sweep", with(key), "If-None-Match", "*"), "role")
		r.refused(t, r.ask(t, "POST", "/jobs", `{"job":"sweep","spec":`+with(key)+`}`), "role")
	}
	r.refused(t, r.ask(t, "PUT", "/jobs/rooted", sweepSpec, "If-Match", `"1"`), "role")
	r.refused(t, r.ask(t, "DELETE", "/jobs/rooted", "", "If-Match", `"1"`), "role")
	r.who.Sudo, r.who.Users = true, []string{"deploy"}
	r.refused(t, r.ask(t, "PUT", "/jobs/sweep", with(`"sudo":"root","user":"root"`), "If-None-Match", "*"), "role")
	if w := r.ask(t, "PUT", "/jobs/sweep", with(`"sudo":"root","user":"deploy"`), "If-None-Match", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.who = access.Principal{Name: "adm", Role: access.Admin}
	if w := r.ask(t, "PUT", "/jobs/rooted", with(`"user":"root"`), "If-Match", `"1"`); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// Who has a scope changes, pauses, runs and stops only jobs whose hosts are all in it.
func TestScopeOfChanges(t *testing.T) {
	r := newRig(t)
	r.add(t, "all", func(j *scheduler.Job) { j.Selector = "all" })
	r.who = access.Principal{Name: "eve", Role: access.Editor, Scopes: []string{"web"}}
	for _, q := range [][4]string{
		{"POST", "/jobs/all/pause"},
		{"POST", "/jobs/all/resume"},
		{"POST", "/jobs/all/run"},
		{"POST", "/jobs/all/kill"},
		{"DELETE", "/jobs/all", "", `"1"`},
		{"PUT", "/jobs/all", strings.Replace(sweepSpec, "web", "all", 1), `"1"`},
	} {
		w := r.ask(t, q[0], q[1], q[2], "If-Match", q[3])
		if r.refused(t, w, "scope"); regexp.MustCompile(`\bdb1\b`).MatchString(w.Body.String()) { // a request's number may have db1 in it
			t.Errorf("%s %s names hosts: %s", q[0], q[1], w.Body)
		}
	}
	r.refused(t, r.ask(t, "PUT", "/jobs/new", strings.Replace(sweepSpec, "web", "all", 1), "If-None-Match", "*"), "scope")
	if w := r.ask(t, "PUT", "/jobs/new", sweepSpec, "If-None-Match", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestPauseRunKill(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", nil)
	var job api.JobDetails
	for path, want := range map[string]bool{"pause": true} {
		if w := r.ask(t, "POST", "/jobs/backup/"+path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"paused":true`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if r.get(t, "/jobs/backup", &job); job.Paused != want {
			t.Errorf("got %+v", job)
		}
	}
	if w := r.ask(t, "POST", "/jobs/backup/resume", ""); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "POST", "/jobs/backup/run", ""); w.Code != 201 || !strings.Contains(w.Body.String(), `"decision":"run"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs/backup/run", ""), "overlap")
	if w := r.ask(t, "POST", "/jobs/backup/kill", ""); w.Code != 202 || !strings.Contains(w.Body.String(), `"runs":[]`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs/bakup/run", ""), "no-job")
}

// Who stops a job has all hosts of what runs of it in the scope, as they were decided: what
// the job has become since does not count. What has not started would run on the hosts of
// now.
func TestKillIsAboutTheHostsThatRun(t *testing.T) {
	eve := access.Principal{Name: "eve", Role: access.Operator, Scopes: []string{"web"}}
	for _, tt := range []struct {
		name, decided, now string
		want               string // the problem; empty: it is stopped
		waits              string // what becomes of a firing that waits
	}{
		{"within", "web", "web", "", "skipped"},
		{"wider since", "web", "all", "", "queued"},
		{"narrower since", "all", "web", "scope", "queued"},
	} {
		r := newRig(t)
		r.add(t, "sweep", func(j *scheduler.Job) { j.Selector, j.Overlap = tt.now, scheduler.OverlapQueue })
		run := r.startFiring(t, "sweep", tt.decided)
		waits := r.ask(t, "POST", "/jobs/sweep/run", "")
		if waits.Code != 201 || !strings.Contains(waits.Body.String(), `"queued"`) {
			t.Fatalf("%s: got %d %s", tt.name, waits.Code, waits.Body)
		}
		r.who = eve
		w := r.ask(t, "POST", "/jobs/sweep/kill", "")
		if tt.want != "" {
			r.refused(t, w, tt.want)
		} else if w.Code != 202 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"runs":[%d]`, run)) {
			t.Errorf("%s: got %d %s", tt.name, w.Code, w.Body)
		}
		stops, err := r.store.Stops(t.Context(), []int64{run})
		if err != nil || (len(stops) == 1) != (tt.want == "") {
			t.Errorf("%s: got %+v, %v", tt.name, stops, err)
		}
		r.who = access.Principal{Name: "ann", Role: access.Admin}
		var log api.List[api.Firing]
		if r.get(t, "/jobs/sweep/log", &log); log.Items[0].Decision != tt.waits {
			t.Errorf("%s: what waits is %s, want %s", tt.name, log.Items[0].Decision, tt.waits)
		}
	}
}

// startFiring starts a run of a job, which was decided for the hosts web or all, and goes
// on.
func (r *rig) startFiring(t *testing.T, job, hosts string) int64 {
	t.Helper()
	kept, err := r.store.Job(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	member, err := r.store.JoinOnce(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = member.Close() })
	firing, err := member.Request(t.Context(), job, "ann", noon)
	if err != nil {
		t.Fatal(err)
	}
	p := fanout.Plan{Source: "job", Selector: hosts, Task: fanout.Task{Action: fanout.Command("sweep")}, Policy: fanout.Policy{Fanout: 10}}
	for i, name := range map[string][]string{"web": {"web1", "web2"}, "all": {"web1", "web2", "db1"}}[hosts] {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: name})
	}
	recorder, err := r.store.Begin(t.Context(), p, store.RunInfo{Job: job, JobID: kept.ID, Firing: firing.ID, Owner: member})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recorder.Close() })
	if err := recorder.Handle(t.Context(), fanout.Event{Kind: fanout.RunStarted, Time: noon, Plan: &p}); err != nil {
		t.Fatal(err)
	}
	return recorder.RunID()
}

// A pause says until when and why, and the audit has it.
func TestPauseUntil(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", nil)
	r.who = access.Principal{Name: "olga", Role: access.Operator}
	w := r.ask(t, "POST", "/jobs/backup/pause", `{"until":"2h","note":"disk"}`)
	var job api.JobDetails
	r.get(t, "/jobs/backup", &job)
	if w.Code != 200 || !job.Paused || job.PausedBy != "olga" || job.PausedNote != "disk" || !time.Time(*job.PausedUntil).Equal(noon.Add(2*time.Hour)) || !time.Time(*job.PausedAt).Equal(noon) {
		t.Errorf("got %d %s, then %+v", w.Code, w.Body, job)
	}
	for _, body := range []string{`{"until":"2020-01-01T00:00:00Z"}`, `{"until":"soon"}`, `{"note":"\u001b[2J"}`, `{"note":"\u202e"}`, `{"til":"2h"}`, `{"until":""}x`} {
		if w := r.ask(t, "POST", "/jobs/backup/pause", body); w.Code != 422 && w.Code != 400 {
			t.Errorf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
	if w := r.ask(t, "POST", "/jobs/backup/resume", ""); w.Code != 200 || strings.Contains(w.Body.String(), "paused_") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.who = access.Principal{Name: "ann", Role: access.Admin}
	var audit api.List[api.AuditEntry]
	r.get(t, "/audit?object=job:backup", &audit)
	if len(audit.Items) != 2 || string(audit.Items[1].After) != `{"note":"disk","until":"2027-03-01T14:00:00.000Z","version":2}` {
		t.Errorf("got %+v", audit.Items)
	}
}

// A webhook of an editor is the editor's, and must not lead into the daemon's network.
func TestWebhooksOfEditors(t *testing.T) {
	r := newRig(t)
	put := func(name, webhook, header string) *httptest.ResponseRecorder {
		t.Helper()
		spec := strings.TrimSuffix(sweepSpec, "}") + `,"notify":{"on":"failure","webhook":"` + webhook + `"}}`
		if header == "*" {
			return r.ask(t, "PUT", "/jobs/"+name, spec, "If-None-Match", "*")
		}
		return r.ask(t, "PUT", "/jobs/"+name, spec, "If-Match", header)
	}
	setBy := func(name, want string) {
		t.Helper()
		kept, err := r.store.Job(t.Context(), name)
		if err != nil || kept.Notify.WebhookBy != want {
			t.Errorf("%s: set by %q, %v, want %q", name, kept.Notify.WebhookBy, err, want)
		}
	}
	if w := put("admins", "http://127.0.0.1:9/", "*"); w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	setBy("admins", "")
	r.who = access.Principal{Name: "eve", Role: access.Editor, User: 3}
	for _, url := range []string{"http://127.0.0.1/", "http://169.254.169.254/latest", "http://10.0.0.1/", "https://hooks.example:22/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/"} {
		if w := put("mine", url, "*"); w.Code != 422 {
			t.Errorf("%s: got %d %s", url, w.Code, w.Body)
		}
	}
	if w := put("mine", "https://hooks.example/x", "*"); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	setBy("mine", "user:3")
	if w := put("admins", "http://127.0.0.1/", `"1"`); w.Code != 422 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := put("admins", "https://hooks.example/", `"1"`); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	setBy("admins", "user:3")
}
