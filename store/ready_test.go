package store

import (
	"errors"
	"testing"
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
	if err := d.Ready(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v of a history that cannot be written, want %v", err, ErrReadOnly)
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
