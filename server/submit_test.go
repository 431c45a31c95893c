package server_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/fanout"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// started is the run in an answer, which is 201.
func started(t *testing.T, w *httptest.ResponseRecorder) api.StartedRun {
	t.Helper()
	var run api.StartedRun
	if err := json.Unmarshal(w.Body.Bytes(), &run); err != nil || w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return run
}

// queued are the runs in the queue.
func (r *rig) queued(t *testing.T) []store.WaitingRun {
	t.Helper()
	waiting, err := r.store.Queue().Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return waiting
}

// What is submitted is in the queue as it was decided, with its line of the audit, and
// no secret of it on disk.
func TestCreateRun(t *testing.T) {
	r := newRig(t)
	r.who.Via = access.ViaToken
	body := `{"selector":"web","command":"deploy","env":{"STAGE":"prod"},"secret_env":{"PASS":"zqsecretzq"},"stdin":"zqinputzq","sudo":"root",
		"fanout":1,"timeout":"30s","retry_on":["lost","timeout"],"batch":"1,100%","note":"why","priority":3}`
	r.who.Sudo = true
	w := r.ask(t, "POST", "/runs", body)
	run := started(t, w)
	if run.Run.Run != 1 || run.State != store.Queued || run.Hosts != 2 || run.Source != "api" || run.User != "ann" || run.Note != "why" || w.Header().Get("Location") != "/api/v1/runs/1" {
		t.Errorf("got %s", w.Body)
	}
	waiting := r.queued(t)
	if len(waiting) != 1 || waiting[0].Priority != 3 || waiting[0].Secrets != r.owner.ID() || waiting[0].Run.Principal != "ann" {
		t.Fatalf("got %+v", waiting)
	}
	claimed, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"env": {"STAGE=prod", "PASS"}, "stdin": {"-"}, "sudo": {"root"}, "fanout": {"1"}, "timeout": {"30s"}, "retry-on": {"lost,timeout"},
		"batch": {"1,100%"}, "note": {"why"}, "deadline": {"1d"},
	}
	if got := claimed[0].Request; got.Command != "deploy" || got.Selector != "web" || !reflect.DeepEqual(got.Keys, want) {
		t.Errorf("got %+v, want %v", got, want)
	}
	kept, err := json.Marshal(claimed)
	if err != nil || strings.Contains(string(kept), "zq") {
		t.Errorf("a secret is in %s, %v", kept, err)
	}
	var audit api.List[api.AuditEntry]
	if r.get(t, "/audit?action=run.start", &audit); len(audit.Items) != 1 || audit.Items[0].Object != "run:1" || audit.Items[0].Actor != "ann" || audit.Items[0].Request == "" {
		t.Errorf("got %+v", audit)
	}
	var plan api.RunPlan
	if w := r.get(t, "/runs/1/plan", &plan); strings.Contains(w.Body.String(), "zq") {
		t.Errorf("a secret is in %s", w.Body)
	}
}

// What is wrong with a request is told before anything is kept, and no value of it.
func TestCreateRunRefused(t *testing.T) {
	r := newRig(t)
	tests := []struct{ body, problem, place string }{
		{`{"selector":"web"}`, "invalid", "/command"},
		{`{"selector":"web","command":"  "}`, "invalid", "/command"},
		{`{"selector":"web","command":"zq","script":{"text":"#!/bin/sh\n"}}`, "invalid", "/script"},
		{`{"command":"zq"}`, "invalid", ""},
		{`{"selector":"zqnowhere","command":"zq"}`, "no-match", ""},
		{`{"selector":"web,,","command":"zq"}`, "invalid", "/selector"},
		{`{"selector":"@/etc/zq","command":"zq"}`, "local-only", "/selector"},
		{`{"selector":"web","only":["@/etc/zq"],"command":"zq"}`, "local-only", "/selector"},
		{`{"selector":"web","command":"zq","timeout":"zq"}`, "invalid", "/timeout"},
		{`{"selector":"web","command":"zq","timeout":"25h"}`, "invalid", "/timeout"},
		{`{"selector":"web","command":"zq","deadline":"2d"}`, "invalid", "/deadline"},
		{`{"selector":"web","command":"zq","fanout":5000}`, "invalid", "/fanout"},
		{`{"selector":"web","command":"zq","record_limit":"1GiB"}`, "invalid", "/record_limit"},
		{`{"selector":"web","command":"zq","retry_on":["zq"]}`, "invalid", "/retry_on/0"},
		{`{"selector":"web","command":"zq","env":{"zq=":"zq"}}`, "invalid", "/env"},
		{`{"selector":"web","command":"zq","env":{"1 zq":"zq"}}`, "invalid", ""},
		{`{"selector":"web","command":"zq","stdin_base64":"zq!"}`, "invalid", "/stdin_base64"},
		{`{"selector":"web","command":"zq","limit":1,"pick":1}`, "invalid", ""},
		{`{"selector":"web","command":"zq","Command":"zq"}`, "invalid", "/Command"},
		{`{"selector":"web","command":"zq","command":"zq"}`, "invalid", "/command"},
		{`{"selector":"web","pty":true,"script":{"text":"#!/bin/sh\n"}}`, "invalid", ""},
		{`{"selector":"web","script":{"text":"zq"}}`, "invalid", ""},
	}
	for _, tt := range tests {
		r.now = r.now.Add(time.Second)
		for _, path := range []string{"/runs", "/plan"} {
			w := r.ask(t, "POST", path, tt.body)
			r.refused(t, w, tt.problem)
			if strings.Contains(w.Body.String(), "zq") || !strings.Contains(w.Body.String(), `"pointer":"`+tt.place) && tt.place != "" {
				t.Errorf("%s %s: got %s, want the place %s", path, tt.body, w.Body, tt.place)
			}
		}
	}
	if waiting := r.queued(t); len(waiting) != 0 {
		t.Errorf("got %+v", waiting)
	}
}

