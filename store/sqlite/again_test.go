package sqlite

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

func TestDecided(t *testing.T) {
	s := openTest(t, tempPath(t))
	given := map[string][]string{"timeout": {"30s"}, "identity": {"/a", "/b,c"}}
	p := testPlan("a")
	p.Task.Dir = "/srv"
	p.Task.Env = []fanout.Variable{{Name: "TOKEN", Secret: fanout.Secret("canary")}}
	with := recordPlan(t, s, p, store.RunInfo{Given: given}, 0, fanout.OK)
	without := recordPlan(t, s, testPlan("a"), store.RunInfo{}, 1, fanout.OK)

	got, err := s.Decided(t.Context(), with)
	if err != nil || !maps.EqualFunc(got.Given, given, slices.Equal) {
		t.Errorf("got %v, %v, want %v", got.Given, err, given)
	}
	if got.Task.Dir != "/srv" || len(got.Task.Env) != 1 || len(got.Task.Env[0].Secret) != 0 || got.Task.Env[0].Secret == nil {
		t.Errorf("got %+v, want the task without what is secret", got.Task)
	}
	if got, err := s.Decided(t.Context(), without); err != nil || got.Given != nil || got.Task.Dir != "" {
		t.Errorf("a run without: got %v, %v, want nothing", got, err)
	}
	_, err = s.Decided(t.Context(), 99)
	if missing := (*store.NoRunError)(nil); !errors.As(err, &missing) || missing.Newest != without {
		t.Errorf("no such run: got %v, want a *NoRunError that knows the newest", err)
	}
	plans, err := column[string](t.Context(), s.r, "SELECT plan FROM runs")
	if err != nil || strings.Contains(strings.Join(plans, " "), "canary") {
		t.Errorf("got %v, %v, want no secret in it", plans, err)
	}
}

func TestResults(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("b", "a", "c", "d")
	r := begin(t, s, p, store.RunInfo{})
	handle(t, r, hostEvents(&p, 0, "hello", 0)...)
	handle(t, r, hostEvents(&p, 1, "hello", 7)...)
	if err := r.Starting(t.Context(), p.Targets[2], 1, "10.0.0.3:22"); err != nil {
		t.Fatal(err)
	}
	closeRecorder(t, r)

	results, err := s.Results(t.Context(), r.RunID())
	if err != nil {
		t.Fatal(err)
	}
	want := []fanout.Outcome{fanout.OK, fanout.Failed, fanout.Lost, fanout.Skipped}
	if len(results) != len(want) {
		t.Fatalf("got %d results, want %d", len(results), len(want))
	}
	for i, got := range results {
		if got.Target.Index != i || got.Target.Name != p.Targets[i].Name || got.Outcome != want[i] {
			t.Errorf("got %d, %s, %s, want %d, %s, %s",
				got.Target.Index, got.Target.Name, got.Outcome, i, p.Targets[i].Name, want[i])
		}
	}
	if exit := results[1].Report.Exit; exit == nil || exit.Code != 7 || results[1].StdoutBytes != 5 || results[1].Attempts != 1 {
		t.Errorf("got %+v, want what was recorded", results[1].Result)
	}
	if h := results[0].OutputHash; h == "" || h != results[1].OutputHash || results[3].OutputHash != "" {
		t.Errorf("got hashes %q, %q, %q, want two equal ones and none", h, results[1].OutputHash, results[3].OutputHash)
	}
	if results, err := s.Results(t.Context(), 99); err != nil || results != nil {
		t.Errorf("no such run: got %v, %v, want nothing", results, err)
	}
}
