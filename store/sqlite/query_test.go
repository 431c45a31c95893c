package sqlite

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// recordPlan records a run of p, begun hours after the epoch, in which each
// host ends with its outcome.
func recordPlan(tb testing.TB, s *Store, p fanout.Plan, info store.RunInfo, hours int, outcomes ...fanout.Outcome) int64 {
	tb.Helper()
	r := begin(tb, s, p, info)
	start := epoch.Add(time.Duration(hours) * time.Hour)
	sum := &fanout.Summary{Started: start, Ended: start.Add(time.Second)}
	for i, o := range outcomes {
		res := fanout.Result{Target: p.Targets[i], Outcome: o, Attempts: 1}
		sum.Add(res)
		handle(tb, r, fanout.Event{Kind: fanout.TargetFinished, Time: start, Target: &p.Targets[i], Attempt: 1, Result: &res})
	}
	handle(tb, r, fanout.Event{Kind: fanout.RunFinished, Time: sum.Ended, Summary: sum})
	closeRecorder(tb, r)
	return r.RunID()
}

// queryHistory has five runs, the fourth of a job and the last still running.
func queryHistory(tb testing.TB) *Store {
	tb.Helper()
	s := openTest(tb, tempPath(tb))
	plan := func(source, command string, hosts ...string) fanout.Plan {
		p := testPlan(hosts...)
		p.Source, p.Task.Action = source, fanout.Command(command)
		return p
	}
	ann, bob := store.RunInfo{User: "ann"}, store.RunInfo{User: "bob"}
	recordPlan(tb, s, plan("cli", "uptime", "a", "b"), ann, 0, fanout.OK, fanout.OK)
	recordPlan(tb, s, plan("cli", "df -h /var", "b", "c"), ann, 1, fanout.Failed, fanout.Unreachable)
	recordPlan(tb, s, plan("rerun", "df -h /var", "c"), bob, 2, fanout.OK)
	recordPlan(tb, s, plan("job", "apt-get update", "a", "b", "c"), ann, 3, fanout.OK, fanout.Lost, fanout.Failed)
	begin(tb, s, plan("cli", "sleep 100%_'", "a"), ann)
	return s
}

