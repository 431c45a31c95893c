package server_test

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/store"
)

// record records a run on web1, web2 and db1 that ended, where each host said what
// says returns of it, and db1 failed.
func (r *rig) record(t *testing.T, info store.RunInfo, says func(host string) string) int64 {
	t.Helper()
	return r.recordOn(t, info, "all", []string{"web1", "web2", "db1"}, says)
}

// recordOn is record on some hosts, which a selector chose.
func (r *rig) recordOn(t *testing.T, info store.RunInfo, selector string, hosts []string, says func(host string) string) int64 {
	t.Helper()
	p := fanout.Plan{Source: "cli", Selector: selector, Task: fanout.Task{Action: fanout.Command("uptime")}, Policy: fanout.Policy{Fanout: 10}}
	for i, name := range hosts {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: name})
	}
	recorder, err := r.store.Begin(t.Context(), p, info)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(recorder.Handle(t.Context(), fanout.Event{Kind: fanout.RunStarted, Time: noon, Plan: &p}))
	s := fanout.Summary{Started: noon, Ended: noon.Add(time.Minute), Hosts: len(p.Targets)}
	for i := range p.Targets {
		target := &p.Targets[i]
		must(recorder.Starting(t.Context(), *target, 1, "10.0.0.1:22"))
		must(recorder.Handle(t.Context(), fanout.Event{Kind: fanout.TargetStarted, Time: noon, Target: target, Attempt: 1, Address: "10.0.0.1:22"}))
		said := says(target.Name)
		must(recorder.Handle(t.Context(), fanout.Event{Kind: fanout.Output, Time: noon, Target: target, Attempt: 1, Data: []byte(said)}))
		code := uint32(0)
		if target.Name == "db1" {
			code = 3
		}
		result := fanout.Result{
			Target: *target, Attempts: 1, StartedAt: noon, EndedAt: noon.Add(time.Second), StdoutBytes: int64(len(said)),
			Report: fanout.Report{Started: true, OutputComplete: true, Address: "10.0.0.1:22", Exit: &fanout.Exit{Code: code}},
		}
		result.Outcome = result.Report.Outcome()
		s.Counts[result.Outcome]++
		must(recorder.Handle(t.Context(), fanout.Event{Kind: fanout.TargetFinished, Time: noon, Target: target, Attempt: 1, Result: &result}))
	}
	must(recorder.Handle(t.Context(), fanout.Event{Kind: fanout.RunFinished, Time: noon, Summary: &s}))
	must(recorder.Close())
	return recorder.RunID()
}

func up(host string) string {
	if host == "db1" {
		return "down\n"
	}
	return "up\n"
}

