package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
)

// Who is sent the end of a run is kept with it, and only where that may be sent.
func TestReceivers(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "ann/ci", User: 3, Via: access.ViaToken, Role: access.Operator}
	const run = `{"selector":"web","command":"true",`
	for _, tt := range []struct{ body, on, url string }{
		{`"callback":"https://hooks.example/a"}`, "", "https://hooks.example/a"},
		{`"notify":{"on":["failure"],"webhook":"https://hooks.example/b"}}`, "failure", "https://hooks.example/b"},
		{`"notify":{"on":["failure","always"],"webhook":"https://hooks.example/c"}}`, "always", "https://hooks.example/c"},
	} {
		r.now = r.now.Add(time.Second)
		number := started(t, r.ask(t, "POST", "/runs", run+tt.body)).Run.Run
		if err := r.store.StopRun(t.Context(), scheduler.Stop{Run: number, By: "ann", At: r.now}); err != nil {
			t.Fatal(err)
		}
		due, err := r.store.Callbacks().Lease(t.Context(), r.now.Add(time.Hour), r.now.Add(2*time.Hour), 10)
		if err != nil || len(due) != 1 || due[0].Run != number || due[0].On != tt.on || due[0].URL != tt.url || due[0].By != "user:3" || due[0].Task != "" {
			t.Errorf("%s: got %+v, %v", tt.body, due, err)
		}
	}
	for body, place := range map[string]string{
		`"callback":"http://169.254.169.254/zq"}`:                                                     "/callback",
		`"callback":"zq://x"}`:                                                                        "/callback",
		`"callback":"https://ann:zq@hooks.example/"}`:                                                 "/callback",
		`"notify":{"on":["failure"],"webhook":"http://127.0.0.1/zq"}}`:                                "/notify/webhook",
		`"notify":{"on":["missed"],"webhook":"https://hooks.example/zq"}}`:                            "/notify/on/0",
		`"notify":{"on":[],"webhook":"https://hooks.example/zq"}}`:                                    "/notify/on",
		`"notify":{"webhook":"https://hooks.example/zq"}}`:                                            "/notify",
		`"notify":{"on":["failure"],"webhook":"https://hooks.example/zq","command":"zq"}}`:            "/notify/command",
		`"callback":"https://hooks.example/zq","notify":{"on":["always"],"webhook":"https://h.zq/"}}`: "/notify",
	} {
		r.now = r.now.Add(time.Second)
		w := r.ask(t, "POST", "/runs", run+body)
		r.refused(t, w, "invalid")
		if strings.Contains(w.Body.String(), "zq") || !strings.Contains(w.Body.String(), `"pointer":"`+place) {
			t.Errorf("%s: got %s, want the place %s", body, w.Body, place)
		}
	}
	if waiting := r.queued(t); len(waiting) != 0 {
		t.Errorf("got %+v", waiting)
	}
}

// A dry run says what a run would do, with the rights that the run needs, and is none.
func TestDryRun(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "ci", Role: access.Operator, Scopes: []string{"web"}}
	const body = `{"selector":"web","command":"true","dry_run":true`
	w := r.ask(t, "POST", "/runs", body+`,"limit":1}`, "Idempotency-Key", "k")
	var plan api.Plan
	if err := json.Unmarshal(w.Body.Bytes(), &plan); err != nil || w.Code != 200 || plan.Type != "plan" || len(plan.Hosts) != 1 || plan.Hosts[0].Host != "web1" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/runs", `{"selector":"all","command":"true","dry_run":true}`), "scope")
	r.refused(t, r.ask(t, "POST", "/runs", body+`,"sudo":"root"}`), "role")
	r.refused(t, r.ask(t, "POST", "/runs", body+`}`, "Prefer", "wait=999"), "invalid")
	if waiting := r.queued(t); len(waiting) != 0 {
		t.Errorf("got %+v", waiting)
	}
	// The key is not used up.
	if run := started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true","dry_run":false}`, "Idempotency-Key", "k")); run.Run.Run != 1 {
		t.Errorf("got %+v", run)
	}
	r.ask(t, "DELETE", "/queue/1", "")
	w = r.ask(t, "POST", "/runs/1/rerun", `{"dry_run":true,"only":["web2"]}`)
	plan = api.Plan{}
	if err := json.Unmarshal(w.Body.Bytes(), &plan); err != nil || w.Code != 200 || len(plan.Hosts) != 1 || plan.Hosts[0].Host != "web2" || len(r.queued(t)) != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// A client can find out what it may ask for.
func TestLimitsAreTold(t *testing.T) {
	r := newRig(t)
	var s api.Session
	r.get(t, "/session", &s)
	want := api.RunLimits{
		MaxQueued: 100, MaxHosts: 10_000, MaxFanout: 1024, MaxTimeoutMS: 86_400_000, MaxDeadlineMS: 86_400_000, MaxRecordLimit: 64 << 20, MaxInput: 1 << 20,
	}
	if l := s.Limits; l.Runs != want || l.MaxWaitMS != 300_000 || l.MaxApplyBody != 8<<20 || l.MaxStreams != 32 {
		t.Errorf("got %+v", l)
	}
}
