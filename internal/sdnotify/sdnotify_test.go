package sdnotify

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// managing is a manager that listens at name, with the environment it gives.
func managing(t *testing.T, name string, env map[string]string) (l *net.UnixConn, getenv func(string) string) {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return l, func(key string) string {
		if key == "NOTIFY_SOCKET" {
			return name
		}
		return env[key]
	}
}

// told is the next message to the manager.
func told(t *testing.T, l *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 1000)
	n, err := l.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestServiceManager(t *testing.T) {
	names := map[string]string{"a file": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["no file"] = fmt.Sprintf("@tutti-test-%d", os.Getpid())
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			l, getenv := managing(t, name, map[string]string{"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())})
			m, err := Dial(getenv)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			m.Tell(Ready, "STATUS=serving")
			m.Alive()
			m.Alive() // too soon to be sent
			m.Tell(Stopping, ExtendTimeout(90*time.Second))
			for _, want := range []string{"READY=1\nSTATUS=serving", "WATCHDOG=1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=90000000"} {
				if got := told(t, l); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// TestNoServiceManager: a process without a service manager sends nothing.
func TestNoServiceManager(t *testing.T) {
	for socket, ok := range map[string]bool{"": true, "relative": false, "/no/such/socket": false} {
		m, err := Dial(func(string) string { return socket })
		if (err == nil) != ok || m != nil {
			t.Errorf("%q: got %v, error %v, want no manager, ok %v", socket, m, err, ok)
		}
		m.Tell(Ready)
		m.Alive()
		m.Close()
	}
}

// TestSignsOfLife: they are as frequent as the manager asks this process for.
func TestSignsOfLife(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want time.Duration
	}{
		{"none", nil, 0},
		{"for this process", map[string]string{"WATCHDOG_USEC": "2000000"}, 2 * time.Second},
		{"of another", map[string]string{"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 0},
		{"nonsense", map[string]string{"WATCHDOG_USEC": "soon"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wanted(func(key string) string { return tt.env[key] }); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := &signCounter{began: time.Now()}
		m := &Manager{conn: c, every: 40 * time.Second}
		for range 40 {
			m.Alive()
			time.Sleep(time.Second)
		}
		if got, want := fmt.Sprint(c.at), "[0s 10s 20s 30s]"; got != want {
			t.Errorf("got signs of life at %s, want %s", got, want)
		}
	})
}

// A signCounter is a connection that remembers when it was written to.
type signCounter struct {
	began time.Time
	at    []time.Duration
}

func (c *signCounter) Write(p []byte) (int, error) {
	c.at = append(c.at, time.Since(c.began))
	return len(p), nil
}

func (*signCounter) Close() error { return nil }
