package ssh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// relayVariable makes the test program a proxy command that connects its
// standard input and output to the address it holds.
const relayVariable = "TUTTI_TEST_RELAY"

func TestMain(m *testing.M) {
	if address := os.Getenv(relayVariable); address != "" {
		relayTo(address)
		return
	}
	os.Exit(m.Run())
}

func relayTo(address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay: refused")
		os.Exit(1)
	}
	go func() {
		pump(c, os.Stdin)
		_ = c.Close()
	}()
	pump(os.Stdout, c)
}

// byProgram has the first host reached by a proxy command: RELAY in command is a
// program that connects to it.
func byProgram(tb testing.TB, command string) func(*Options) {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return func(o *Options) {
		e := &o.Endpoints[0]
		relay := fmt.Sprintf("env %s=%s %s", relayVariable, hostPort(e.Address, e.Port), self)
		e.ProxyCommand = strings.ReplaceAll(command, "RELAY", relay)
	}
}

// proxyBench is a bench with one host that is reached by a proxy command.
func proxyBench(t *testing.T, h fleet.Host, command string) *bench {
	t.Helper()
	return newBench(t, []fleet.Host{h}, byProgram(t, command))
}

func TestProxyCommand(t *testing.T) {
	b := proxyBench(t, fleet.Host{Name: "h"}, "RELAY")
	for range 2 {
		r := b.exec(t.Context(), 0, "x")
		r.wantExit(t, fanout.Exit{})
		if got, want := r.stdout.String(), "x\n"; got != want {
			t.Errorf("got stdout %q, want %q", got, want)
		}
	}
	if got := len(b.fleet.Conns()); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestProxyCommandFailures(t *testing.T) {
	tests := []struct {
		name, command string
		host          fleet.Host
		op            fanout.Op
		want          string
	}{
		{name: "ends", command: `sh -c 'echo "first"; echo "no way" >&2; exit 3'`, op: fanout.OpJump, want: "the proxy command ended with exit status 3: no way"},
		{name: "cannot connect", command: "RELAY", host: fleet.Host{Down: true}, op: fanout.OpJump, want: "the proxy command ended with exit status 1: relay: refused"},
		{name: "is hostile", command: `sh -c 'printf "\033[2J\n" >&2; exit 1'`, op: fanout.OpJump, want: "the proxy command ended with exit status 1: ^[[2J"},
		{name: "does nothing", command: "sleep 60", op: fanout.OpLogin, want: "login timed out after LIMIT while waiting for the SSH banner"},
		{name: "host stalls", command: "RELAY", host: fleet.Host{Faults: fleet.Faults{Stall: fleet.StepKexInit}}, op: fanout.OpLogin, want: "login timed out after LIMIT while exchanging keys"},
		{name: "is busy", command: "true", op: fanout.OpLogin, want: "the host hung up before its SSH banner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.host.Name = "h"
			b := proxyBench(t, tt.host, tt.command)
			limit := 500 * time.Millisecond
			if tt.op == fanout.OpJump {
				limit = patience
			}
			for ; ; limit *= 2 { // a busy machine needs more to come as far
				b.targets[0].Limits.ConnectTimeout = limit
				r := b.exec(t.Context(), 0, "x")
				r.wantOp(t, tt.op, false)
				want := strings.ReplaceAll(tt.want, "LIMIT", formatDuration(limit))
				if strings.HasPrefix(r.Failure.Message, want) {
					return
				}
				if limit >= patience {
					t.Fatalf("got %q, want it to begin %q", r.Failure.Message, want)
				}
			}
		})
	}
}

// TestProxyCommandIsEnded: with the connection ends the whole group, and
// neither a process nor a file nor a goroutine is left.
func TestProxyCommandIsEnded(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles()
	tests := []struct{ name, command string }{
		{"by a signal", `sh -c 'echo $$ > FILE; RELAY'`},
		{"with its children", `sh -c 'echo $$ > FILE; sleep 99 & RELAY'`},
		{"against its will", `sh -c 'trap "" TERM; echo $$ > FILE; sleep 99 & RELAY; sleep 99'`},
		{"with its complaints", `sh -c 'echo $$ > FILE; exec 3>&2; sleep 99 >&3 & RELAY'`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			b := proxyBench(t, fleet.Host{Name: "h"}, strings.ReplaceAll(tt.command, "FILE", file))
			b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if groupGone(pid) {
				t.Fatal("the proxy command has no group of its own")
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			eventually(t, "the group is gone", func() bool { return groupGone(pid) })
		})
	}
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the files are closed", func() bool { return openFiles() <= files })
}

// groupGone reports whether no process of the group runs. Those that have ended
// and wait to be reaped do not count.
func groupGone(pid int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 { // the system has no such files
		return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH)
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has gone meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(pid) {
			return false
		}
	}
	return true
}

// TestProxyCommandToBastion: the first bastion may be reached by a command.
func TestProxyCommandToBastion(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := jumpBench(t, behindGate(3), func(o *Options) {
		for i := range o.Endpoints {
			j := &o.Endpoints[i].Jumps[0]
			j.ProxyCommand = fmt.Sprintf("env %s=%s %s", relayVariable, hostPort(j.Address, j.Port), self)
		}
	})
	for i := range b.targets {
		b.exec(t.Context(), i, "x").wantExit(t, fanout.Exit{})
	}
	if all, _ := b.connsOf("gate"); all != 1 {
		t.Errorf("got %d connections to the bastion, want 1", all)
	}
}

func TestLastComplaint(t *testing.T) {
	tests := []struct {
		parts []string
		want  string
	}{
		{[]string{"one\ntwo\n"}, "two"},
		{[]string{"one\nt", "wo", "\r\n\n"}, "two"},
		{[]string{"no end"}, "no end"},
		{[]string{"\n"}, ""},
		{[]string{strings.Repeat("x", 2*maxProxyText)}, strings.Repeat("x", maxProxyText)},
	}
	for _, tt := range tests {
		var c complaint
		for _, p := range tt.parts {
			if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
				t.Errorf("got %d, %v, want %d", n, err, len(p))
			}
		}
		if got := c.String(); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.parts, got, tt.want)
		}
	}
}
