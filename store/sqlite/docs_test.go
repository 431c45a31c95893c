package sqlite

import (
	"os"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

func historyDoc(tb testing.TB) string {
	tb.Helper()
	doc, err := os.ReadFile("../../docs/history.md")
	if err != nil {
		tb.Fatal(err)
	}
	return string(doc)
}

// The questions in the manual have answers.
func TestDocumentedQueries(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan(numbered(2)...)
	r := begin(t, s, p, store.RunInfo{})
	again := finished(p.Targets[0], 1, 1, 0, 0)
	handle(t, r, fanout.Event{Kind: fanout.TargetRetrying, Time: at(5), Target: &p.Targets[0], Attempt: 1, Result: again})
	second := hostEvents(&p, 0, "hello", 0)
	for i := range second {
		second[i].Attempt = 2
	}
	second[2].Result.Attempts = 2
	handle(t, r, second...)
	if err := r.Starting(t.Context(), p.Targets[1], 1, ""); err != nil {
		t.Fatal(err)
	}
	closeRecorder(t, r)
	d := joinTest(t, s)
	addJob(t, s, testJob("backup"))
	finish(t, runMinute(t, d, "backup", 1), 0, 1)
	// The manual speaks of the last 30 days.
	if _, err := s.w.Exec("UPDATE runs SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'); UPDATE firings SET decided_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"); err != nil {
		t.Fatal(err)
	}

	blocks := strings.Split(historyDoc(t), "```sql\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("got %d queries, want at least 5", len(blocks))
	}
	for _, block := range blocks {
		query, _, _ := strings.Cut(block, "```")
		rows, err := s.r.QueryContext(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n == 0 {
			t.Errorf("%s: got %d rows, %v, want some", query, n, err)
		}
	}
}

// Every column is in the manual, and the promised ones are there.
func TestDocumentedColumns(t *testing.T) {
	s := openTest(t, tempPath(t))
	promised := map[string]string{
		"runs": `id, source, command, selector, inventory, note, user, started_at, ended_at, state, stopped, hosts,
			exit_code, rerun_of, job_id, job, scheduled_at, due_at, plan`,
		"results": `run_id, host, address, outcome, started, exit_code, signal, error_op, error, remote_state,
			output_complete, attempts, queued_at, started_at, ended_at, resolve_ms, dial_ms, login_ms, connect_ms,
			duration_ms, stdout_bytes, stderr_bytes, omitted_bytes, output_hash`,
		"attempts":      "run_id, host, attempt, outcome",
		"output":        "run_id, host, attempt, stream, seq, at, codec, data",
		"jobs":          "id, name, version, spec, paused, cursor, updated_at, updated_by",
		"job_states":    "job_id, revision",
		"job_changes":   "job_id, version, at, user, spec",
		"firings":       "id, job_id, scheduled_at, due_at, decision, reason, run_id, count, first_at, last_at",
		"notifications": "firing_id, at, kind, target, attempt, error",
		"outbox":        "id, firing_id",
		"daemons":       "id, pid, started_at",
		"queue":         "run_id, priority, queued_at, request, secrets_of, daemon_id, claim, deaths",
		"requests":      "principal, key, at, run_id",
		"callbacks":     "run_id, task, due_at, attempts, error, done_at",
		"scripts":       "run_id, codec, data",
		"users":         "id, name, role, scope, disabled, revision",
		"tokens":        "id, name, owner, role, scope, expires_at, used_at",
		"sessions":      "user_id, created_at, used_at",
		"login_links":   "user_id, expires_at",
		"access_state":  "revision",
		"maintenance":   "host, until, note, by",
		"audit":         "id, at, actor, via, remote, action, object, outcome, before, after, request",
	}
	doc := historyDoc(t)
	for table, want := range promised {
		got, err := column[string](t.Context(), s.r, "SELECT name FROM pragma_table_info(?)", table)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(want, ",") {
			if !slices.Contains(got, strings.TrimSpace(name)) {
				t.Errorf("%s: got no column %s", table, strings.TrimSpace(name))
			}
		}
		_, section, _ := strings.Cut(doc, "\n## "+table+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if table == "attempts" {
			section = doc // it has those of results
		}
		for _, name := range got {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/history.md does not name %s.%s", table, name)
			}
		}
	}
}
