package pgtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// shared is the server of all tests of a test binary that do not stop it.
var shared struct {
	mu        sync.Mutex // guards server
	server    *Server
	databases atomic.Int64
}

// Main runs the tests of a package that uses DSN, and then stops the server. It returns
// the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.remove(); err != nil && code == 0 {
		fmt.Println("PostgreSQL did not stop:", err) //nolint:forbidigo // there is no test any more
		code = 1
	}
	return code
}

// DSN returns the address of a new, empty database on a server that the tests of this
// binary share. The package must have a TestMain as Main says. Where PostgreSQL is missing
// the test is skipped, or fails if the environment has CI=true.
func DSN(tb testing.TB) string {
	tb.Helper()
	return Shared(tb).NewDatabase(tb)
}

// Shared is the server of DSN. It must not be stopped.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	tool(tb, "postgres") // which skips the test where it is missing
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		s, err := start(tb, nil)
		if err != nil {
			tb.Fatal(err)
		}
		shared.server = s
	}
	return shared.server
}

// NewDatabase makes an empty database, and returns its address by the socket.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", shared.databases.Add(1))
	s.Exec(tb, "postgres", "CREATE DATABASE "+name)
	return s.DSN(name)
}
