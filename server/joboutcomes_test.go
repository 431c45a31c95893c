package server_test

import (
	"fmt"
	"slices"
	"testing"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
)

// How hosts ended in the newest runs of a job, for who may see them; db1 always fails.
func TestJobOutcomes(t *testing.T) {
	r := newRig(t)
	r.add(t, "nightly", func(j *scheduler.Job) { j.Selector = "all" })
	fire := func() {
		t.Helper()
		ticket, err := r.store.RequestFiring(t.Context(), "nightly", "ann", noon)
		if err != nil {
			t.Fatal(err)
		}
		r.recordFiring(t, "nightly", ticket)
	}
	fire()
	fire()
	r.startFiring(t, "nightly", "web") // goes on
	show := func(query string) (lines []string) {
		t.Helper()
		var form api.JobOutcomes
		r.get(t, "/jobs/nightly/outcomes"+query, &form)
		for _, run := range form.Runs {
			lines = append(lines, fmt.Sprintf("run %d %s %d of %d", run.Run, run.State, run.Bad, run.Hosts))
		}
		for _, host := range form.Hosts {
			lines = append(lines, fmt.Sprintf("%s %d %q", host.Host, host.Bad, host.Outcomes))
		}
		return append(lines, fmt.Sprintf("and %d, %d bad", form.MoreHosts, form.MoreBad))
	}
	for _, tt := range []struct {
		scope, query string
		want         []string
	}{
		{"", "", []string{"run 1 finished 1 of 3", "run 2 finished 1 of 3", `db1 2 ["failed" "failed"]`, `web1 0 ["ok" "ok"]`, `web2 0 ["ok" "ok"]`, "and 0, 0 bad"}},
		{"", "?runs=1&hosts=1", []string{"run 2 finished 1 of 3", `db1 1 ["failed"]`, "and 2, 0 bad"}},
		{"web2", "", []string{"run 1 finished 0 of 1", "run 2 finished 0 of 1", `web2 0 ["ok" "ok"]`, "and 0, 0 bad"}},
		{"db1", "", []string{"run 1 finished 1 of 1", "run 2 finished 1 of 1", `db1 2 ["failed" "failed"]`, "and 0, 0 bad"}},
	} {
		r.who = access.Principal{Name: "eve", Role: access.Viewer}
		if tt.scope != "" {
			r.who.Scopes = []string{tt.scope}
		}
		if got := show(tt.query); !slices.Equal(got, tt.want) {
			t.Errorf("%q %q: got %q, want %q", tt.scope, tt.query, got, tt.want)
		}
	}
	r.who = access.Principal{Name: "eve", Role: access.Viewer, Jobs: []string{"other"}}
	r.refused(t, r.ask(t, "GET", "/jobs/nightly/outcomes", ""), "no-job")
	r.who = access.Principal{Name: "ann", Role: access.Admin}
	r.add(t, "never", nil)
	if w := r.get(t, "/jobs/never/outcomes", &api.JobOutcomes{}); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
