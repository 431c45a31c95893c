package postgres

import (
	"errors"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/internal/pgtest"
	"tutti/store"
)

// TestRoles: who has tutti_reader sees what happened and nothing else; who has tutti_writer
// records.
func TestRoles(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	server.Exec(t, "postgres", "CREATE ROLE tutti_reader", "CREATE ROLE tutti_writer",
		"CREATE USER ann IN ROLE tutti_reader", "CREATE USER bob IN ROLE tutti_writer")
	dsn := server.NewDatabase(t)
	openTest(t, dsn)
	as := func(user string) string { return strings.Replace(dsn, "tutti@", user+"@", 1) }

	bob := openTest(t, as("bob"))
	r, err := bob.Begin(t.Context(), testPlan(), store.RunInfo{User: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Prune(t.Context(), store.DefaultRetention()); err != nil {
		t.Error(err)
	}

	ann, err := OpenExisting(t.Context(), as("ann"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ann.Close() }() // it only read
	if runs, err := ann.Runs(t.Context(), store.Query{}); err != nil || len(runs) != 1 || !ann.ReadOnly() {
		t.Errorf("got %+v, %v, read only: %t", runs, err, ann.ReadOnly())
	}
	if _, err := ann.Begin(t.Context(), testPlan(), store.RunInfo{}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v, want %v", err, store.ErrReadOnly)
	}
	for _, table := range []string{"users", "tokens", "sessions", "requests", "callbacks", "scripts", "audit", "login_links"} {
		if _, err := column[int](t.Context(), ann.pool, "SELECT count(*) FROM "+table); stateOf(err) != codeNoRight {
			t.Errorf("%s: got %v, want that it is not for readers", table, err)
		}
	}
}

func testPlan() fanout.Plan {
	return fanout.Plan{Source: "cli", Selector: "web", Task: fanout.Task{Action: fanout.Command("true")}, Targets: []fanout.Target{{Name: "web1"}}}
}

// TestLossyWarning: two daemons on a server without a synchronous standby are told so.
func TestLossyWarning(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	var said []string
	for range 2 {
		s, err := Open(t.Context(), dsn, store.Options{Warn: func(text string) { said = append(said, text) }})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }() // the daemon left it
		d, err := s.JoinDaemons(t.Context(), noon)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }() // the test is over
	}
	if len(said) != 1 || !strings.Contains(said[0], "synchronous_standby_names") {
		t.Errorf("got %q, want a warning to the second", said)
	}
}