// Every key that acts on the machine of the daemon is refused by its name, in every role;
// every other key is one of the request.
func TestLocalKeysAreRefused(t *testing.T) {
	r := newRig(t)
	known := map[string]bool{}
	for _, form := range []any{api.RunRequest{}, api.Hosts{}, api.TaskKeys{}, api.LimitKeys{}} {
		for i := range reflect.TypeOf(form).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(form).Field(i).Tag.Get("json"), ",")
			known[name] = true
		}
	}
	for _, k := range runner.Keys() {
		if known[k.Option()] {
			continue
		}
		if !k.Local("x") {
			t.Errorf("%s is no key of a request", k.Name)
		}
		r.now = r.now.Add(time.Second)
		for _, path := range []string{"/runs", "/plan", "/ping"} {
			body := `{"selector":"web","command":"true","` + k.Option() + `":["x"]}`
			if path == "/ping" {
				body = `{"selector":"web","` + k.Option() + `":true}`
			}
			w := r.ask(t, "POST", path, body)
			r.refused(t, w, "local-only")
			if !strings.Contains(w.Body.String(), `"/`+k.Option()+`"`) {
				t.Errorf("%s: %s is not named in %s", path, k.Name, w.Body)
			}
		}
	}
}

// A request is taken once for its key, and its answer is that of the run it started.
func TestIdempotency(t *testing.T) {
	r := newRig(t)
	const body = `{"selector":"web","command":"true"}`
	first := r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k1")
	again := r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k1")
	if a, b := started(t, first), started(t, again); a.Run.Run != b.Run.Run || again.Header().Get("Idempotency-Replayed") != "true" || first.Header().Get("Idempotency-Replayed") != "" {
		t.Errorf("got %s and %s, %v", first.Body, again.Body, again.Header())
	}
	r.refused(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"false"}`, "Idempotency-Key", "k1"), "key-reused")
	r.refused(t, r.ask(t, "POST", "/ping", `{"selector":"web"}`, "Idempotency-Key", "k1"), "key-reused")
	r.refused(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", ""), "invalid")
	r.refused(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", strings.Repeat("k", 256)), "invalid")
	r.who.Name = "bob"
	if run := started(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k1")); run.Run.Run != 2 {
		t.Errorf("got run %d: a key is its principal's", run.Run.Run)
	}
	// A refusal is not kept: once there is such a host the same request is taken.
	r.who.Name, r.who.Scopes = "eve", []string{"db1"}
	r.refused(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k2"), "scope")
	r.who.Scopes = nil
	if run := started(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k2")); run.Run.Run != 3 {
		t.Errorf("got run %d", run.Run.Run)
	}
	r.now = r.now.Add(25 * time.Hour)
	if run := started(t, r.ask(t, "POST", "/runs", body, "Idempotency-Key", "k2")); run.Run.Run != 4 {
		t.Errorf("got run %d, want a new one after a day", run.Run.Run)
	}
}

// As many runs wait as may.
func TestQueueFull(t *testing.T) {
	r := newRig(t)
	for range 100 {
		r.now = r.now.Add(time.Second)
		started(t, r.ask(t, "POST", "/runs", `{"selector":"db1","command":"true"}`))
	}
	w := r.ask(t, "POST", "/runs", `{"selector":"db1","command":"true"}`)
	if r.refused(t, w, "queue-full"); w.Header().Get("Retry-After") == "" {
		t.Errorf("got %v", w.Header())
	}
}

// Whatever is asked for on hosts outside the scope is refused, with their number and
// without their names, and written down; with a scope that has them it is not.
func TestScopeMatrix(t *testing.T) {
	bodies := map[string]string{
		"createRun": `{"selector":"all","command":"true"}`, "plan": `{"selector":"all","command":"true"}`, "ping": `{"selector":"all"}`,
		"pingHost": "", "rerun": `{"all":true}`, "killRun": "", "moveRun": `{"priority":1}`, "removeFromQueue": "",
	}
	r := newRig(t)
	admin := r.who
	waits := started(t, r.ask(t, "POST", "/runs", `{"selector":"all","command":"true"}`)).Run.Run
	ended := started(t, r.ask(t, "POST", "/runs", `{"selector":"all","command":"true"}`)).Run.Run
	if w := r.ask(t, "DELETE", "/queue/2", ""); w.Code != 204 || ended != 2 || waits != 1 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	tried := map[string]bool{}
	for _, o := range r.Table() {
		body, has := bodies[o.ID]
		if !has {
			if o.Starts && o.Action != access.StartJob && o.Action != access.EditJob || o.Action == access.Run { // TestScopeOfChanges has jobs
				t.Errorf("%s is not in the matrix", o.ID)
			}
			continue
		}
		tried[o.ID] = true
		number := map[bool]string{true: "2", false: "1"}[o.ID == "rerun"]
		path := strings.NewReplacer("{run}", number, "{host}", "db1").Replace(o.Path)
		r.now = r.now.Add(time.Second)
		r.who = access.Principal{Name: "eve", Role: access.Operator, Scopes: []string{"web1"}}
		w := r.ask(t, o.Method, path, body)
		if o.ID == "pingHost" { // which is not there for who may not see it
			r.refused(t, w, "no-host")
		} else {
			r.refused(t, w, "scope")
		}
		if regexp.MustCompile(`\b(web2|db1)\b`).MatchString(w.Body.String()) { // a request's number may have db1 in it
			t.Errorf("%s: a host is named in %s", o.ID, w.Body)
		}
		if !regexp.MustCompile("^2 of 3 hosts").MatchString(detail(t, w)) && o.ID != "pingHost" {
			t.Errorf("%s: got %s, want how many are outside", o.ID, w.Body)
		}
		if o.ID == "killRun" || o.ID == "removeFromQueue" {
			continue // the run is still needed
		}
		r.who.Scopes = []string{"web,db1"}
		if w := r.ask(t, o.Method, path, body); w.Code >= 300 {
			t.Errorf("%s within the scope: got %d %s", o.ID, w.Code, w.Body)
		}
	}
	if len(tried) != len(bodies) {
		t.Errorf("tried only %v", tried)
	}
	r.who = admin
	var audit api.List[api.AuditEntry]
	r.get(t, "/audit?action=run.start&actor=eve", &audit)
	refused := 0
	for _, e := range audit.Items {
		if e.Outcome == "refused" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("got %d refused starts in the audit, want 3: %+v", refused, audit.Items)
	}
}

// An admin with a scope deletes no runs that have hosts outside it.
func TestScopeOfDeleting(t *testing.T) {
	r := newRig(t)
	admin := r.who
	for range 2 {
		r.record(t, store.RunInfo{User: "ann"}, up)
	}
	r.who = access.Principal{Name: "eve", Role: access.Admin, Scopes: []string{"web"}}
	r.refused(t, r.ask(t, "DELETE", "/runs/1", ""), "scope")
	r.refused(t, r.ask(t, "POST", "/prune", `{"keep_runs":1}`), "scope")
	r.who.Scopes = []string{"all"}
	if w := r.ask(t, "DELETE", "/runs/1", ""); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.who = admin
	var page api.List[api.Run]
	if r.get(t, "/runs", &page); len(page.Items) != 1 || page.Items[0].Run != 2 {
		t.Errorf("got %+v", page.Items)
	}
}

func detail(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct{ Detail string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p.Detail
}

// What a token may is bounded by the users and the sudo that it has.
func TestRightsOfRequests(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "ci", Role: access.Operator, Users: []string{"deploy"}}
	for body, want := range map[string]int{
		`{"selector":"web","command":"true","user":"deploy"}`:              201,
		`{"selector":"web","command":"true","user":"root"}`:                403,
		`{"selector":"web","command":"true","sudo":"root"}`:                403,
		`{"selector":"web","command":"true","user":"deploy","sudo":"www"}`: 403,
	} {
		if w := r.ask(t, "POST", "/runs", body); w.Code != want {
			t.Errorf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
	r.who.Jobs = []string{"backup"}
	r.refused(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`), "role")
}

