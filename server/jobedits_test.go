package server_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/store"
)

// A merge patch changes the keys that it has; null is the default.
func TestPatchJob(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep", func(j *scheduler.Job) {
		j.Options = map[string][]string{"timeout": {"2h"}, "deadline": {"3h"}}
		j.Keep = scheduler.Keep{Runs: 5, Size: 1 << 20}
	})
	spec := func(w []byte) map[string]any {
		t.Helper()
		var job struct{ Spec map[string]any }
		if err := json.Unmarshal(w, &job); err != nil {
			t.Fatal(err)
		}
		return job.Spec
	}
	r.refused(t, r.ask(t, "PATCH", "/jobs/sweep", `{"command":"x"}`), "no-version")
	w := r.ask(t, "PATCH", "/jobs/sweep", `{"timeout":null,"deadline":null,"command":"sweep -v","keep":{"runs":null,"age":"30d"}}`, "If-Match", `"1"`)
	if w.Code != 200 || w.Header().Get("ETag") != `"2"` {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	got := spec(w.Body.Bytes())
	keep, _ := got["keep"].(map[string]any)
	if got["timeout"] != nil || got["deadline"] != "1d" || got["command"] != "sweep -v" || got["selector"] != "web" || keep["runs"] != nil || keep["age"] != "30d" || keep["size"] != "1MiB" {
		t.Errorf("got %v", got)
	}
	r.refused(t, r.ask(t, "PATCH", "/jobs/sweep", `{"command":"x"}`, "If-Match", `"1"`), "changed")
	r.refused(t, r.ask(t, "PATCH", "/jobs/none", `{"command":"x"}`, "If-Match", `"1"`), "no-job")
	for _, body := range []string{`{"selector":null}`, `{"zqz":1}`, `{"name":"other"}`, `["x"]`, `{"schedule":"* *"}`} {
		r.refused(t, r.ask(t, "PATCH", "/jobs/sweep", body, "If-Match", `"2"`), "invalid")
	}
}

