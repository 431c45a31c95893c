// Package sshdtest starts the real OpenSSH server for tests, on loopback, with
// keys and configuration of its own.
//
// As root it serves a user without rights whom it creates for the test, so
// that what tests start is not run as root; otherwise it serves the user who
// runs the tests.
package sshdtest

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
	"syscall"
	"testing"
	"time"
)

// startTime bounds the start of a server, endTime its end.
const (
	startTime = 20 * time.Second
	endTime   = 10 * time.Second
)

// Options say how the server differs from the usual one.
type Options struct {
	// Config are lines for its configuration, such as "MaxSessions 1". They
	// win over the package's own.
	Config []string
	// HostKeys are the types of its host keys, as ssh-keygen -t takes them.
	// Without any it has an ed25519 key.
	HostKeys []string
	// Root lets root log in instead of the user without rights; it has an
	// effect only where the tests run as root.
	Root bool
}

// A Server is a running sshd. It ends with its test.
type Server struct {
	// Addr is its address, without the port.
	Addr string
	Port int
	// User may log in with KeyFile.
	User string
	// KnownHosts is a known_hosts file that holds its host keys.
	KnownHosts string
	// KeyFile is an unencrypted private key; its public half stands next to it
	// with the ending .pub.
	KeyFile string
	// Dir is a directory that User may write to. It ends with the test.
	Dir string

	log log
}

// log collects what the server says.
type log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Log is what the server has said so far.
func (s *Server) Log() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.buf.String()
}

// Start starts a server that ends with the test. Where OpenSSH is missing the
// test is skipped, or fails if the environment has CI=true.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	sshd, keygen := Tool(tb, "sshd"), Tool(tb, "ssh-keygen")
	dir := workDir(tb)
	s := &Server{
		Addr:       "127.0.0.1",
		User:       login(tb, opts.Root),
		KeyFile:    filepath.Join(dir, "id_ed25519"),
		KnownHosts: filepath.Join(dir, "known_hosts"),
		Dir:        filepath.Join(dir, "home"),
	}
	s.makeHome(tb)
	generate(tb, keygen, "ed25519", s.KeyFile)
	kinds := opts.HostKeys
	if len(kinds) == 0 {
		kinds = []string{"ed25519"}
	}
	var hostKeys []string
	for _, kind := range kinds {
		file := filepath.Join(dir, "host_"+kind)
		generate(tb, keygen, kind, file)
		hostKeys = append(hostKeys, file)
	}
	s.Port = freePort(tb)
	config := s.config(tb, dir, hostKeys, opts.Config)
	s.writeKnownHosts(tb, hostKeys)
	s.start(tb, sshd, config)
	return s
}

// Tool finds a program of OpenSSH, also where only root looks. Where it is
// missing the test is skipped, or fails if the environment has CI=true.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	const hint = "OpenSSH is not installed (Debian: apt-get install openssh-server)"
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s: not found: %s", name, hint)
	}
	tb.Skipf("%s: not found: %s", name, hint)
	return ""
}

// workDir makes a directory that the served user can reach, which the test's own
// TempDir is not where the tests run as root.
func workDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sshdtest-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover does no harm
	if err := os.Chmod(dir, 0o755); err != nil { // the served user reads authorized_keys in it
		tb.Fatal(err)
	}
	return dir
}

// plainUser is the user without rights.
const plainUser = "tuttitest"

func login(tb testing.TB, root bool) string {
	tb.Helper()
	me, err := user.Current()
	if err != nil {
		tb.Fatal(err)
	}
	if os.Geteuid() != 0 || root {
		return me.Username
	}
	if _, err := user.Lookup(plainUser); err == nil {
		return plainUser
	}
	// A password that nothing matches: the account must not be locked, which
	// sshd would refuse, and cannot be entered without a key.
	err = ChangeUsers("", "useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*", plainUser)
	if _, missing := user.Lookup(plainUser); missing != nil { // another test may have been faster
		tb.Fatal(err)
	}
	return plainUser
}

// ChangeUsers runs a program that changes the system's users, with an input.
// Such a program gives up where another is at work, so there is one at a time,
// whichever process wants it.
func ChangeUsers(input, name string, args ...string) error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "tutti-test-users.lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // which gives the lock back
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func (s *Server) makeHome(tb testing.TB) {
	tb.Helper()
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	u, err := user.Lookup(s.User)
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(s.Dir, uid, gid)); err != nil {
		tb.Fatal(err)
	}
}

func generate(tb testing.TB, keygen, kind, file string) {
	tb.Helper()
	out, err := exec.Command(keygen, "-q", "-t", kind, "-N", "", "-C", filepath.Base(file), "-f", file).CombinedOutput()
	if err != nil {
		tb.Fatalf("ssh-keygen -t %s: %v: %s", kind, err, out)
	}
}

// freePort finds a port that no process listens on just now.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it was only to be found
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) config(tb testing.TB, dir string, hostKeys, extra []string) string {
	tb.Helper()
	public, err := os.ReadFile(s.KeyFile + ".pub")
	if err != nil {
		tb.Fatal(err)
	}
	authorized := filepath.Join(dir, "authorized_keys")
	if err := os.WriteFile(authorized, public, 0o644); err != nil { // sshd reads it as the served user
		tb.Fatal(err)
	}
	lines := append([]string{}, extra...) // the first of two settings counts
	for _, file := range hostKeys {
		lines = append(lines, "HostKey "+file)
	}
	lines = append(lines,
		"AuthorizedKeysFile "+authorized,
		fmt.Sprintf("ListenAddress %s:%d", s.Addr, s.Port),
		"PidFile none",
		"UsePAM no",
		"StrictModes no",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password",
		"PermitUserEnvironment no",
		"PrintMotd no",
		"LogLevel VERBOSE",
	)
	file := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func (s *Server) writeKnownHosts(tb testing.TB, hostKeys []string) {
	tb.Helper()
	var known bytes.Buffer
	for _, file := range hostKeys {
		public, err := os.ReadFile(file + ".pub")
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&known, "[%s]:%d %s", s.Addr, s.Port, public)
	}
	if err := os.WriteFile(s.KnownHosts, known.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// start starts the server and waits until it listens.
func (s *Server) start(tb testing.TB, sshd, config string) {
	tb.Helper()
	if os.Geteuid() == 0 {
		// Where the server gives up its rights; it insists on the directory.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // as the system makes it
			tb.Fatal(err)
		}
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	cmd.Stderr = &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // its children hold the log open
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says more
		close(ended)
	}()
	tb.Cleanup(func() { s.end(tb, cmd.Process, ended) })

	deadline := time.Now().Add(startTime)
	for !strings.Contains(s.Log(), "Server listening on") {
		select {
		case <-ended:
			tb.Fatalf("sshd has ended:\n%s", s.Log())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			tb.Fatalf("sshd does not listen after %v\n%s", startTime, s.Log())
		}
	}
}

// end ends the server and those of its children that are in its group; the
// others end with their connections.
func (s *Server) end(tb testing.TB, p *os.Process, ended <-chan struct{}) {
	_ = syscall.Kill(-p.Pid, syscall.SIGTERM) // it may have ended by itself
	select {
	case <-ended:
	case <-time.After(endTime):
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // there is nothing else to do
		tb.Errorf("sshd did not end within %v", endTime)
	}
	if tb.Failed() {
		tb.Logf("sshd said:\n%s", s.Log())
	}
}