// TestQueuedRun: a run that waits may change, and cannot be compared yet.
func TestQueuedRun(t *testing.T) {
	r := newRig(t)
	ended := r.record(t, store.RunInfo{User: "ann"}, up)
	done, err := r.store.Queue().Submit(t.Context(), store.Submission{
		Plan: fanout.Plan{Source: "api", Selector: "all", Targets: []fanout.Target{{Name: "web1"}}}, Info: store.RunInfo{User: "ann"}, Now: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	var run api.Run
	w := r.get(t, fmt.Sprint("/runs/", done.Run), &run)
	if run.State != store.Queued || run.EndedAt != nil || w.Header().Get("ETag") != "" {
		t.Errorf("got %+v, %v, want one that waits, and no tag", run, w.Header())
	}
	r.refused(t, r.ask(t, "GET", fmt.Sprint("/runs/", done.Run, "/diff?with=", ended), ""), "running")
}

func TestRuns(t *testing.T) {
	r := newRig(t)
	for i := range 3 {
		r.record(t, store.RunInfo{User: "ann", Principal: "ann", Note: fmt.Sprint("note ", i)}, up)
	}
	var ids []int64
	path := "/runs?limit=2"
	for path != "" {
		var page api.List[api.Run]
		r.get(t, path, &page)
		for _, run := range page.Items {
			ids = append(ids, run.Run)
		}
		if path = ""; page.Next != "" {
			path = "/runs?limit=2&after=" + page.Next
		}
	}
	if fmt.Sprint(ids) != "[3 2 1]" {
		t.Errorf("got %v", ids)
	}
	for query, want := range map[string]int{
		"note=note+1": 1, "q=uptime": 3, "q=uptime+2": 1, "user=bob": 0, "state=running": 0, "state=running,finished": 3, "outcome=failed": 3,
		"outcome=lost": 0, "host=web1": 3, "host=web9": 0, "source=job": 0, "selector=all": 3, "selector=web": 0, "rerun_of=1": 0, "job=x": 0,
	} {
		var page api.List[api.Run]
		if r.get(t, "/runs?"+query, &page); len(page.Items) != want {
			t.Errorf("%s: got %d runs, want %d", query, len(page.Items), want)
		}
	}
	var run api.Run
	w := r.get(t, "/runs/last", &run)
	if run.Run != 3 || run.Counts["ok"] != 2 || run.Counts["failed"] != 1 || w.Header().Get("ETag") != `"r3-finished"` {
		t.Errorf("got %+v, %v", run, w.Header())
	}
	if w := r.ask(t, "GET", "/runs/3", "", "If-None-Match", `"r3-finished"`); w.Code != 304 {
		t.Errorf("got %d", w.Code)
	}
	r.refused(t, r.ask(t, "GET", "/runs/4", ""), "no-run")
	r.refused(t, r.ask(t, "GET", "/runs/first", ""), "no-run")
	if w := r.get(t, "/runs?state=queued", &api.List[api.Run]{}); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	var plan api.RunPlan
	if r.get(t, "/runs/1/plan", &plan); plan.Run != 1 || plan.Options == nil {
		t.Errorf("got %+v", plan)
	}
	w = r.ask(t, "GET", "/runs", "", "Accept", "application/x-ndjson")
	if lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], `{"schema":1,"type":"run","run":3,`) {
		t.Errorf("got %s", w.Body)
	}
}

// What a run of the command line took from its machine is for admins, value by value.
func TestPlanHidesLocalValues(t *testing.T) {
	r := newRig(t)
	given := map[string][]string{"env": {"HOME", "A=1"}, "identity": {"/secret-key"}, "timeout": {"30s"}}
	r.record(t, store.RunInfo{User: "ann", Given: given}, up)
	for role, want := range map[access.Role]map[string][]string{
		access.Admin:  given,
		access.Viewer: {"env": {"A=1"}, "timeout": {"30s"}},
	} {
		r.who = access.Principal{Name: "eve", Role: role}
		var plan api.RunPlan
		if r.get(t, "/runs/1/plan", &plan); !reflect.DeepEqual(plan.Options, want) {
			t.Errorf("%s: got %v, want %v", role, plan.Options, want)
		}
	}
}

// The last run is that of who asks: what it submitted, or at the local socket what its
// user did on this machine.
func TestLastRun(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{User: "ann"}, up)
	for _, principal := range []string{"ann", "ann/ci", "ann/ci", "bob"} {
		r.record(t, store.RunInfo{User: "ann", Principal: principal}, up)
	}
	for _, tt := range []struct {
		who  access.Principal
		ref  string
		want int64
	}{
		{access.Principal{Name: "ann"}, "last", 2},
		{access.Principal{Name: "ann/ci"}, "last", 4},
		{access.Principal{Name: "ann/ci"}, "last~1", 3},
		{access.Principal{Name: "unix:ann", Via: access.ViaUnix}, "last", 5},
	} {
		r.who = tt.who
		r.who.Role = access.Viewer
		var run api.Run
		if r.get(t, "/runs/"+tt.ref, &run); run.Run != tt.want {
			t.Errorf("%s of %s: got run %d, want %d", tt.ref, tt.who.Name, run.Run, tt.want)
		}
	}
	r.who = access.Principal{Name: "eve", Role: access.Viewer}
	r.refused(t, r.ask(t, "GET", "/runs/last", ""), "no-run")
}

// A run that was deleted is told from one that never was.
func TestPrunedRun(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	r.record(t, store.RunInfo{}, up)
	if _, err := r.store.Prune(t.Context(), store.Retention{KeepRuns: 1}); err != nil {
		t.Fatal(err)
	}
	w := r.ask(t, "GET", "/runs/1", "")
	r.refused(t, w, "pruned")
	if w.Code != 410 {
		t.Errorf("got %d", w.Code)
	}
}

