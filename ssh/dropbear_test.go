package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/internal/sshdtest"
)

// dropbearBench is a client for n targets on one real Dropbear, whose user has a
// home of its own. Dropbear looks for keys in the home of the user it serves and
// nowhere else, so only root, who can make a user, can test it.
func dropbearBench(t *testing.T, n int) (b *bench, home string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a user for Dropbear")
	}
	server, keygen := sshdtest.Tool(t, "dropbear"), sshdtest.Tool(t, "dropbearkey")
	dir, err := os.MkdirTemp("", "dropbear-") //nolint:usetesting // its user must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover does no harm
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	key, keyFile := userKey(t)
	home = filepath.Join(dir, "home")
	name := dropbearUser(t, home, key.AuthorizedKey())
	hostKey := filepath.Join(dir, "host")
	if out, err := exec.CommandContext(t.Context(), keygen, "-t", "ed25519", "-f", hostKey).CombinedOutput(); err != nil {
		t.Fatalf("dropbearkey: %v: %s", err, out)
	}
	port := startDropbear(t, server, hostKey, filepath.Join(dir, "pid"))
	b = &bench{opts: Options{
		KnownHosts: []string{filepath.Join(dir, "known_hosts")}, KillAfter: 200 * time.Millisecond, Drain: patience,
	}}
	for i := range n {
		b.opts.Endpoints = append(b.opts.Endpoints, Endpoint{
			Address: "127.0.0.1", Port: port, User: name, HostKeys: hostkeys.AcceptNew, Identities: []string{keyFile}, IdentitiesOnly: true,
		})
		b.targets = append(b.targets, fanout.Target{
			Index: i, Name: fmt.Sprintf("dropbear%d", i), Limits: fanout.Limits{ConnectTimeout: patience},
		})
	}
	b.Client = newClient(t, b.opts)
	b.probeTimeout = patience
	return b, home
}

// dropbearUser makes a user who may log in with the key and ends with the test.
func dropbearUser(t *testing.T, home string, authorized []byte) string {
	t.Helper()
	name := fmt.Sprintf("tuttidrop%d", os.Getpid())
	if err := sshdtest.ChangeUsers("", "useradd", "--system", "--no-create-home", "--home-dir", home, "--shell", "/bin/sh", "--password", "*", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sshdtest.ChangeUsers("", "userdel", "--force", name); err != nil {
			t.Error(err)
		}
	})
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	directory := filepath.Join(home, ".ssh")
	file := filepath.Join(directory, "authorized_keys")
	err = errors.Join(err1, err2, os.MkdirAll(directory, 0o700), os.WriteFile(file, authorized, 0o600))
	for _, path := range []string{home, directory, file} {
		err = errors.Join(err, os.Chown(path, uid, gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// startDropbear starts a server that ends with the test, and waits until it
// listens.
func startDropbear(t *testing.T, server, hostKey, pidFile string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close() // it was only to find a port
	said := &notice{want: "Not backgrounding", heard: make(chan struct{})}
	cmd := exec.Command(server, "-F", "-E", "-s", "-r", hostKey, "-P", pidFile, "-p", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Stderr = said
	cmd.WaitDelay = time.Second // its children hold stderr open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it was sent a signal
		close(ended)
	}()
	t.Cleanup(func() {
		// Dropbear sleeps through a TERM that comes just before it waits. It may
		// have ended by itself.
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("dropbear said:\n%s", said)
		}
	})
	select {
	case <-said.heard:
	case <-ended:
		t.Fatalf("dropbear has ended: %s", said)
	case <-time.After(patience):
		t.Fatalf("dropbear does not listen: %s", said)
	}
	return port
}

// A notice is what a program says; heard is closed when it has said want.
type notice struct {
	want  string
	heard chan struct{}

	mu   sync.Mutex // guards what follows
	buf  bytes.Buffer
	done bool
}

func (n *notice) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buf.Write(p)
	if !n.done && strings.Contains(n.buf.String(), n.want) {
		n.done = true
		close(n.heard)
	}
	return len(p), nil
}

func (n *notice) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

// TestDropbear: a server other than OpenSSH works as well: exit codes, signals, environments,
// and a large output.
func TestDropbear(t *testing.T) {
	b, _ := dropbearBench(t, 1)
	r := b.exec(t.Context(), 0, "echo out; echo err >&2; exit 42")
	r.wantExit(t, fanout.Exit{Code: 42})
	if r.stdout.String() != "out\n" || r.stderr.String() != "err\n" || !r.OutputComplete {
		t.Errorf("got stdout %q, stderr %q, complete %v, want out and err, complete", r.stdout.String(), r.stderr.String(), r.OutputComplete)
	}
	b.exec(t.Context(), 0, "kill -TERM $$").wantExit(t, fanout.Exit{Signal: "TERM"})
	const size = 4_000_000
	if r = b.exec(t.Context(), 0, fmt.Sprintf("head -c %d /dev/zero", size)); len(r.stdout.String()) != size || !r.OutputComplete {
		t.Errorf("got %d bytes, complete %v, want %d, complete", len(r.stdout.String()), r.OutputComplete, size)
	}
	checkEnvironments(t, b)
}

// TestDropbearRefusesKey: a login that it refuses is reported as any other.
func TestDropbearRefusesKey(t *testing.T) {
	b, _ := dropbearBench(t, 1)
	_, other := userKey(t)
	b.opts.Endpoints[0].Identities = []string{other}
	r := execOn(t.Context(), newClient(t, b.opts), b.targets[0], "true")
	r.wantOp(t, fanout.OpLogin, false)
	if !r.Failure.Final || !strings.Contains(r.Failure.Message, other) {
		t.Errorf("got %+v, want a final failure that names the key", *r.Failure)
	}
}

// TestDropbearSweep: nothing is left of a command that was ended, and that is
// proved, although Dropbear signals one process and not its children.
func TestDropbearSweep(t *testing.T) {
	for _, pooled := range []bool{false, true} {
		t.Run(fmt.Sprintf("pooled=%v", pooled), func(t *testing.T) {
			b, home := dropbearBench(t, len(trees))
			sweepTrees(t, b, home, pooled)
		})
	}
}
