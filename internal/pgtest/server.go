package pgtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// startTime bounds the start of a server, stopTime its end.
	startTime = 60 * time.Second
	stopTime  = 30 * time.Second
	// superuser is who may do everything, by the socket without a password.
	superuser = "tutti"
	// ports is how many ports are tried until one is free.
	ports = 5
)

// A Server is a PostgreSQL that runs, or has been stopped and can be started again.
type Server struct {
	// Port it listens on at 127.0.0.1, with passwords. Password is that of the superuser.
	Port     int
	Password string

	dir      string // which has data and socket
	settings []string
	run      *process // nil: it is stopped
}

// Start starts a server with settings of its configuration, such as
// "synchronous_commit=off", which ends with the test. Where PostgreSQL is missing the test
// is skipped, or fails if the environment has CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s, err := start(tb, settings)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.remove(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// start makes the data of a server, and starts it.
func start(tb testing.TB, settings []string) (*Server, error) {
	tb.Helper()
	initdb := tool(tb, "initdb")
	dir, err := os.MkdirTemp("", "pgtest-") //nolint:usetesting // its user cannot reach the test's own, and the path of a socket is short
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, settings: settings, Password: rand.Text()}
	if err := errors.Join(s.own(dir), s.initialize(initdb), s.Start()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// initialize makes the data directory, in which only the socket needs no password.
func (s *Server) initialize(initdb string) error {
	password := filepath.Join(s.dir, "password")
	if err := errors.Join(os.WriteFile(password, []byte(s.Password), 0o600), s.own(password)); err != nil {
		return err
	}
	cmd := exec.Command(initdb, "--pgdata", s.data(), "--username", superuser, "--pwfile", password, "--encoding", "UTF8",
		"--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync", "--no-instructions")
	cmd.Dir = s.dir
	var err error
	if cmd.SysProcAttr, err = asServer(); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts a server that was stopped, on the same port unless that is taken when it
// starts for the first time.
func (s *Server) Start() error {
	first := s.Port == 0
	for try := 1; ; try++ {
		if first {
			port, err := freePort()
			if err != nil {
				return err
			}
			s.Port = port
		}
		err := s.startOnce()
		if err == nil || !first || try == ports || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
}

func (s *Server) startOnce() error {
	postgres, err := find("postgres")
	if err != nil {
		return err
	}
	args := []string{"-D", s.data()}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", s.Port), "unix_socket_directories=" + s.dir,
		"fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=200", "max_wal_size=256MB",
		"dynamic_shared_memory_type=mmap", "autovacuum_naptime=10s", "log_min_messages=warning",
	}, s.settings...) {
		args = append(args, "-c", setting)
	}
	s.run, err = launch(postgres, args, s.dir)
	if err != nil {
		return err
	}
	return s.await()
}

// await waits until the server takes connections.
func (s *Server) await() error {
	socket := filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d", s.Port))
	ready := time.NewTicker(5 * time.Millisecond)
	defer ready.Stop()
	limit := time.After(startTime)
	for {
		select {
		case <-s.run.ended:
			s.run.wait()
			return fmt.Errorf("PostgreSQL has ended: %s", s.run.log.String())
		case <-limit:
			return errors.Join(fmt.Errorf("PostgreSQL does not answer after %v: %s", startTime, s.run.log.String()), s.Kill())
		case <-ready.C:
		}
		if status, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid")); err != nil || !bytes.Contains(status, []byte("ready")) {
			continue
		}
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
	}
}

// Stop has the server end its connections and stop, as an operator does.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill ends the server as a failure of its machine would. The shared memory that it leaves
// is removed.
func (s *Server) Kill() error {
	removeMemory := s.memory()
	return errors.Join(s.end(syscall.SIGKILL), removeMemory())
}

// Signal sends a signal to all processes of the server, such as SIGSTOP.
func (s *Server) Signal(sig syscall.Signal) error { return syscall.Kill(-s.run.cmd.Process.Pid, sig) }

func (s *Server) end(sig syscall.Signal) error {
	if s.run == nil {
		return nil
	}
	p := s.run
	s.run = nil
	to := p.cmd.Process.Pid
	if sig == syscall.SIGKILL {
		to = -to // its processes notice the end of the first one too late
	}
	_ = syscall.Kill(to, sig) // it may have ended
	select {
	case <-p.ended:
		p.wait()
		return nil
	case <-time.After(stopTime):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // there is nothing else to do
		return fmt.Errorf("PostgreSQL did not end within %v: %s", stopTime, p.log.String())
	}
}

// remove stops the server and removes its data.
func (s *Server) remove() error { return errors.Join(s.end(syscall.SIGINT), os.RemoveAll(s.dir)) }

// DSN is the address of a database by the socket, for the superuser.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d", superuser, database, s.dir, s.Port)
}

// TCP is the address of a database by a port of loopback, 0 for the server's own, with the
// superuser's password.
func (s *Server) TCP(database string, port int) string {
	if port == 0 {
		port = s.Port
	}
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.Password, port, database)
}

// Exec executes statements in a database, each in a transaction of its own.
func (s *Server) Exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	psql := tool(tb, "psql")
	args := []string{"--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", s.DSN(database)}
	for _, statement := range statements {
		args = append(args, "--command", statement)
	}
	if out, err := exec.Command(psql, args...).CombinedOutput(); err != nil {
		tb.Fatalf("psql: %v: %s", err, out)
	}
}

// Log is what the server has said since it was started.
func (s *Server) Log() string {
	if s.run == nil {
		return ""
	}
	return s.run.log.String()
}

// own gives a file to the server's user.
func (s *Server) own(path string) error {
	uid, gid, err := serverUser()
	if err != nil || uid < 0 {
		return err
	}
	return os.Chown(path, uid, gid)
}

// serverUser is who runs the server, if that is not the user of the tests; negative: it is.
func serverUser() (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return -1, -1, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(err1, err2)
}

// asServer starts a program as the server's user, in a group of its own.
func asServer() (*syscall.SysProcAttr, error) {
	uid, gid, err := serverUser()
	attr := &syscall.SysProcAttr{Setpgid: true}
	if uid >= 0 {
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr, err
}

// freePort finds a port that no process listens on just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // it was only to be found
	return l.Addr().(*net.TCPAddr).Port, nil
}

// A process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	log   log
	ended chan struct{} // closed when it has ended
	done  sync.WaitGroup
}

func (p *process) wait() { p.done.Wait() }

// launch starts a server. It is stopped when the tests' process dies, for which the thread
// that starts it has to live as long as it does.
func launch(program string, args []string, dir string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = &p.log, &p.log, dir
	p.cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	p.cmd.WaitDelay = time.Second // its children hold the log open
	var err error
	if p.cmd.SysProcAttr, err = asServer(); err != nil {
		return nil, err
	}
	dieWithTests(p.cmd.SysProcAttr)
	started := make(chan error)
	p.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the log says more
			close(p.ended)
		}
	})
	return p, <-started
}

// log collects what a server says.
type log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