// A job becomes what it was, and stays paused.
func TestRestoreJob(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep", nil)
	r.ask(t, "PATCH", "/jobs/sweep", `{"command":"worse"}`, "If-Match", `"1"`)
	r.ask(t, "POST", "/jobs/sweep/pause", "")
	var change api.JobChange
	if r.get(t, "/jobs/sweep/changes/2", &change); change.Version != 2 || change.What != "changed" || change.Spec == nil {
		t.Errorf("got %+v", change)
	}
	r.refused(t, r.ask(t, "GET", "/jobs/sweep/changes/9", ""), "no-change")
	r.refused(t, r.ask(t, "GET", "/jobs/none/changes/1", ""), "no-job")
	r.refused(t, r.ask(t, "POST", "/jobs/sweep/restore", `{"version":1}`), "no-version")
	r.refused(t, r.ask(t, "POST", "/jobs/sweep/restore", `{"version":9}`, "If-Match", `"3"`), "no-change")
	r.refused(t, r.ask(t, "POST", "/jobs/sweep/restore", `{"version":1}`, "If-Match", `"2"`), "changed")
	w := r.ask(t, "POST", "/jobs/sweep/restore", `{"version":1}`, "If-Match", `"3"`)
	if w.Code != 200 || w.Header().Get("ETag") != `"4"` || !strings.Contains(w.Body.String(), `"paused":true`) {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	kept, err := r.store.Job(t.Context(), "sweep")
	if err != nil || kept.Command != "echo sweep" {
		t.Errorf("got %+v, %v", kept.Job, err)
	}
}

const twoJobs = "jobs:\n  sweep:\n    schedule: 0 4 * * *\n    zone: UTC\n    selector: web\n    command: sweep\n" +
	"  wash:\n    schedule: 0 5 * * *\n    zone: UTC\n    selector: web\n    command: wash\n"

// A file is applied exactly as its dry run said, or not at all.
func TestApplyJobs(t *testing.T) {
	r := newRig(t)
	r.add(t, "old", nil)
	yaml := []string{"Content-Type", "application/yaml"}
	w := r.ask(t, "POST", "/apply?dry_run=true&prune=true", twoJobs, yaml...)
	tag := w.Header().Get("ETag")
	if w.Code != 200 || !strings.HasPrefix(tag, `"all-`) {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if got := w.Body.String(); !strings.Contains(got, `"added":["sweep","wash"]`) || !strings.Contains(got, `"removed":["old"]`) || !strings.Contains(got, `"dry_run":true`) {
		t.Errorf("got %s", got)
	}
	if jobs, err := r.store.ListJobs(t.Context()); err != nil || len(jobs) != 1 {
		t.Errorf("a dry run left %d jobs, %v", len(jobs), err)
	}
	// All jobs would go, which needs the tag.
	r.refused(t, r.ask(t, "POST", "/apply?prune=true", twoJobs, yaml...), "unconfirmed")
	r.refused(t, r.ask(t, "POST", "/apply?prune=true", strings.Replace(twoJobs, "wash", "rinse", 1), append(yaml, "If-Match", tag)...), "changed")
	r.ask(t, "PATCH", "/jobs/old", `{"command":"x"}`, "If-Match", `"1"`)
	r.refused(t, r.ask(t, "POST", "/apply?prune=true", twoJobs, append(yaml, "If-Match", tag)...), "changed")
	tag = r.ask(t, "POST", "/apply?dry_run=true&prune=true", twoJobs, yaml...).Header().Get("ETag")
	if w := r.ask(t, "POST", "/apply?prune=true", twoJobs, append(yaml, "If-Match", tag)...); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if jobs, err := r.store.ListJobs(t.Context()); err != nil || len(jobs) != 2 || jobs[0].Name != "sweep" {
		t.Errorf("got %+v, %v", jobs, err)
	}
	// What is exported is applied as it is, in both forms.
	for _, accept := range []string{"application/json", "application/yaml"} {
		file := r.ask(t, "GET", "/export", "", "Accept", accept)
		if file.Code != 200 || file.Header().Get("Content-Type") != accept {
			t.Fatalf("%s: got %d %v %s", accept, file.Code, file.Header(), file.Body)
		}
		w := r.ask(t, "POST", "/apply?prune=true", file.Body.String(), "Content-Type", accept)
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"same":2`) {
			t.Errorf("%s: got %d %s", accept, w.Code, w.Body)
		}
	}
	if w := r.ask(t, "GET", "/export?job=wash", "", "Accept", "application/yaml"); strings.Contains(w.Body.String(), "sweep") || !strings.Contains(w.Body.String(), "wash:") {
		t.Errorf("got %s", w.Body)
	}
	var audit api.List[api.AuditEntry]
	r.get(t, "/audit?action=job.apply", &audit)
	var objects []string
	for _, e := range audit.Items {
		objects = append(objects, e.Object)
	}
	if want := []string{"job:old", "job:wash", "job:sweep"}; !slices.Equal(objects, want) {
		t.Errorf("the audit has %q, want %q", objects, want)
	}
}

// A file that says nothing of jobs removes none, and what is wrong with one is told by
// its place without what stands there.
func TestWrongJobsFiles(t *testing.T) {
	r := newRig(t)
	r.add(t, "old", nil)
	for _, body := range []string{`{}`, `{"jobs":null}`, `{"jobs":[]}`, `{"jobs":{"a":{"schedule":"zqzqz zqzqz"}}}`, `{"jobs":{"a":{"zqzqz":1}}}`, `{"jobs":{},"x":1}`} {
		w := r.ask(t, "POST", "/apply?prune=true", body)
		if r.refused(t, w, "invalid"); strings.Contains(w.Body.String(), "zqzqz zqzqz") {
			t.Errorf("%s is told again: %s", body, w.Body)
		}
	}
	for _, body := range []string{"jobs:\n  a: {command: [zqzqz", "jobs: *zqzqz", "zqzqz", "jobs:\n  a:\n    schedule: zqzqz zqzqz\n    command: x\n    selector: web\n"} {
		w := r.ask(t, "POST", "/apply?prune=true", body, "Content-Type", "application/yaml")
		if r.refused(t, w, "invalid"); strings.Contains(w.Body.String(), "zqzqz") || !strings.Contains(w.Body.String(), "message") {
			t.Errorf("%s: got %s", body, w.Body)
		}
	}
	w := r.ask(t, "POST", "/apply", "jobs:\n  a:\n    zqzqz: 1\n", "Content-Type", "application/yaml")
	if !strings.Contains(w.Body.String(), `"message":"line 3, column 5: `) {
		t.Errorf("the place is not told: %s", w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/apply", `{"jobs":{"a":1,"a":2}}`), "invalid")
	if jobs, err := r.store.ListJobs(t.Context()); err != nil || len(jobs) != 1 {
		t.Errorf("got %d jobs, %v", len(jobs), err)
	}
	r.who.Role = access.Editor
	r.refused(t, r.ask(t, "POST", "/apply", `{"jobs":{"a":{"schedule":"0 4 * * *","selector":"web","script":"/x"}}}`), "local-only")
}

// A whole job is looked at before it is added.
func TestValidateSpec(t *testing.T) {
	r := newRig(t)
	r.who.Role = access.Viewer
	var v api.Validation
	ask := func(body string) {
		t.Helper()
		w := r.ask(t, "POST", "/validate", body)
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	if ask(`{"job":"sweep","spec":` + sweepSpec + `}`); v.Hosts == nil || *v.Hosts != 2 || len(v.Next) == 0 || v.Schedule == "" {
		t.Errorf("got %+v", v)
	}
	r.refused(t, r.ask(t, "POST", "/validate", `{"spec":{"schedule":"0 4 * * *"}}`), "invalid")
	r.refused(t, r.ask(t, "POST", "/validate", `{"spec":`+sweepSpec+`,"selector":"web"}`), "invalid")
	r.refused(t, r.ask(t, "POST", "/validate", `{"spec":{"schedule":"0 4 * * *","selector":"web","script":"/etc/passwd"}}`), "local-only")
	if jobs, err := r.store.ListJobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("got %d jobs, %v", len(jobs), err)
	}
	r.who.Scopes = []string{"web1"}
	r.refused(t, r.ask(t, "POST", "/validate", `{"spec":`+sweepSpec+`}`), "scope")
}

// Who has a scope sees the jobs that would run on a host of it, and of their firings
// these hosts only.
func TestVisibleJobs(t *testing.T) {
	r := newRig(t)
	r.add(t, "all", func(j *scheduler.Job) { j.Selector = "all" })
	r.add(t, "dbs", func(j *scheduler.Job) { j.Selector = "db1" })
	r.add(t, "lost", func(j *scheduler.Job) { j.Selector = "gone" })
	r.add(t, "named", func(j *scheduler.Job) { j.Selector, j.Options["hosts"] = "", []string{"web1"} })
	r.add(t, "web", nil)
	ticket, err := r.store.RequestFiring(t.Context(), "all", "ann", noon)
	if err != nil {
		t.Fatal(err)
	}
	run := r.recordFiring(t, "all", ticket)
	if err := r.store.SetExitCode(t.Context(), run, 3); err != nil { // of db1
		t.Fatal(err)
	}
	r.who = access.Principal{Name: "eve", Role: access.Operator, Scopes: []string{"web"}}
	var list api.List[api.Job]
	r.get(t, "/jobs", &list)
	var names []string
	for _, job := range list.Items {
		names = append(names, job.Job)
	}
	if !slices.Equal(names, []string{"all", "web"}) {
		t.Errorf("got %q", names)
	}
	for _, path := range []string{"", "/log", "/next", "/changes", "/changes/1"} {
		for _, job := range []string{"dbs", "lost", "named"} {
			r.refused(t, r.ask(t, "GET", "/jobs/"+job+path, ""), "no-job")
		}
		if w := r.ask(t, "GET", "/jobs/all"+path, ""); w.Code != 200 {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/pause", "/run", "/kill"} {
		r.refused(t, r.ask(t, "POST", "/jobs/dbs"+path, ""), "no-job")
	}
	if w := r.ask(t, "GET", "/jobs/db", ""); strings.Contains(w.Body.String(), "dbs") {
		t.Errorf("a name is told: %s", w.Body)
	}
	if w := r.ask(t, "GET", "/export", "", "Accept", "application/yaml"); strings.Contains(w.Body.String(), "dbs") || !strings.Contains(w.Body.String(), "web:") {
		t.Errorf("got %s", w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/export?job=dbs", ""), "no-job")
	if w := r.ask(t, "GET", "/schedule", ""); strings.Contains(w.Body.String(), `"dbs"`) || !strings.Contains(w.Body.String(), `"web"`) {
		t.Errorf("got %s", w.Body)
	}
	var job api.JobDetails
	r.get(t, "/jobs/all", &job)
	var firings api.List[api.Firing]
	r.get(t, "/jobs/all/log", &firings)
	for _, f := range []*api.Firing{job.Last, &job.Firings[0], &firings.Items[0]} {
		if f == nil || f.Run != run || f.Hosts != 2 || f.Counts["ok"] != 2 || f.Counts["failed"] != 0 {
			t.Errorf("got %+v", f)
		}
		if f != nil && (f.ExitCode == nil || *f.ExitCode != 0) {
			t.Errorf("got exit code %v of a run whose visible hosts are ok", f.ExitCode)
		}
	}
	r.who.Scopes = []string{"web2"}
	r.who.Jobs = []string{"web"}
	if r.get(t, "/jobs", &list); len(list.Items) != 1 || list.Items[0].Job != "web" {
		t.Errorf("got %+v", list.Items)
	}
}

// recordFiring records the run of a firing, see record.
func (r *rig) recordFiring(t *testing.T, job string, ticket scheduler.Assignment) int64 {
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
	if _, err = r.store.ClaimFiring(t.Context(), member, ticket.ID, noon); err != nil {
		t.Fatal(err)
	}
	return r.record(t, store.RunInfo{Job: job, JobID: kept.ID, Firing: ticket.ID, Owner: member}, up)
}

// What is refused for want of a right is in the audit.
func TestRefusedChangesAreAudited(t *testing.T) {
	r := newRig(t)
	r.add(t, "all", func(j *scheduler.Job) { j.Selector = "all" })
	admin := r.who
	r.who = access.Principal{Name: "eve", Role: access.Editor, Scopes: []string{"web"}}
	r.refused(t, r.ask(t, "POST", "/jobs/all/pause", ""), "scope")
	r.refused(t, r.ask(t, "PUT", "/jobs/x", strings.Replace(sweepSpec, `"command"`, `"script"`, 1), "If-None-Match", "*"), "local-only")
	r.who.Role = access.Viewer
	r.refused(t, r.ask(t, "POST", "/jobs/all/pause", ""), "role")
	r.who = admin
	var audit api.List[api.AuditEntry]
	r.get(t, "/audit", &audit)
	var got []string
	for _, e := range audit.Items {
		got = append(got, e.Actor+" "+e.Action+" "+e.Object+" "+string(e.Outcome))
	}
	want := []string{"eve request operation:pauseJob refused", "eve job.add job:x refused", "eve job.pause job:all refused"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