func TestRuns(t *testing.T) {
	s := queryHistory(t)
	failed := []fanout.Outcome{fanout.Failed}
	tests := []struct {
		name  string
		query store.Query
		want  []int64
	}{
		{"all", store.Query{}, []int64{5, 4, 3, 2, 1}},
		{"limit", store.Query{Limit: 2}, []int64{5, 4}},
		{"host", store.Query{Host: "a"}, []int64{5, 4, 1}},
		{"no such host", store.Query{Host: "A"}, nil},
		{"outcome", store.Query{Outcomes: failed}, []int64{4, 2}},
		{"outcomes", store.Query{Outcomes: []fanout.Outcome{fanout.Lost, fanout.Unreachable}}, []int64{4, 2}},
		{"no outcome", store.Query{Outcomes: []fanout.Outcome{}}, nil},
		{"host and outcome", store.Query{Host: "b", Outcomes: failed}, []int64{2}},
		{"since", store.Query{Since: epoch.Add(2 * time.Hour)}, []int64{5, 4, 3}},
		{"a word", store.Query{Words: []string{"/var"}}, []int64{3, 2}},
		{"words", store.Query{Words: []string{"-h", "df"}}, []int64{3, 2}},
		{"words not all there", store.Query{Words: []string{"df", "uptime"}}, nil},
		{"a word is no pattern", store.Query{Words: []string{"%_'"}}, []int64{5}},
		{"source", store.Query{Source: "job"}, []int64{4}},
		{"user", store.Query{User: "bob"}, []int64{3}},
		{"everything", store.Query{Host: "c", Outcomes: failed, Since: epoch, Words: []string{"apt"}, Source: "job", User: "ann", Limit: 1}, []int64{4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runs, err := s.Runs(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range runs {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRun(t *testing.T) {
	s := queryHistory(t)
	tests := []struct {
		ref, user string
		want      int64
		err       string
	}{
		{"2", "", 2, ""},
		{"5", "", 5, ""},
		{"last", "ann", 2, ""},
		{"last", "bob", 3, ""},
		{"last", "", 3, ""},
		{"last~0", "", 3, ""},
		{"last~1", "", 2, ""},
		{"last~1", "ann", 1, ""},
		{"last~2", "ann", 0, `no run "last~2" in the history`},
		{"last", "eve", 0, `no run "last" in the history`},
		{"6", "", 0, `no run "6" in the history`},
		{"0", "", 0, `"0" is not a run`},
		{"-1", "", 0, `"-1" is not a run`},
		{"+1", "", 0, `"+1" is not a run`},
		{"", "", 0, `"" is not a run`},
		{"lastly", "", 0, `"lastly" is not a run`},
		{"last~", "", 0, `"last~" is not a run`},
		{"last~-1", "", 0, `"last~-1" is not a run`},
		{"99999999999999999999", "", 0, `"99999999999999999999" is not a run`},
	}
	for _, tt := range tests {
		t.Run(tt.ref+" of "+tt.user, func(t *testing.T) {
			run, err := s.Run(t.Context(), tt.ref, tt.user)
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			if run.ID != tt.want {
				t.Errorf("got %d, want %d", run.ID, tt.want)
			}
			if e, ok := errors.AsType[*store.NoRunError](err); ok && (e.Newest != 5 || wayOut(e) != store.AdviceNoRun+" 5") {
				t.Errorf("got newest %d and advice %q, want 5", e.Newest, wayOut(e))
			}
		})
	}
}

func TestHostsOf(t *testing.T) {
	s := queryHistory(t)
	for _, tt := range []struct {
		ref      string
		outcomes []fanout.Outcome
		want     []string
	}{
		{"4", nil, []string{"a", "b", "c"}},
		{"4", []fanout.Outcome{fanout.Failed, fanout.Lost}, []string{"b", "c"}},
		{"last~1", []fanout.Outcome{fanout.OK}, nil},
		{"5", []fanout.Outcome{fanout.OK}, nil},
		{"5", nil, []string{"a"}},
	} {
		got, err := s.HostsOf(t.Context(), tt.ref, "", tt.outcomes)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: got %q, %v, want %q", tt.ref, tt.outcomes, got, err, tt.want)
		}
	}
	if _, err := s.HostsOf(t.Context(), "77", "", nil); err == nil {
		t.Error("a missing run: got no error")
	}
}

// The questions that are asked all the time must not read every result, or
// sort.
func TestQueryPlans(t *testing.T) {
	s := openTest(t, tempPath(t))
	where, args := whereRuns(store.Query{Host: "a", Outcomes: []fanout.Outcome{fanout.OK}})
	all, _ := whereRuns(store.Query{Outcomes: fanout.Outcomes()})
	for _, tt := range []struct {
		name, query string
		args        []any
	}{
		{"list", "SELECT " + tables.RunColumns + " FROM runs" + all + " ORDER BY id DESC", nil},
		{"list by host", "SELECT " + tables.RunColumns + " FROM runs" + where + " ORDER BY id DESC", args},
		{"last", s.runs.lastQuery(ofUser), []any{"me", 0}},
		{"last of a principal", s.runs.lastQuery(ofPrincipal), []any{"me", 0}},
		{"running", runningRuns, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := s.r.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+tt.query, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN r ") ||
					tt.name == "last" && !strings.Contains(step, "runs_last") ||
					tt.name == "last of a principal" && !strings.Contains(step, "runs_principal") ||
					tt.name == "running" && !strings.Contains(step, "runs_running") {
					t.Errorf("got %q", step)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	day := 24 * time.Hour
	tests := []struct {
		name string
		keep store.Retention
		want []int64 // of runs 1 to 4, which are 40, 30, 20 and 0 days old, and 5, which runs and is 50
	}{
		{"nothing asked", store.Retention{}, []int64{1, 2, 3, 4, 5}},
		{"default", store.DefaultRetention(), []int64{1, 2, 3, 4, 5}},
		{"by age", store.Retention{Keep: 25 * day}, []int64{3, 4, 5}},
		{"by number", store.Retention{KeepRuns: 2}, []int64{4, 5}},
		{"by more than there are", store.Retention{KeepRuns: 9}, []int64{1, 2, 3, 4, 5}},
		{"by size", store.Retention{MaxSize: 1_300_000}, []int64{4, 5}},
		{"by a size that no run fits", store.Retention{MaxSize: 1}, []int64{5}},
		{"by all", store.Retention{Keep: 35 * day, KeepRuns: 4, MaxSize: 1 << 30}, []int64{2, 3, 4, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			for _, days := range []int{40, 30, 20, 0, 50} {
				p := testPlan("a")
				r := begin(t, s, p, store.RunInfo{})
				start := time.Now().Add(-time.Duration(days) * day)
				handle(t, r, fanout.Event{Kind: fanout.RunStarted, Time: start, Plan: &p},
					fanout.Event{Kind: fanout.Output, Time: start, Target: &p.Targets[0], Attempt: 1, Data: noise(500_000)})
				if days == 50 {
					if err := r.Starting(t.Context(), p.Targets[0], 1, ""); err != nil {
						t.Fatal(err)
					}
					continue
				}
				handle(t, r, fanout.Event{Kind: fanout.RunFinished, Time: start, Summary: &fanout.Summary{Started: start, Hosts: 1}})
				closeRecorder(t, r)
			}
			before := fileSize(t, s)
			would, err := s.WouldPrune(t.Context(), tt.keep)
			if err != nil {
				t.Fatal(err)
			}
			if runs, err := s.Runs(t.Context(), store.Query{}); err != nil || len(runs) != 5 || fileSize(t, s) != before {
				t.Errorf("after WouldPrune: got %d runs, %v, want all 5", len(runs), err)
			}
			got, err := s.Prune(t.Context(), tt.keep)
			if err != nil {
				t.Fatal(err)
			}
			if would.Runs != got.Runs || would.Newest != got.Newest {
				t.Errorf("got %+v, after it was said to be %+v", got, would)
			}
			stored, err := column[int64](t.Context(), s.r, "SELECT id FROM runs ORDER BY id")
			if err != nil || !slices.Equal(stored, tt.want) {
				t.Errorf("got runs %d, %v, want %d", stored, err, tt.want)
			}
			gone := 5 - len(tt.want)
			if got.Runs != gone || got.Bytes < int64(gone)*490_000 || gone == 0 && got.Bytes != 0 {
				t.Errorf("got %+v, want %d runs of about 500000 bytes each", got, gone)
			}
			if after := fileSize(t, s); gone > 0 && before-after != got.Bytes {
				t.Errorf("the file: got %d bytes less, want the %d that were reported", before-after, got.Bytes)
			}
			var orphans int
			if err := s.r.QueryRow("SELECT count(*) FROM output WHERE run_id NOT IN (SELECT id FROM runs)").Scan(&orphans); err != nil || orphans != 0 {
				t.Errorf("got %d rows of output without a run, %v, want 0", orphans, err)
			}
			if again, err := s.Prune(t.Context(), tt.keep); err != nil || again != (store.Pruned{}) {
				t.Errorf("again: got %+v, %v, want nothing to do", again, err)
			}
		})
	}
}

// fileSize is the size of the history once its log has been emptied.
func fileSize(tb testing.TB, s *Store) int64 {
	tb.Helper()
	var busy, log, done int
	if err := s.w.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil || busy != 0 {
		tb.Fatalf("checkpoint: got busy %d, %v", busy, err)
	}
	info, err := os.Stat(s.path)
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

// A number is not used again, also when the newest run was pruned.
func TestPrunedNumberIsNotUsedAgain(t *testing.T) {
	s := openTest(t, tempPath(t))
	record(t, s, store.RunInfo{}, "a")
	if _, err := s.Prune(t.Context(), store.Retention{MaxSize: 1}); err != nil {
		t.Fatal(err)
	}
	if got := record(t, s, store.RunInfo{}, "a"); got != 2 {
		t.Errorf("got run %d, want 2", got)
	}
	if _, err := s.Run(t.Context(), "1", ""); err == nil {
		t.Error("run 1: got it, want an error")
	}
}

func TestQueriesEndWithContext(t *testing.T) {
	s := queryHistory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errRuns := s.Runs(ctx, store.Query{})
	_, errRun := s.Run(ctx, "1", "")
	_, errPrune := s.Prune(ctx, store.DefaultRetention())
	_, errBegin := s.Begin(ctx, testPlan("a"), store.RunInfo{})
	for i, err := range []error{errRuns, errRun, errPrune, errBegin} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: got %v, want %v", i, err, context.Canceled)
		}
	}
	if runs, err := s.Runs(t.Context(), store.Query{}); err != nil || len(runs) != 5 {
		t.Errorf("afterwards: got %d runs, %v, want 5", len(runs), err)
	}
}