// A run is repeated on the hosts that were not ok, by the rights of who asks now.
func TestRerun(t *testing.T) {
	r := newRig(t)
	r.who.Sudo, r.who.AnyUser = true, true
	started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"deploy","env":{"A":"1","B":"2"},"secret_env":{"PASS":"x"},"timeout":"10s","sudo":"root"}`))
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{}`), "running")
	r.ask(t, "DELETE", "/queue/1", "") // its hosts are skipped
	r.refused(t, r.ask(t, "POST", "/runs/9/rerun", `{}`), "no-run")
	w := r.ask(t, "POST", "/runs/1/rerun", `{}`)
	if r.refused(t, w, "invalid"); !strings.Contains(w.Body.String(), "/secret_env") {
		t.Errorf("got %s", w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{"outcomes":["ok"],"secret_env":{"PASS":"x"}}`), "no-match")
	run := started(t, r.ask(t, "POST", "/runs/1/rerun", `{"env":{"B":"3"},"secret_env":{"PASS":"y"},"timeout":"20s"}`))
	if run.RerunOf != 1 || run.Hosts != 2 || run.Command != "deploy" {
		t.Errorf("got %+v", run)
	}
	claimed, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("got %v, %v", claimed, err)
	}
	keys := claimed[0].Request.Keys
	if got := strings.Join(keys["env"], " "); got != "A=1 B=3 PASS" || keys["timeout"][0] != "20s" || keys["sudo"][0] != "root" {
		t.Errorf("got %v", keys)
	}
	r.who.Sudo = false
	r.refused(t, r.ask(t, "POST", "/runs/1/rerun", `{"secret_env":{"PASS":"y"}}`), "role")

	// What a run of the command line had of its machine is named.
	plan := fanout.Plan{Source: "cli", Selector: "web1", Task: fanout.Task{Action: fanout.Command("x")}, Targets: []fanout.Target{{Name: "web1"}}}
	recorder, err := r.store.Begin(t.Context(), plan, store.RunInfo{Given: map[string][]string{"identity": {"/key"}}})
	if err != nil {
		t.Fatal(err)
	}
	end(t, recorder, plan)
	w = r.ask(t, "POST", "/runs/3/rerun", `{"all":true}`)
	if r.refused(t, w, "local-only"); !strings.Contains(w.Body.String(), "/identity") {
		t.Errorf("got %s", w.Body)
	}
}

// end records the end of a run.
func end(t *testing.T, r *store.Recorder, plan fanout.Plan) {
	t.Helper()
	ctx := context.Background()
	for _, e := range []fanout.Event{
		{Kind: fanout.RunStarted, Time: noon, Plan: &plan},
		{Kind: fanout.RunFinished, Time: noon, Summary: &fanout.Summary{Started: noon, Ended: noon, Hosts: 1}},
	} {
		if err := r.Handle(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// The queue says what each run waits for; a run in it is moved and removed.
func TestQueue(t *testing.T) {
	r := newRig(t)
	for range 3 {
		started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`))
	}
	if w := r.ask(t, "PATCH", "/queue/3", `{"priority":5}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"place":1`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if _, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1); err != nil {
		t.Fatal(err)
	}
	var list api.List[api.QueueItem]
	r.get(t, "/queue", &list)
	var got []string
	for _, q := range list.Items {
		got = append(got, strings.Join([]string{string(rune('0' + q.Run.Run)), q.WaitsFor, string(rune('0' + q.Place))}, " "))
	}
	if want := "3 start 0,1 turn 1,2 turn 2"; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if w := r.ask(t, "DELETE", "/queue/1", ""); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "DELETE", "/queue/1", ""), "not-queued")
	r.refused(t, r.ask(t, "PATCH", "/queue/1", `{"priority":1}`), "not-queued")
	r.refused(t, r.ask(t, "PATCH", "/queue/8", `{"priority":1}`), "no-run")
	var killed api.Killed
	w := r.ask(t, "POST", "/runs/2/kill", "")
	if err := json.Unmarshal(w.Body.Bytes(), &killed); err != nil || w.Code != 202 || killed.State != store.Finished || len(killed.Hosts) != 2 || killed.Hosts[0].State != "ended" || killed.RequestedAt == nil {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "POST", "/runs/2/kill", `{"how":"end"}`); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "DELETE", "/runs/3", ""), "running")
	if w := r.ask(t, "DELETE", "/runs/2", ""); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/runs/2", ""), "pruned")
	if w := r.ask(t, "POST", "/prune", `{"keep_runs":1}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"runs":1`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/prune", `{"keep":"zq"}`), "invalid")
	var audit api.List[api.AuditEntry]
	for _, action := range []string{"run.kill", "run.move", "run.delete", "run.prune"} {
		if r.get(t, "/audit?action="+action, &audit); len(audit.Items) == 0 {
			t.Errorf("%s is not in the audit", action)
		}
	}
}

