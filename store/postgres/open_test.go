package postgres

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"tutti/internal/pgtest"
	"tutti/store"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// openTest opens a database; it is closed with the test.
func openTest(tb testing.TB, dsn string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), dsn, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// TestOpen: several processes make the schema at once, and open it again.
func TestOpen(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	if _, err := OpenExisting(t.Context(), dsn, store.Options{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("without a history: %v", err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := Open(t.Context(), dsn, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			_ = s.Close()
		})
	}
	all.Wait()
	s, err := OpenExisting(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // it only read
	if s.ReadOnly() {
		t.Error("a history that can be written is open for reading only")
	}
}

// TestOpenFaults: the error says which part of an address is wrong, and no password.
func TestOpenFaults(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	right := server.TCP("postgres", 0)
	for _, test := range []struct {
		name, dsn string
		want      error
	}{
		{"host", server.TCP("postgres", 1), store.ErrUnreachable},
		{"user", strings.Replace(right, "tutti:", "nobody:", 1), store.ErrLogin},
		{"password", strings.Replace(right, server.Password, "hunter2", 1), store.ErrLogin},
		{"database", server.TCP("nowhere", 0), store.ErrNoDatabase},
		{"TLS", strings.Replace(right, "disable", "require", 1), store.ErrTLS},
		{"volatile", right + "&options=-csynchronous_commit%3Doff", store.ErrVolatile},
		{"read only", right + "&default_transaction_read_only=on", store.ErrStandby},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), test.dsn, store.Options{})
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), server.Password) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("%v shows the password", err)
			}
		})
	}
	for _, dsn := range []string{"postgres://tutti:hunter2@[/x", "postgres://tutti:hunter2@h/x?sslmode=perhaps", "postgres://u:hunter2@h:port/x"} {
		_, err := Open(t.Context(), dsn, store.Options{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// TestForeign: a database that has another program's tables is left as it is.
func TestForeign(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	other, err := config1(t, dsn)
	if err != nil {
		t.Fatal(err)
	}
	server.Exec(t, other, "CREATE TABLE runs (id int)")
	if _, err := Open(t.Context(), dsn, store.Options{}); !errors.Is(err, store.ErrNotHistory) {
		t.Errorf("got %v, want %v", err, store.ErrNotHistory)
	}
}

func config1(tb testing.TB, dsn string) (database string, err error) {
	tb.Helper()
	c, _, err := config(dsn, true)
	if err != nil {
		return "", err
	}
	return c.ConnConfig.Database, nil
}

// TestText: what PostgreSQL cannot store is replaced, everywhere.
func TestText(t *testing.T) {
	t.Parallel()
	s := openTest(t, pgtest.DSN(t))
	var one string
	var list []string
	err := s.pool.QueryRow(t.Context(), "SELECT $1::text, $2::text[]", "a\x00b\xffc", []string{"d\x00", "\xfe"}).Scan(&one, &list)
	if err != nil {
		t.Fatal(err)
	}
	if one != "a\uFFFDb\uFFFDc" || list[0] != "d\uFFFD" || list[1] != "\uFFFD" {
		t.Errorf("got %q and %q", one, list)
	}
}
