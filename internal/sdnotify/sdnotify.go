package sdnotify

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

// The messages to a service manager.
const (
	Ready     = "READY=1"
	Reloading = "RELOADING=1"
	Stopping  = "STOPPING=1"
	watchdog  = "WATCHDOG=1"
)

// A Manager is the service manager that started this process and expects reports of
// its state. Nil: there is none, and its methods do nothing. Its methods may be called
// by several goroutines at once.
type Manager struct {
	conn io.WriteCloser
	// every is how often it wants a sign of life; 0: never.
	every time.Duration

	mu   sync.Mutex // guards what follows
	last time.Time  // when it got the last one
}

// Dial connects to the manager that the environment names; nil: it names none.
func Dial(getenv func(string) string) (*Manager, error) {
	name := getenv("NOTIFY_SOCKET")
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
	return &Manager{conn: conn, every: wanted(getenv)}, nil
}

// wanted is how often a sign of life is wanted; 0: never, or not of this process.
func wanted(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// Tell sends assignments, such as Ready. It ignores errors: a manager that does not
// listen must not affect this process.
func (m *Manager) Tell(assignments ...string) {
	if m != nil {
		_, _ = m.conn.Write([]byte(strings.Join(assignments, "\n")))
	}
}

// Alive gives the sign of life, four times as often as it is wanted at most.
func (m *Manager) Alive() {
	if m == nil || m.every == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.last.IsZero() || now.Sub(m.last) >= m.every/4 {
		m.last = now
		m.Tell(watchdog)
	}
}

// Close closes the connection.
func (m *Manager) Close() {
	if m != nil {
		_ = m.conn.Close() // what was sent was sent
	}
}

// ExtendTimeout asks for so much time for what is going on, such as stopping.
func ExtendTimeout(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds())
}