// A run is halted, and stopped after that; the audit says which.
func TestHalt(t *testing.T) {
	r := newRig(t)
	plan := fanout.Plan{Source: "cli", Selector: "web", Task: fanout.Task{Action: fanout.Command("x")}, Targets: []fanout.Target{{Name: "web1"}, {Index: 1, Name: "web2"}}}
	recorder, err := r.store.Begin(t.Context(), plan, store.RunInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if err := recorder.Starting(t.Context(), plan.Targets[0], 1, "10.0.0.1:22"); err != nil {
		t.Fatal(err)
	}
	r.refused(t, r.ask(t, "POST", "/runs/1/kill", `{"how":"maybe"}`), "invalid")
	for _, step := range []struct {
		body, states string
		halt         bool
	}{
		{`{"how":"halt"}`, "running requested", true},
		{`{"how":"end"}`, "requested requested", false},
		{`{"how":"halt"}`, "running requested", false},
	} {
		var killed api.Killed
		w := r.ask(t, "POST", "/runs/1/kill", step.body)
		if err := json.Unmarshal(w.Body.Bytes(), &killed); err != nil || w.Code != 202 || killed.RequestedAt == nil || len(killed.Hosts) != 2 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if got := killed.Hosts[0].State + " " + killed.Hosts[1].State; got != step.states {
			t.Errorf("%s: got %s, want %s", step.body, got, step.states)
		}
		if stops, err := r.store.Stops(t.Context(), []int64{1}); err != nil || len(stops) != 1 || stops[0].Halt != step.halt {
			t.Errorf("%s: got %+v, %v", step.body, stops, err)
		}
	}
	r.add(t, "backup", nil)
	if w := r.ask(t, "POST", "/jobs/backup/run", ""); w.Code != 201 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "POST", "/jobs/backup/kill", `{"how":"halt"}`); w.Code != 202 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/jobs/backup/kill", `{"how":"maybe"}`), "invalid")
	var audit api.List[api.AuditEntry]
	var got []string
	for _, action := range []string{"job.kill", "run.kill"} {
		r.get(t, "/audit?action="+action, &audit)
		for _, e := range audit.Items {
			got = append(got, e.Object+" "+string(e.After))
		}
	}
	if want := `job:backup {"how":"halt"}, run:1 {"how":"halt"}, run:1 {"how":"end"}, run:1 {"how":"halt"}`; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
}

// An answer waits for the end of a run, as long as it is asked to.
func TestPreferWait(t *testing.T) {
	r := newRig(t)
	w := r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`, "Prefer", "wait=0")
	if started(t, w).State != store.Queued {
		t.Errorf("got %s", w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`, "Prefer", "wait=301"), "invalid")
	go func() {
		for {
			waiting, err := r.store.Queue().Waiting(context.Background())
			if err != nil {
				return
			}
			if len(waiting) == 2 {
				_ = r.store.StopRun(context.Background(), scheduler.Stop{Run: waiting[1].QueueEntry.Run, By: "tester", At: time.Now()}) // the answer says whether
				return
			}
		}
	}()
	w = r.ask(t, "POST", "/runs", `{"selector":"web","command":"true"}`, "Prefer", "respond-async, wait=300")
	if run := started(t, w); run.State != store.Finished || w.Header().Get("Preference-Applied") != "wait=300" {
		t.Errorf("got %s, %v", w.Body, w.Header())
	}
}
