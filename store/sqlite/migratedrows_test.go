package sqlite

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
)

// rowsSince are rows that a program writes at a schema, by the first version that has the
// tables and columns. Those of version 6 are in history6.
var rowsSince = map[int]string{
	7: `UPDATE job_states SET ahead = '[{"from":"2026-11-21T12:05:00Z","to":"2026-11-21T12:09:00Z"}]' WHERE job_id = 3;
		UPDATE firings SET attached = 1, repeats_at = '2026-11-21T12:00:00.000Z', unproved = 1 WHERE id = 15;`,
	8: `INSERT INTO users (id, name, role, scope, password, disabled, revision, created_at, updated_at, updated_by, login_at) VALUES
			(3, 'ann', 'admin', NULL, '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA', 0, 4, '2026-11-20T12:00:00.000Z', '2026-11-21T12:00:00.000Z', 'unix:root', '2026-11-21T12:00:00.000Z'),
			(5, 'bob', 'viewer', 'web,!web13', NULL, 1, 1, '2026-11-20T12:00:00.000Z', '2026-11-20T12:00:00.000Z', 'ann', NULL);
		INSERT INTO tokens (id, name, owner, hash, role, scope, jobs, users, sudo, allow_from, created_at, created_by, expires_at, used_at, refused_at) VALUES
			(4, 'ci', 3, x'` + hash("1") + `', 'operator', 'web', '["backup"]', '["deploy"]', 1, '["10.0.0.0/8"]', '2026-11-20T12:00:00.000Z', 'ann', '2046-11-20T12:00:00.000Z', '2026-11-21T11:00:00.000Z', NULL),
			(6, 'bare', NULL, x'` + hash("2") + `', 'viewer', NULL, NULL, NULL, 0, NULL, '2026-11-20T12:00:00.000Z', 'ann', '2046-11-20T12:00:00.000Z', NULL, '2026-11-21T11:00:00.000Z');
		INSERT INTO sessions (hash, user_id, created_at, used_at, remote) VALUES (x'` + hash("3") + `', 3, '2046-11-20T12:00:00.000Z', '2046-11-20T12:00:00.000Z', '10.0.0.1');
		INSERT INTO login_links (user_id, hash, created_at, expires_at) VALUES (5, x'` + hash("4") + `', '2026-11-20T12:00:00.000Z', '2046-11-20T12:00:00.000Z');
		UPDATE access_state SET revision = 17;
		INSERT INTO audit (at, actor, via, remote, action, object, outcome, before, after, request) VALUES
			('2026-11-20T12:00:00.000Z', 'ann', 'session', '10.0.0.1', 'user.add', 'user:bob', 'done', NULL, '{"role":"viewer"}', 'r1'),
			('2026-11-21T12:00:00.000Z', NULL, NULL, NULL, 'session.add', NULL, 'refused', NULL, NULL, NULL);`,
	9: `UPDATE output SET start = 0;`,
	10: `INSERT INTO runs (id, source, command, selector, user, started_at, state, hosts, plan, principal, via) VALUES
			(101, 'api', 'uptime', 'web', 'ann', '2026-11-21T12:00:00.000Z', 'queued', 2, '{}', 'ann/ci', 'token');
		INSERT INTO results (run_id, position, host) VALUES (101, 0, 'web1'), (101, 1, 'web2');
		INSERT INTO queue (run_id, priority, queued_at, request, claim, deaths) VALUES (101, 7, '2026-11-21T12:00:00.000Z', '{"selector":"web","command":"uptime"}', 2, 1);
		INSERT INTO requests (principal, key, body_mac, at, run_id) VALUES ('ann/ci', 'k1', x'` + hash("5") + `', '2046-11-20T12:00:00.000Z', 101);`,
	11: `UPDATE jobs SET scope = '["web","dc=madrid"]' WHERE name = 'backup';
		INSERT INTO firings (id, job_id, job, decision, reason, decided_at, settled_at) VALUES (901, 2, 'backup', 'refused', 'outside', '2026-11-21T12:00:00.000Z', '2026-11-21T12:00:00.000Z');`,
	12: `INSERT INTO maintenance (host, until, note, by, since) VALUES ('web1', NULL, 'disk', 'ann', '2026-11-21T12:00:00.000Z'), ('web2', '2046-11-20T12:00:00.000Z', NULL, 'ann', '2026-11-21T12:00:00.000Z');`,
	13: `UPDATE jobs SET webhook_by = 'user:3' WHERE name = 'backup'; UPDATE outbox SET set_by = 'user:3';`,
	14: `INSERT INTO callbacks (run_id, task, target, set_by, attempts, error) VALUES (101, 't1', 'https://hooks.example/x', 'user:3', 2, 'timeout');`,
	15: `UPDATE tokens SET task_selector = 'web' WHERE id = 4;`,
	17: `UPDATE callbacks SET told_of = 'always';`,
	18: `INSERT INTO scripts (run_id, codec, data) VALUES (101, 'plain', x'23212f62696e2f7368');`,
	19: `UPDATE runs SET kill_at = '2026-11-21T12:00:00.000Z', kill_by = 'ann', kill_how = 'halt' WHERE id = 11;`,
	20: `INSERT INTO requests (principal, key, body_mac, at, run_id, job_id, firing_id) VALUES ('ann', 'k2', x'00', '2026-11-21T12:00:00.000Z', 0, 2, 901);`,
	21: `UPDATE jobs SET paused_by = 'ann', paused_at = '2026-11-21T12:00:00.000Z', paused_until = '2046-11-21T12:00:00.000Z', paused_note = 'disk' WHERE name = 'backup';`,
	22: `INSERT INTO heartbeats (host, at, reached_at, since, error_op, error) VALUES ('web1', '2026-11-21T12:00:00.000Z', NULL, '2026-11-21T12:00:00.000Z', 'dial', 'refused');`,
}