func TestRunHosts(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	var page api.List[api.RunHost]
	r.get(t, "/runs/1/hosts?limit=2", &page)
	if len(page.Items) != 2 || page.Items[0].Host != "web1" || page.Items[0].Outcome != "ok" || page.Next == "" {
		t.Fatalf("got %+v", page)
	}
	next := page.Next
	page = api.List[api.RunHost]{}
	r.get(t, "/runs/1/hosts?limit=2&after="+next, &page)
	if len(page.Items) != 1 || page.Items[0].Host != "db1" || *page.Items[0].ExitCode != 3 || page.Items[0].State != "ended" {
		t.Errorf("got %+v", page)
	}
	for query, want := range map[string]int{"outcome=failed": 1, "host=web": 2, "state=running": 0, "started=false": 0, "started=true": 3} {
		page = api.List[api.RunHost]{}
		if r.get(t, "/runs/1/hosts?"+query, &page); len(page.Items) != want {
			t.Errorf("%s: got %+v", query, page)
		}
	}
	var host api.RunHostDetails
	if r.get(t, "/runs/1/hosts/db1", &host); host.Attempts != 1 || len(host.Earlier) != 0 || host.StdoutBytes != 5 {
		t.Errorf("got %+v", host)
	}
	r.refused(t, r.ask(t, "GET", "/runs/1/hosts/web9", ""), "no-host")
	r.refused(t, r.ask(t, "GET", "/runs/1/hosts/web9/output", ""), "no-host")
}

