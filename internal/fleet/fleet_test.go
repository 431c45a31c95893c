package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// patience bounds what must happen; it is never waited for in full.
const patience = time.Minute

// echo answers every command with its own words.
var echo = Canned(func(host, command string) (stdout, stderr []byte, code uint32) {
	return []byte(host + ": " + command + "\n"), []byte("warned\n"), 3
})

// bench is a fleet with a key that may log in.
type bench struct {
	*Fleet
	tb  testing.TB
	key Key
}

// start starts a fleet for a test, which Close ends.
func start(tb testing.TB, opts Options) *bench {
	tb.Helper()
	key := NewKey()
	opts.Authorized = append(opts.Authorized, key.PublicKey())
	f, err := Start(opts)
	if err != nil {
		tb.Fatalf("start: %v", err)
	}
	tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return &bench{Fleet: f, tb: tb, key: key}
}

// one starts a fleet of a single host "a".
func one(tb testing.TB, h Host) *bench {
	tb.Helper()
	h.Name = "a"
	if h.Exec == nil {
		h.Exec = echo
	}
	return start(tb, Options{Hosts: []Host{h}})
}

func (b *bench) address(name string) string {
	addr, port := b.Endpoint(name)
	return net.JoinHostPort(addr, fmt.Sprint(port))
}

// tcp connects without a login.
func (b *bench) tcp(name string) net.Conn {
	b.tb.Helper()
	nc, err := b.connect(name)
	if err != nil {
		b.tb.Fatalf("dial %s: %v", name, err)
	}
	return nc
}

// connect is tcp for a host that may hang up before the connection is made.
func (b *bench) connect(name string) (net.Conn, error) {
	b.tb.Helper()
	nc, err := net.DialTimeout("tcp", b.address(name), patience)
	if err != nil {
		return nil, err
	}
	b.tb.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc, nil
}

// config is a client's configuration that trusts what KnownHosts vouches for.
func (b *bench) config() *gossh.ClientConfig {
	b.tb.Helper()
	path := filepath.Join(b.tb.TempDir(), "known_hosts")
	writeFile(b.tb, path, b.KnownHosts())
	check, err := knownhosts.New(path)
	if err != nil {
		b.tb.Fatalf("known_hosts: %v", err)
	}
	return &gossh.ClientConfig{
		User:            "demo",
		Auth:            []gossh.AuthMethod{gossh.PublicKeys(b.key)},
		HostKeyCallback: check,
	}
}

// dial logs in.
func (b *bench) dial(name string) (*gossh.Client, error) {
	b.tb.Helper()
	return b.handshake(b.tcp(name), b.config())
}

func (b *bench) handshake(nc net.Conn, cfg *gossh.ClientConfig) (*gossh.Client, error) {
	b.tb.Helper()
	c, chans, reqs, err := gossh.NewClientConn(nc, nc.RemoteAddr().String(), cfg)
	if err != nil {
		return nil, err
	}
	client := gossh.NewClient(c, chans, reqs)
	b.tb.Cleanup(func() { _ = client.Close() })
	return client, nil
}

func (b *bench) mustDial(name string) *gossh.Client {
	b.tb.Helper()
	client, err := b.dial(name)
	if err != nil {
		b.tb.Fatalf("log in to %s: %v", name, err)
	}
	return client
}

// result is what a client saw of a command.
type result struct {
	stdout, stderr string
	err            error
}

// run runs a command on a connection of its own.
func (b *bench) run(name, command string) result {
	b.tb.Helper()
	return b.runOn(b.mustDial(name), command, nil)
}

func (b *bench) runOn(client *gossh.Client, command string, stdin io.Reader) result {
	b.tb.Helper()
	session, err := client.NewSession()
	if err != nil {
		return result{err: err}
	}
	defer func() { _ = session.Close() }()
	var stdout, stderr bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = stdin, &stdout, &stderr
	err = session.Run(command)
	return result{stdout.String(), stderr.String(), err}
}

// status is the exit status in an error, or -1.
func status(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*gossh.ExitError](err); ok {
		return exit.ExitStatus()
	}
	return -1
}

func TestCanned(t *testing.T) {
	b := start(t, Options{Exec: echo, Hosts: []Host{{Name: "web1"}, {Name: "web2", Addr: "127.9.8.7"}}})
	for _, name := range []string{"web1", "web2"} {
		got := b.run(name, "uptime")
		if want := name + ": uptime\n"; got.stdout != want {
			t.Errorf("%s: got stdout %q, want %q", name, got.stdout, want)
		}
		if got.stderr != "warned\n" {
			t.Errorf("%s: got stderr %q, want %q", name, got.stderr, "warned\n")
		}
		if status(got.err) != 3 {
			t.Errorf("%s: got %v, want exit status 3", name, got.err)
		}
	}
}

func TestShell(t *testing.T) {
	b := start(t, Options{Hosts: []Host{{Name: "web1"}, {Name: "web2"}}})
	tests := []struct {
		name, command, stdin string
		stdout, stderr       string
		status               int
	}{
		{name: "output", command: "echo out; echo err >&2; exit 7", stdout: "out\n", stderr: "err\n", status: 7},
		{name: "name", command: `echo "$HOSTNAME"; hostname`, stdout: "web1\nweb1\n"},
		{name: "home", command: `test "$PWD" = "$HOME" && basename "$PWD"`, stdout: "web1\n"},
		{name: "stdin", command: "cat", stdin: "hello", stdout: "hello"},
		{name: "killed", command: "kill -TERM $$", status: 143},
		{name: "own directory", command: "ls; touch here", stdout: ""},
	}
	client := b.mustDial("web1")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.runOn(client, test.command, strings.NewReader(test.stdin))
			if got.stdout != test.stdout || got.stderr != test.stderr {
				t.Errorf("got %q and %q, want %q and %q", got.stdout, got.stderr, test.stdout, test.stderr)
			}
			if status(got.err) != test.status {
				t.Errorf("got %v, want exit status %d", got.err, test.status)
			}
		})
	}
	if got := b.run("web2", "ls"); got.stdout != "" {
		t.Errorf("web2 sees the files of web1: %q", got.stdout)
	}
}

func writeFile(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}