// hash is a SHA-256 in hexadecimal digits, of that digit.
func hash(digit string) string { return strings.Repeat(digit, 64) }

// A history of every version since the ledger, with rows in each of its tables, loses none
// of them, and nothing in them, when it is migrated; and they are read as they were.
func TestMigrationsKeepRows(t *testing.T) {
	steps := embedded(t)
	for version := 7; version <= len(steps); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path := writeText(t, history6)
			db := openDB(source(path, "_txlock=immediate", "_auto_vacuum=incremental", "_journal_mode=WAL", "_foreign_keys=on"))
			if err := migrate(t.Context(), db, steps[:version], nil); err != nil {
				t.Fatal(err)
			}
			for _, since := range slices.Sorted(maps.Keys(rowsSince)) {
				if since > version {
					break
				}
				if _, err := db.Exec(rowsSince[since]); err != nil {
					t.Fatalf("rows of version %d: %v", since, err)
				}
			}
			before := contents(t, db, nil)
			for _, table := range slices.Sorted(maps.Keys(before)) {
				if len(before[table].rows) == 0 && table != "attempts" {
					t.Errorf("the test has no row of %s", table)
				}
			}
			if err := migrate(t.Context(), db, steps, nil); err != nil {
				t.Fatal(err)
			}
			after := contents(t, db, before)
			for _, table := range slices.Sorted(maps.Keys(before)) {
				checkStrings(t, table, after[table].rows, before[table].rows...)
			}
			broken, err := column[string](t.Context(), db, "SELECT \"table\" FROM pragma_foreign_key_check UNION ALL SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
			if err != nil || len(broken) > 0 {
				t.Errorf("got %q, %v, want a sound file", broken, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			checkMigrated(t, openTest(t, path), version)
		})
	}
}

// A content is the rows of a table, each as text, in their order.
type content struct{ columns, rows []string }

// contents are those of all tables, of the columns that they had before; nil: of all.
func contents(t *testing.T, db *sql.DB, before map[string]content) map[string]content {
	t.Helper()
	tables, err := column[string](t.Context(), db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]content{}
	for _, table := range tables {
		c := content{columns: before[table].columns}
		if before == nil {
			if c.columns, err = column[string](t.Context(), db, "SELECT name FROM pragma_table_info(?)", table); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.columns) == 0 {
			continue // the table is new
		}
		var cells []string
		for _, name := range c.columns {
			cells = append(cells, "quote("+name+")")
		}
		if c.rows, err = column[string](t.Context(), db, "SELECT "+strings.Join(cells, " || ' ' || ")+" AS row FROM "+table+" ORDER BY row"); err != nil {
			t.Fatal(err)
		}
		all[table] = c
	}
	return all
}

// checkMigrated reads what a history of that version had, by the program of now.
func checkMigrated(t *testing.T, s *Store, version int) {
	t.Helper()
	ctx := t.Context()
	var got []string
	say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	runs := 13
	if version >= 8 {
		a := s.Access()
		users, err := a.Users(ctx)
		must(err)
		tokens, err := a.Tokens(ctx)
		must(err)
		session, err := a.SessionByHash(ctx, access.Hash([]byte(strings.Repeat("\x33", 32))))
		must(err)
		link, err := a.LinkByHash(ctx, access.Hash([]byte(strings.Repeat("\x44", 32))))
		must(err)
		entries, err := a.Audit(ctx, access.AuditQuery{})
		must(err)
		revision, err := a.Revision(ctx)
		must(err)
		say("%d users, %s %s, tokens %s %s of %d for %v, sudo %t, session of %d, link of %d, %d entries, %s, revision %d",
			len(users), users[1].Name, users[1].Scope, tokens[0].Name, tokens[1].Name, tokens[1].Owner, tokens[1].Jobs, tokens[1].Sudo,
			session.User, link.User, len(entries), entries[1].After, revision)
		want = append(want, `2 users, bob web,!web13, tokens bare ci of 3 for [backup], sudo true, session of 3, link of 5, 2 entries, {"role":"viewer"}, revision 17`)
	}
	if version >= 10 {
		runs++
		waiting, err := s.Queue().Waiting(ctx)
		must(err)
		run, err := s.Queue().Find(ctx, "ann/ci", "k1", noon)
		must(err)
		say("%d waits, run %d of %s, priority %d after %d deaths, key of %d", len(waiting), waiting[0].Run.ID, waiting[0].Run.Principal, waiting[0].Priority, waiting[0].Deaths, run)
		want = append(want, "1 waits, run 101 of ann/ci, priority 7 after 1 deaths, key of 101")
	}
	if version >= 11 {
		job, err := s.Job(ctx, "backup")
		must(err)
		refused, err := s.Firings(ctx, store.FiringQuery{Decisions: []scheduler.Decision{scheduler.Refused}})
		must(err)
		say("scopes %v, %d refused", job.Scopes, len(refused))
		want = append(want, "scopes [web dc=madrid], 1 refused")
	}
	if version >= 12 {
		rests, err := s.Maintenance().Rests(ctx, noon)
		must(err)
		say("%d in maintenance", len(rests))
		want = append(want, "2 in maintenance")
	}
	if version >= 15 {
		tokens, err := s.Access().Tokens(ctx)
		must(err)
		say("tasks on %s", tokens[1].TaskSelector)
		want = append(want, "tasks on web")
	}
	all, err := s.Runs(ctx, store.Query{})
	must(err)
	say("%d runs", len(all))
	checkStrings(t, "read", got, append(want, fmt.Sprintf("%d runs", runs))...)
}
