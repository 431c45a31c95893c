package server_test

import (
	"encoding/json"
	"slices"
	"testing"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
)

// Whether a job fails or runs, and since when, is told by the hosts that who asks may see;
// on db1 it always fails.
func TestSeenFailures(t *testing.T) {
	r := newRig(t)
	r.add(t, "nightly", func(j *scheduler.Job) { j.Selector = "all" })
	for range 3 {
		ticket, err := r.store.RequestFiring(t.Context(), "nightly", "ann", noon)
		if err != nil {
			t.Fatal(err)
		}
		r.recordFiring(t, "nightly", ticket)
	}
	check := func(scopes []string, state string, failures int, running ...int64) {
		t.Helper()
		r.who = access.Principal{Name: "eve", Role: access.Viewer, Scopes: scopes}
		var details api.JobDetails
		r.get(t, "/jobs/nightly", &details)
		var list, failing api.List[api.Job]
		r.get(t, "/jobs", &list)
		r.get(t, "/jobs?state=failing", &failing)
		if len(list.Items) != 1 || (len(failing.Items) == 1) != (failures > 0) {
			t.Fatalf("%q: got %d jobs, %d that fail", scopes, len(list.Items), len(failing.Items))
		}
		for _, job := range []api.Job{details.Job, list.Items[0]} {
			if job.State != state || job.Failures != failures || (job.FailingSince != nil) != (failures > 0) || !slices.Equal(job.Running, running) {
				t.Errorf("%q: got %s, %d failures since %v, runs %d, want %s, %d, %d", scopes, job.State, job.Failures, job.FailingSince, job.Running, state, failures, running)
			}
		}
	}
	check(nil, "failing", 3)
	check([]string{"db1"}, "failing", 3)
	check([]string{"web,db1"}, "failing", 3)
	check([]string{"web"}, "ok", 0)
	run := r.startFiring(t, "nightly", "web")
	check(nil, "running", 3, run)
	check([]string{"web2"}, "running", 0, run)
	check([]string{"db1"}, "failing", 3)
	r.who = access.Principal{Name: "ann", Role: access.Admin}
	if w := r.ask(t, "POST", "/jobs/nightly/pause", ""); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	check([]string{"db1"}, "paused", 3)
}

// The place of a run that waits is that among those that who asks may see.
func TestSeenPlaces(t *testing.T) {
	r := newRig(t)
	for _, selector := range []string{"db1", "web", "db1", "web2", "all"} {
		started(t, r.ask(t, "POST", "/runs", `{"selector":"`+selector+`","command":"true"}`))
	}
	places := func() (got []int) {
		t.Helper()
		var queue api.List[api.QueueItem]
		r.get(t, "/queue", &queue)
		for _, item := range queue.Items {
			got = append(got, int(item.Run.Run), item.Place)
		}
		return got
	}
	for scope, want := range map[string][]int{
		"":    {1, 1, 2, 2, 3, 3, 4, 4, 5, 5},
		"web": {2, 1, 4, 2, 5, 3},
		"db1": {1, 1, 3, 2, 5, 3},
	} {
		r.who = access.Principal{Name: "eve", Role: access.Operator}
		if scope != "" {
			r.who.Scopes = []string{scope}
		}
		if got := places(); !slices.Equal(got, want) {
			t.Errorf("%q: got %d, want %d", scope, got, want)
		}
	}
	r.who = access.Principal{Name: "eve", Role: access.Operator, Scopes: []string{"web"}}
	var moved api.QueueItem
	w := r.ask(t, "PATCH", "/queue/4", `{"priority":9}`)
	if err := json.Unmarshal(w.Body.Bytes(), &moved); err != nil || w.Code != 200 || moved.Place != 1 || moved.Priority != 9 {
		t.Errorf("got %d %s, %v", w.Code, w.Body, err)
	}
}
