package server_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/runner"
	"tutti/store"
)

// triedQueries are the values that each name of a query of an operation on runs is
// tried with.
var triedQueries = map[string][]string{
	"limit": {"1", "2"}, "after": {""}, "q": {"uptime", "db1", "web", "up"}, "since": {"2000-01-01"}, "until": {"2000-01-01", "record"},
	"source": {"cli", "api"}, "user": {"ann", "bob"}, "state": {"finished", "queued", "running", "ended", "waiting"},
	"outcome": {"ok", "failed", "skipped", "lost", "ok,failed"}, "host": {"web1", "web2", "db1", "nowhere", "b"}, "job": {"x"},
	"selector": {"all", "web", "web1,db1", "web2,db1", "web1,nowhere", "db1", "all,!db1"}, "note": {"night"}, "rerun_of": {"1", "4"},
	"started": {"true", "false"}, "output": {"head", "none"}, "bytes": {"3"}, "with": {"1", "2", "3", "4", "last"}, "by": {"outcome", "exit", "output"},
	"stream": {"stdout", "stderr"}, "attempt": {"1", "2", "last"}, "offset": {"2"}, "line": {"1"}, "lines": {"1"}, "tail": {"1"}, "count": {"true"}, "fold": {"true"},
	"download": {"true"}, "hosts": {"web1", "db1", "web1,db1"}, "from": {"1"},
}

// neededBeside is what a name needs beside it.
var neededBeside = map[string]string{"by": "with=1&", "lines": "line=1&", "fold": "q=UP&"}

