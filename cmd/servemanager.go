package cmd

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A manager is the service manager that has started us and wants to be told how
// we are, as sd_notify(3) of systemd has it. Nil: there is none.
type manager struct {
	conn io.WriteCloser
	// every is how often it wants a sign of life; 0: never.
	every time.Duration

	mu   sync.Mutex // guards what follows
	last time.Time  // when it got the last one
}

// serviceManager is the manager that the environment names.
func (a *app) serviceManager() (*manager, error) {
	name := a.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	// A name that begins with @ is one that no file has.
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return nil, fmt.Errorf("$NOTIFY_SOCKET %q is not the path of a socket", name)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("$NOTIFY_SOCKET: %w", err)
	}
	return &manager{conn: conn, every: watchdog(a.Getenv)}, nil
}

// watchdog is how often a sign of life is wanted; 0: never, or not of us.
func watchdog(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// tell sends assignments, such as READY=1. A manager that does not listen is
// none of our trouble.
func (m *manager) tell(assignments ...string) {
	if m != nil {
		_, _ = m.conn.Write([]byte(strings.Join(assignments, "\n")))
	}
}

// alive gives the sign of life, four times as often as it is wanted at most.
func (m *manager) alive() {
	if m == nil || m.every == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.last.IsZero() || now.Sub(m.last) >= m.every/4 {
		m.last = now
		m.tell("WATCHDOG=1")
	}
}

func (m *manager) close() {
	if m != nil {
		_ = m.conn.Close() // what was sent was sent
	}
}