func TestOutput(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, func(host string) string {
		if host == "db1" {
			return "bad \xff byte\n"
		}
		return "one\ntwo\n<b>three</b>\n"
	})
	const at = "/runs/1/hosts/web1/output"
	tests := []struct{ path, accept, want, next string }{
		{at, "text/plain", "one\ntwo\n<b>three</b>\n", "21"},
		{at + "?offset=4", "text/plain", "two\n<b>three</b>\n", "21"},
		{at + "?offset=4&bytes=3", "text/plain", "two", "7"},
		{at + "?line=2&lines=1", "text/plain", "two\n", "8"},
		{at + "?tail=1", "text/*", "<b>three</b>\n", "21"},
		{at + "?stream=stderr", "text/plain", "", "0"},
		{at + "?offset=999", "text/plain", "", "21"},
		{"/runs/1/hosts/db1/output", "text/plain", "bad \uFFFD byte\n", "11"},
		{"/runs/1/hosts/db1/output", "application/octet-stream", "bad \xff byte\n", "11"},
		{"/runs/1/hosts/db1/output?attempt=1", "application/octet-stream", "bad \xff byte\n", "11"},
	}
	for _, tt := range tests {
		w := r.ask(t, "GET", tt.path, "", "Accept", tt.accept)
		if w.Code != 200 || w.Body.String() != tt.want || w.Header().Get("Tutti-Next") != tt.next || w.Header().Get("Tutti-Omitted") != "0" {
			t.Errorf("%s: got %d %q, %v", tt.path, w.Code, w.Body, w.Header())
		}
		checkInert(t, w)
	}
	var part api.OutputRange
	w := r.get(t, "/runs/1/hosts/db1/output", &part)
	checkInert(t, w)
	if len(part.Parts) != 1 || part.Parts[0].Encoding != "base64" || !part.Ended || part.More {
		t.Errorf("got %+v", part)
	}
	w = r.ask(t, "GET", at+"?download=true", "")
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="run-1-web1.txt"` {
		t.Errorf("got %q", got)
	}
	for query, name := range map[string]string{
		"offset=1&tail=1": "invalid", "lines=1": "invalid", "attempt=x": "invalid", "fold=true": "invalid", "q=a&after=x": "cursor",
		"stream=stdin": "invalid", "q=a%0Ab": "invalid", "bytes=9000000": "invalid",
	} {
		r.refused(t, r.ask(t, "GET", at+"?"+query, ""), name)
	}
}

// checkInert checks that a browser does nothing with an answer.
func checkInert(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestSearch(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, func(string) string { return strings.Repeat("one\nTWO two\nthree\n", 200) })
	var lines []int64
	path := "/runs/1/hosts/web1/output?q=two&fold=true"
	pages := 0
	for next := ""; ; {
		var found api.Search
		r.get(t, path+next, &found)
		for _, hit := range found.Hits {
			lines = append(lines, hit.Line)
		}
		if pages++; !found.More {
			break
		}
		next = "&after=" + found.Next
	}
	if len(lines) != 200 || lines[0] != 2 || lines[199] != 599 || pages < 2 {
		t.Errorf("got %d lines in %d pages: %v", len(lines), pages, lines)
	}
}

func TestGroups(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	var page api.List[api.Group]
	r.get(t, "/runs/1/groups?output=head&bytes=2", &page)
	if len(page.Items) != 2 {
		t.Fatalf("got %+v", page)
	}
	bad, good := page.Items[0], page.Items[1]
	if bad.Hosts != "db1" || bad.Outcome != "failed" || *bad.ExitCode != 3 || bad.Output[0].Data != "do" || !bad.OutputMore {
		t.Errorf("got %+v", bad)
	}
	if good.Hosts != "web[1-2]" || good.Count != 2 || good.SampleHost != "web1" {
		t.Errorf("got %+v", good)
	}
	page = api.List[api.Group]{}
	if r.get(t, "/runs/1/groups?limit=1", &page); len(page.Items) != 1 || page.Next == "" || page.Items[0].Output != nil {
		t.Errorf("got %+v", page)
	}
}

func TestDiff(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	r.record(t, store.RunInfo{}, func(host string) string { return strings.ToUpper(up(host[:3])) })
	var page api.List[event.Diff]
	r.get(t, "/runs/2/diff?with=1", &page)
	if len(page.Items) != 2 || page.Items[0].Runs != [2]int64{1, 2} || !page.Items[0].Changed || page.Items[0].Stdout == nil {
		t.Errorf("got %+v", page)
	}
	for by, want := range map[string]int{"output": 2, "outcome": 0, "exit": 0} {
		page = api.List[event.Diff]{}
		if r.get(t, "/runs/2/diff?with=1&by="+by, &page); len(page.Items) != want {
			t.Errorf("by %s: got %+v", by, page.Items)
		}
	}
	for path, name := range map[string]string{"/runs/2/diff": "invalid", "/runs/2/diff?with=2": "invalid", "/runs/2/diff?with=7": "no-run"} {
		r.refused(t, r.ask(t, "GET", path, ""), name)
	}
}

// Of hosts outside the scope nothing is told, in no operation that reads runs.
func TestScopeOfRuns(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{User: "ann", Principal: "ann"}, up)
	r.record(t, store.RunInfo{User: "ann", Principal: "ann"}, func(host string) string { return host + " is up\n" })
	r.who = access.Principal{Name: "ann", Role: access.Viewer, Scopes: []string{"db1"}}
	for _, path := range []string{
		"/runs", "/runs/1", "/runs/last", "/runs/1/hosts", "/runs/1/hosts/db1", "/runs/1/hosts/db1/output", "/runs/1/groups", "/runs/1/groups?output=head", "/runs/2/diff?with=1",
	} {
		w := r.ask(t, "GET", path, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), "web") {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	var run api.Run
	r.get(t, "/runs/1", &run)
	if run.Hosts != 1 || run.Hidden != 2 || run.Counts["ok"] != 0 || run.Counts["failed"] != 1 {
		t.Errorf("got %+v", run)
	}
	for _, path := range []string{"/runs/1/hosts/web1", "/runs/1/hosts/web1/output", "/runs/1/hosts/web1/output?q=up"} {
		r.refused(t, r.ask(t, "GET", path, ""), "no-host")
	}
	var page api.List[api.Run]
	if r.get(t, "/runs?host=web1", &page); len(page.Items) != 0 {
		t.Errorf("got %+v", page)
	}
	// Who sees none of its hosts does not know that there is such a run.
	r.who.Scopes = []string{"db1", "web"}
	page = api.List[api.Run]{}
	if r.get(t, "/runs", &page); len(page.Items) != 0 {
		t.Errorf("got %+v", page)
	}
	r.refused(t, r.ask(t, "GET", "/runs/1", ""), "no-run")
	r.refused(t, r.ask(t, "GET", "/runs/2/diff?with=1", ""), "no-run")
}
