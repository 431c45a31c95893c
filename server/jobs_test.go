package server_test

import (
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/scheduler"
)

func TestJobs(t *testing.T) {
	r := newRig(t)
	var none api.List[api.Job]
	if w := r.get(t, "/jobs", &none); strings.TrimSpace(w.Body.String()) != `{"schema":1,"type":"list","items":[]}` {
		t.Errorf("got %s", w.Body)
	}
	for _, name := range []string{"backup", "sweep", "watch"} {
		r.add(t, name, func(j *scheduler.Job) { j.Paused = name == "sweep" })
	}
	var page api.List[api.Job]
	r.get(t, "/jobs?limit=2", &page)
	if len(page.Items) != 2 || page.Items[0].Job != "backup" || page.Next == "" {
		t.Fatalf("got %+v", page)
	}
	next := page.Next
	page = api.List[api.Job]{}
	r.get(t, "/jobs?limit=2&after="+next, &page)
	if len(page.Items) != 1 || page.Items[0].Job != "watch" || page.Next != "" {
		t.Errorf("got %+v", page)
	}
	page = api.List[api.Job]{}
	if r.get(t, "/jobs?state=paused", &page); len(page.Items) != 1 || page.Items[0].Job != "sweep" {
		t.Errorf("got %+v", page)
	}
	page = api.List[api.Job]{}
	if r.get(t, "/jobs?q=echo+b", &page); len(page.Items) != 1 || page.Items[0].Job != "backup" {
		t.Errorf("got %+v", page)
	}
	var job api.JobDetails
	w := r.get(t, "/jobs/backup", &job)
	if w.Header().Get("ETag") != `"1"` || job.Version != 1 || len(job.Next) != 3 || len(job.Changes) != 1 {
		t.Errorf("got %v, %s", w.Header(), w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/jobs/bakup", ""), "no-job")
	r.refused(t, r.ask(t, "GET", "/jobs/bakup/log", ""), "no-job")
	r.refused(t, r.ask(t, "GET", "/jobs?state=bad", ""), "invalid")
	var changes api.List[api.Change]
	if r.get(t, "/jobs/backup/changes", &changes); len(changes.Items) != 1 || changes.Items[0].What != "added" {
		t.Errorf("got %+v", changes)
	}
}

// The next firings follow one another over the pages.
func TestNextFirings(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", nil)
	var page api.List[api.Next]
	r.get(t, "/jobs/backup/next?limit=2&from=2027-03-01T22:30:00Z", &page)
	next := page.Next
	text := func(i int) string { return event.FormatTime(time.Time(page.Items[i].ScheduledAt)) }
	got := text(0) + " " + text(1)
	page = api.List[api.Next]{}
	r.get(t, "/jobs/backup/next?limit=1&from=2027-03-01T22:30:00Z&after="+next, &page)
	got += " " + text(0)
	if want := "2027-03-01T23:00:00.000Z 2027-03-02T00:00:00.000Z 2027-03-02T01:00:00.000Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.refused(t, r.ask(t, "GET", "/jobs/backup/next?from=noon", ""), "invalid")
}

// Firings are listed newest first, page by page, and by their decision.
func TestFirings(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", func(j *scheduler.Job) { j.Overlap = scheduler.OverlapAllow })
	for range 3 {
		if _, err := r.store.RequestFiring(t.Context(), "backup", "bob", noon); err != nil {
			t.Fatal(err)
		}
	}
	var ids []int64
	path := "/jobs/backup/log?limit=2"
	for path != "" {
		var page api.List[api.Firing]
		r.get(t, path, &page)
		for _, f := range page.Items {
			ids = append(ids, f.Firing)
		}
		if path = ""; page.Next != "" {
			path = "/jobs/backup/log?limit=2&after=" + page.Next
		}
	}
	if len(ids) != 3 || ids[0] < ids[1] || ids[1] < ids[2] {
		t.Errorf("got %v", ids)
	}
	var page api.List[api.Firing]
	if r.get(t, "/jobs/backup/log?decision=missed,skipped", &page); len(page.Items) != 0 {
		t.Errorf("got %+v", page)
	}
	r.refused(t, r.ask(t, "GET", "/jobs/backup/log?decision=lost", ""), "invalid")
	r.refused(t, r.ask(t, "GET", "/jobs/backup/log?since=noon", ""), "invalid")
}

func TestSchedule(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", func(j *scheduler.Job) { j.Schedules = []string{"30 2 * * *"} })
	r.add(t, "sweep", nil)
	r.add(t, "paused", func(j *scheduler.Job) { j.Paused = true })
	r.add(t, "often", func(j *scheduler.Job) { j.Schedules, j.Seconds = []string{"* * * * * *"}, true })
	var c api.Calendar
	r.get(t, "/schedule?from=2027-03-02T02:00:00Z&to=2027-03-02T02:00:02Z", &c)
	if len(c.Firings) != 2 || c.Firings[0].Job != "often" || c.Truncated {
		t.Errorf("got %+v", c)
	}
	c = api.Calendar{}
	if r.get(t, "/schedule?to=2027-03-02T12:00:00Z", &c); len(c.Firings) != 10_000 || !c.Truncated {
		t.Errorf("got %d firings, truncated: %v", len(c.Firings), c.Truncated)
	}
	r.refused(t, r.ask(t, "GET", "/schedule?to=2027-04-30T12:00:00Z", ""), "invalid")
	for _, name := range []string{"more", "most"} {
		r.add(t, name, func(j *scheduler.Job) { j.Schedules, j.Seconds = []string{"* * * * * *"}, true })
	}
	c = api.Calendar{}
	r.get(t, "/schedule?from=2027-03-02T02:30:00Z&to=2027-03-20T00:00:00Z", &c)
	counts := map[string]int{}
	for _, f := range c.Firings {
		counts[f.Job]++
	}
	if counts["often"] < 3332 || counts["more"] < 3332 || counts["most"] < 3332 || len(c.Firings) != 10_000 || !c.Truncated {
		t.Errorf("got %v, truncated: %v", counts, c.Truncated)
	}
}

// When a job fires has no end, and what is listed of it has one.
func TestNextEnds(t *testing.T) {
	r := newRig(t)
	r.add(t, "often", func(j *scheduler.Job) { j.Schedules, j.Seconds = []string{"* * * * * *"}, true })
	w := r.ask(t, "GET", "/jobs/often/next", "", "Accept", "application/x-ndjson")
	if n := strings.Count(w.Body.String(), "\n"); n != 10_000 {
		t.Errorf("got %d firings", n)
	}
	var page api.List[api.Next]
	after, told := "", 0
	for {
		page = api.List[api.Next]{}
		r.get(t, "/jobs/often/next?limit=1000&after="+after, &page)
		told += len(page.Items)
		if after = page.Next; after == "" {
			break
		}
	}
	if told != 10_000 {
		t.Errorf("got %d firings", told)
	}
}

// A principal that is limited to some jobs knows of no others.
func TestOwnJobsOnly(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", nil)
	r.add(t, "sweep", nil)
	r.who = access.Principal{Name: "ci", Role: access.Operator, Jobs: []string{"sweep"}}
	var page api.List[api.Job]
	if r.get(t, "/jobs", &page); len(page.Items) != 1 || page.Items[0].Job != "sweep" {
		t.Errorf("got %+v", page)
	}
	for _, path := range []string{"/jobs/backup", "/jobs/backup/log", "/jobs/backup/next", "/jobs/backup/changes"} {
		r.refused(t, r.ask(t, "GET", path, ""), "no-job")
	}
	var c api.Calendar
	r.get(t, "/schedule?to=2027-03-02T12:00:00Z", &c)
	for _, f := range c.Firings {
		if f.Job != "sweep" {
			t.Errorf("got %+v", f)
		}
	}
}
