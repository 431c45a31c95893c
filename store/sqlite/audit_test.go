package sqlite

import (
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/store"
)

// The audit is added to, whatever writes to the file, and forgets after a year.
func TestAuditIsNotChanged(t *testing.T) {
	s := openTest(t, tempPath(t))
	a := s.Access()
	year := 365 * 24 * time.Hour
	for _, age := range []time.Duration{year + time.Hour, year - time.Hour, 0} {
		e := access.Entry{Action: "user.add", Object: "user:ann", Outcome: access.Done}
		e.At = time.Now().Add(-age)
		if err := a.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		"UPDATE audit SET actor = 'eve' WHERE id = 3",
		"UPDATE audit SET at = '2000-01-01T00:00:00.000Z'",
		"DELETE FROM audit WHERE id = 3",
		"DELETE FROM audit WHERE id = 2",
		"DELETE FROM audit",
		"INSERT OR REPLACE INTO audit (id, at, action, outcome) VALUES (3, '2000-01-01T00:00:00.000Z', 'x', 'done')",
	} {
		if _, err := s.w.Exec(query); err == nil || !strings.Contains(err.Error(), "the audit is") {
			t.Errorf("%s: got %v, want it refused", query, err)
		}
	}
	entries, err := a.Audit(t.Context(), access.AuditQuery{})
	if err != nil || len(entries) != 3 || entries[0].Action != "user.add" {
		t.Errorf("got %+v, %v, want all three as they were", entries, err)
	}
	if _, err := s.Prune(t.Context(), store.Retention{Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if entries, err = a.Audit(t.Context(), access.AuditQuery{}); err != nil || len(entries) != 2 || entries[1].ID != 2 {
		t.Errorf("got %+v, %v, want those of the last year", entries, err)
	}
}

// What has ended by itself is removed with old runs, and nothing else.
func TestPruneForgetsExpired(t *testing.T) {
	s := openTest(t, tempPath(t))
	now := time.Now()
	text := func(age time.Duration) string { return fanout.FormatTime(now.Add(-age)) }
	_, err := s.w.Exec(`INSERT INTO users (id, name, role, created_at, updated_at, updated_by) VALUES (1, 'ann', 'admin', '', '', ''), (2, 'bob', 'viewer', '', '', '');
		INSERT INTO sessions (hash, user_id, created_at, used_at) VALUES
			(x'01', 1, '` + text(time.Hour) + `', '` + text(time.Minute) + `'),
			(x'02', 1, '` + text(13*time.Hour) + `', '` + text(12*time.Hour+time.Minute) + `'),
			(x'03', 1, '` + text(access.SessionLife+time.Minute) + `', '` + text(0) + `');
		INSERT INTO login_links (user_id, hash, created_at, expires_at) VALUES (1, x'01', '', '` + text(time.Second) + `'), (2, x'02', '', '` + text(-time.Hour) + `');
		INSERT INTO maintenance (host, until, by, since) VALUES
			('web1', '` + text(time.Second) + `', 'ann', ''), ('web2', '` + text(-time.Hour) + `', 'ann', ''), ('web3', NULL, 'ann', '');
		INSERT INTO requests (principal, key, body_mac, at, run_id) VALUES
			('ann', 'old', x'01', '` + text(store.KeptKeys+time.Minute) + `', 1), ('ann', 'new', x'01', '` + text(store.KeptKeys-time.Minute) + `', 2);`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), store.Retention{Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	checkInt(t, s.w, "SELECT count(*) FROM sessions", 1)
	checkInt(t, s.w, "SELECT count(*) FROM sessions WHERE hash = x'01'", 1)
	checkInt(t, s.w, "SELECT count(*) FROM login_links", 1)
	checkInt(t, s.w, "SELECT user_id FROM login_links", 2)
	checkInt(t, s.w, "SELECT count(*) FROM maintenance", 2)
	checkInt(t, s.w, "SELECT count(*) FROM maintenance WHERE host = 'web1'", 0)
	checkInt(t, s.w, "SELECT count(*) FROM requests", 1)
	checkInt(t, s.w, "SELECT count(*) FROM requests WHERE key = 'new'", 1)
}

// A file without the row of the revision is an error, and not one in which no right was
// ever changed.
func TestRevisionIsMissed(t *testing.T) {
	s := openTest(t, tempPath(t))
	if _, err := s.w.Exec("DELETE FROM access_state"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Access().Revision(t.Context()); err == nil {
		t.Errorf("got revision %d, want an error", n)
	}
}
