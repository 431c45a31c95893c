package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"tutti/store"
)

// TestDaemonReady: a daemon is ready as long as what it would write down is
// written, in a history that knows it.
func TestDaemonReady(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("got %v, want it to be ready", err)
	}
	if _, err := s.w.ExecContext(t.Context(), "PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	if err := d.Ready(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v of a history that cannot be written, want %v", err, store.ErrReadOnly)
	}
	if _, err := s.w.ExecContext(t.Context(), "PRAGMA query_only = OFF"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.ExecContext(t.Context(), "DELETE FROM daemons"); err != nil {
		t.Fatal(err)
	}
	if err := d.Ready(t.Context()); !errors.Is(err, errForgotten) {
		t.Errorf("got %v of a history that does not know it, want %v", err, errForgotten)
	}
}

// TestDaemonReadyOnFullDisk: where only what needs no space can be written, a
// daemon is not ready, and is again as soon as there is some.
func TestDaemonReadyOnFullDisk(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	limitPages(t, s, 4)
	for range 2 {
		if err := d.Ready(t.Context()); !errors.Is(err, store.ErrFull) {
			t.Errorf("got %v on a full disk, want %v", err, store.ErrFull)
		}
	}
	limitPages(t, s, 4000)
	checkReady(t, d)
	limitPages(t, s, 0)
	d.mu.Lock()
	d.spaceAt = time.Now().Add(-proofEvery)
	d.mu.Unlock()
	// What was written before was deleted, and its space can be used again.
	checkReady(t, d)
	ids, err := column[int64](t.Context(), s.r, "SELECT id FROM daemons")
	if err != nil || len(ids) != 1 || ids[0] != d.ID() {
		t.Errorf("got the daemons %v, %v, want %d alone", ids, err, d.ID())
	}
}

func checkReady(tb testing.TB, d *seat) {
	tb.Helper()
	if err := d.Ready(tb.Context()); err != nil {
		tb.Errorf("got %v, want it to be ready", err)
	}
}

// TestForgetsProofOfSpace: what a daemon wrote to prove that there is space, and
// could not delete, the next one does.
func TestForgetsProofOfSpace(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	if _, err := s.w.ExecContext(t.Context(), "INSERT INTO daemons (id, pid, serves, started_at) VALUES (?, 0, 0, 'x')", -d.ID()); err != nil {
		t.Fatal(err)
	}
	next := joinTest(t, s)
	ids, err := column[int64](t.Context(), s.r, "SELECT id FROM daemons ORDER BY id")
	if err != nil || len(ids) != 2 || ids[0] != d.ID() || ids[1] != next.ID() {
		t.Errorf("got the daemons %v, %v, want %d and %d", ids, err, d.ID(), next.ID())
	}
}

// Ready waits for another process that writes no longer than it is waited for.
func TestReadyIsBounded(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	db := raw(t, s.path)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE daemons SET pid = pid"); err != nil { // takes the write lock
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.Ready(ctx); err == nil {
		t.Error("got ready while another process keeps the history")
	}
	// What waited less is not what later writers get.
	var waits int
	if err := s.w.QueryRow("PRAGMA busy_timeout").Scan(&waits); err != nil || waits != int(busyTimeout.Milliseconds()) {
		t.Errorf("got a busy timeout of %d ms, %v, want %s", waits, err, busyTimeout)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	checkReady(t, d)
}