// scopedRig has the same runs for every principal, each on those of its hosts that are left.
func scopedRig(t *testing.T, left func(host string) bool) *rig {
	t.Helper()
	r := newRig(t)
	for i, x := range []struct {
		selector string
		hosts    []string
	}{
		{"all", []string{"web1", "web2", "db1"}},
		{"web1,db1", []string{"web1", "db1"}},
		{"all,!web1", []string{"web2", "db1"}},
		{"db1", []string{"db1"}},
		{"web", []string{"web1", "web2"}},
		{"all", []string{"web1", "web2", "db1"}},
	} {
		hosts := slices.DeleteFunc(slices.Clone(x.hosts), func(host string) bool { return !left(host) })
		if len(hosts) == 0 {
			hosts = []string{"gone"} // which is in no scope
		}
		info := store.RunInfo{User: "ann", Note: "night", ExitCode: func(s fanout.Summary) int { return runner.ExitCode(s, nil, nil) }}
		r.recordOn(t, info, x.selector, hosts, func(host string) string { return strings.Repeat(up(host), 1+i%2) })
	}
	var targets []fanout.Target
	for _, host := range []string{"db1", "web1", "web2"} {
		if left(host) {
			targets = append(targets, fanout.Target{Index: len(targets), Name: host})
		}
	}
	_, err := r.store.Queue().Submit(t.Context(), store.Submission{
		Plan: fanout.Plan{Source: "api", Selector: "db1,web", Targets: targets}, Info: store.RunInfo{User: "ann"}, Now: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.refuse(t, targets)
	return r
}

// refuse submits a run that is not started, for a reason that names all its hosts, also
// those of an option, if it has several.
func (r *rig) refuse(t *testing.T, targets []fanout.Target) {
	t.Helper()
	s := store.Submission{
		Plan: fanout.Plan{Source: "api", Selector: "all", Targets: targets}, Priority: 1, Now: noon,
		Info: store.RunInfo{User: "ann", Given: map[string][]string{"timeout": {"1m"}}},
	}
	reason := ""
	if len(targets) == 3 {
		s.Info.Given["hosts"], reason = []string{"db1,web1,web2"}, "of its 3 hosts, no longer in the inventory: db1,web1,web2"
	}
	if _, err := r.store.Queue().Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	claimed, err := r.store.Queue().Claim(t.Context(), r.daemon(t), 1)
	if err != nil || len(claimed) != 1 || claimed[0].Priority != 1 {
		t.Fatalf("got %+v, %v", claimed, err)
	}
	if err := r.store.Queue().Fail(t.Context(), claimed[0].QueueEntry, reason, noon); err != nil {
		t.Fatal(err)
	}
}

// notCompared are what of an answer is not about hosts: times, cursors, the number of a
// request, and how many hosts are hidden, which is all that an answer says of them.
var notCompared = regexp.MustCompile(`"(?:[a-z_]+_at|time|next|request)":"[^"]*"|"(?:duration_ms|elapsed_ms|hidden)":\d+,?`)

// TestScopedAnswers: whatever is asked about runs, who has a scope is answered as if the
// hosts outside of it had no part in them.
func TestScopedAnswers(t *testing.T) {
	all, _ := describedOperations(t, newRig(t).Document())
	for scope, in := range map[string]func(host string) bool{
		"web": func(host string) bool { return host != "db1" },
		"db1": func(host string) bool { return host == "db1" },
	} {
		t.Run(scope, func(t *testing.T) {
			whole, part := scopedRig(t, func(string) bool { return true }), scopedRig(t, in)
			for _, r := range []*rig{whole, part} {
				r.who = access.Principal{Name: "eve", Role: access.Admin, Scopes: []string{scope}}
			}
			shown := 0
			for i := range all {
				d := &all[i]
				if d.method != "GET" || !strings.HasPrefix(d.path, "/runs") && d.path != "/queue" {
					continue
				}
				for _, target := range scopedTargets(t, d) {
					want, got := askScoped(t, part, target), askScoped(t, whole, target)
					a, b := notCompared.ReplaceAllString(want.Body.String(), ""), notCompared.ReplaceAllString(got.Body.String(), "")
					if want.Code != got.Code || a != b {
						t.Errorf("%s: got %d %s\nwithout the hidden hosts it is %d %s", target, got.Code, got.Body, want.Code, want.Body)
					}
					if got.Code == 200 && strings.Contains(b, `"host`) {
						shown++
					}
					for _, host := range []string{"web1", "web2", "db1"} {
						if !in(host) && strings.Contains(b, host) {
							t.Errorf("%s: %s is in %s", target, host, got.Body)
						}
					}
				}
			}
			if shown < 50 {
				t.Errorf("only %d answers had hosts", shown)
			}
		})
	}
}

// askScoped asks as often as it likes.
func askScoped(t *testing.T, r *rig, target string) *httptest.ResponseRecorder {
	t.Helper()
	r.now = r.now.Add(time.Second)
	accept := "*/*"
	if strings.Contains(target, "/events") {
		accept = "application/x-ndjson"
	}
	return r.ask(t, "GET", target, "", "Accept", accept)
}

// scopedTargets are the paths of an operation with each name of a query.
func scopedTargets(t *testing.T, d *described) (targets []string) {
	t.Helper()
	base := ""
	switch {
	case strings.HasSuffix(d.path, "/events"):
		base = "until=record&"
	case strings.HasSuffix(d.path, "/diff"):
		base = "with=1&"
	}
	queries := []string{base}
	for _, p := range d.Parameters {
		if p.In != "query" {
			continue
		}
		values := triedQueries[p.Name]
		if values == nil {
			t.Errorf("%s: no value is tried of %s", d.path, p.Name)
		}
		for _, value := range values {
			beside := neededBeside[p.Name]
			if beside == "" {
				beside = base
			}
			if !strings.HasPrefix(beside, p.Name+"=") {
				queries = append(queries, beside+p.Name+"="+value)
			} else {
				queries = append(queries, p.Name+"="+value)
			}
		}
	}
	if d.path == "/runs" {
		for _, outcome := range triedQueries["outcome"] {
			for _, host := range triedQueries["host"] {
				queries = append(queries, "outcome="+outcome+"&host="+host)
			}
			for _, selector := range triedQueries["selector"] {
				queries = append(queries, "outcome="+outcome+"&selector="+selector)
			}
		}
	}
	paths := []string{d.path}
	for name, values := range map[string][]string{"{run}": {"1", "3", "4", "7", "8", "last"}, "{host}": {"web1", "db1", "nowhere"}} {
		if !strings.Contains(d.path, name) {
			continue
		}
		var more []string
		for _, path := range paths {
			for _, value := range values {
				more = append(more, strings.ReplaceAll(path, name, value))
			}
		}
		paths = more
	}
	for _, path := range paths {
		for _, query := range queries {
			targets = append(targets, fmt.Sprint(path, "?", strings.TrimSuffix(query, "&")))
		}
	}
	return targets
}
