package browser

import (
	"bufio"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/internal/fleet"
)

// A stage is what the hosts do: the command "hold" says a line and waits until the test
// lets its host go, "lines N" writes N lines, and "fails on HOST" fails there; every other
// command says itself.
type stage struct {
	mu    sync.Mutex // guards hosts
	hosts map[string]*role
}

// A role is that of a host.
type role struct {
	came, leaves chan struct{} // closed when it holds, and when it was let go
	once         sync.Once     // closes came
}

func newStage() *stage { return &stage{hosts: make(map[string]*role)} }

func (s *stage) role(host string) *role {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.hosts[host]
	if r == nil {
		r = &role{came: make(chan struct{}), leaves: make(chan struct{})}
		s.hosts[host] = r
	}
	return r
}

// await waits until the hosts hold.
func (s *stage) await(tb testing.TB, hosts ...string) {
	tb.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, host := range hosts {
		select {
		case <-s.role(host).came:
		case <-limit.C:
			tb.Fatalf("%s does not hold within %s", host, patience)
		}
	}
}

// letGo ends what the host holds for, now and later.
func (s *stage) letGo(host string) { close(s.role(host).leaves) }

// lines writes so many.
func lines(x *fleet.Session, n int) fleet.Exit {
	w := bufio.NewWriter(x.Stdout)
	for i := range n {
		_, _ = fmt.Fprintf(w, "line %d of %s\n", i+1, x.Host) // the client may be gone
	}
	_ = w.Flush() // the same
	return fleet.Exit{}
}

func (s *stage) play(x *fleet.Session) fleet.Exit {
	if n := 0; x.Command != "hold" {
		if _, err := fmt.Sscanf(x.Command, "lines %d", &n); err == nil {
			return lines(x, n)
		}
		if name, ok := strings.CutPrefix(x.Command, "fails on "); ok && name == x.Host {
			return fleet.Exit{Code: 3}
		}
		_, _ = fmt.Fprintln(x.Stdout, x.Command) // the client may be gone
		return fleet.Exit{}
	}
	r := s.role(x.Host)
	_, _ = fmt.Fprintf(x.Stdout, "%s holds\n", x.Host) // the same
	r.once.Do(func() { close(r.came) })
	select {
	case <-r.leaves:
	case <-x.Done:
	}
	return fleet.Exit{}
}
