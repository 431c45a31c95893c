package browser

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/cmd"
	"tutti/internal/fleet"
)

// programEnv makes the test's own binary be the program.
const programEnv = "TUTTI_BROWSER_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		signals := make(chan os.Signal, 8)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		os.Exit(cmd.Main(os.Args[1:], cmd.System(), signals))
	}
	code := m.Run()
	closeBrowser()
	os.Exit(code)
}

// patience bounds each wait for something that has to happen.
const patience = 30 * time.Second

// The users of a site, by role, and the password of all of them.
const (
	admin    = "ann"
	operator = "bob"
	viewer   = "eve"
	password = "correct horse battery"
)

// A site is a daemon, its users, and the hosts of its inventory.
type site struct {
	testing.TB
	*relay
	dir   string // the home of all that it starts
	hosts *stage
	// daemon is the one that serves; nil: none does.
	daemon *program
	// daemonAddress is where that listens.
	daemonAddress string
}

// newSite is one with hosts of those names, which wait in each command until the test
// lets them go.
func newSite(tb testing.TB, hosts ...string) *site {
	tb.Helper()
	s := &site{TB: tb, dir: tb.TempDir(), hosts: newStage(), relay: newRelay(tb)}
	s.startFleet(hosts)
	for name, role := range map[string]string{admin: "admin", operator: "operator", viewer: "viewer"} {
		s.do(password+"\n", "user", "add", name, "--role", role, "--password-stdin")
	}
	s.serve()
	return s
}

// startFleet starts the hosts, and writes what tutti reads of them.
func (s *site) startFleet(names []string) {
	s.Helper()
	key := fleet.NewKey()
	opts := fleet.Options{Authorized: []gossh.PublicKey{key.PublicKey()}, Exec: fleet.HandlerFunc(s.hosts.play)}
	for _, name := range names {
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: name})
	}
	f, err := fleet.Start(opts)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = f.Close() })
	identity := filepath.Join(s.dir, "id")
	var inventory strings.Builder
	fmt.Fprintf(&inventory, "defaults: {user: deploy, identity: %q}\nhosts:\n", identity)
	for _, name := range names {
		address, port := f.Endpoint(name)
		fmt.Fprintf(&inventory, "  %s: {address: %s, port: %d}\n", name, address, port)
	}
	if err := key.WriteFile(identity, ""); err != nil {
		s.Fatal(err)
	}
	s.write("hosts.yaml", inventory.String())
	s.write("known_hosts", string(f.KnownHosts()))
}

func (s *site) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// command is the program with those words.
func (s *site) command(words ...string) *exec.Cmd {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	c := exec.Command(self, words...)
	c.Dir = s.dir
	c.Env = []string{
		programEnv + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_RUNTIME_DIR=" + s.dir, "LC_ALL=C.UTF-8",
		"TUTTI_HISTORY=" + filepath.Join(s.dir, "history.db"), "TUTTI_INVENTORY=" + filepath.Join(s.dir, "hosts.yaml"),
		"TUTTI_KNOWN_HOSTS=" + filepath.Join(s.dir, "known_hosts"),
	}
	return c
}

// do runs the program to its end, which has to be a good one, and returns what it printed.
func (s *site) do(stdin string, words ...string) string {
	s.Helper()
	c := s.command(words...)
	var stderr bytes.Buffer
	c.Stdin, c.Stderr = strings.NewReader(stdin), &stderr
	out, err := c.Output()
	if err != nil {
		s.Fatalf("tutti %q: %v\n%s", words, err, &stderr)
	}
	return string(out)
}

// A program is one that goes on.
type program struct {
	testing.TB
	cmd  *exec.Cmd
	log  *logged
	done chan struct{} // closed when it has ended
	err  error         // how; set before
}

// start starts the program, which is stopped at the end of the test.
func (s *site) start(words ...string) *program {
	s.Helper()
	p := &program{TB: s.TB, cmd: s.command(words...), log: newLogged(), done: make(chan struct{})}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		s.Fatalf("tutti %q: %v", words, err)
	}
	go p.log.read(r)
	go func() {
		p.err = p.cmd.Wait()
		_ = w.Close() // it never fails
		close(p.done)
	}()
	s.Cleanup(p.stop)
	return p
}

// stop ends it; a second stop does nothing.
func (p *program) stop() {
	p.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	p.wait()
}

// wait waits for its end.
func (p *program) wait() {
	p.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.done:
	case <-limit.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		p.Errorf("%s did not end within %s:\n%s", p.cmd.Args[1:], patience, p.log)
	}
}

// serve starts a daemon, to which the address of the site leads from then on.
func (s *site) serve() {
	s.Helper()
	s.daemon = s.start("serve", "--listen", "127.0.0.1:0")
	const local = " api=127.0.0.1:" // it serves a socket, too
	line := s.daemon.log.await(s.TB, local)
	_, port, _ := strings.Cut(line, local)
	port, _, _ = strings.Cut(port, " ")
	s.daemon.log.await(s.TB, `msg="scheduler started"`)
	s.daemonAddress = "127.0.0.1:" + port
	s.lead(s.daemonAddress)
}

// A logged is what a program has written so far, line by line.
type logged struct {
	mu      sync.Mutex // guards what follows
	lines   []string
	over    bool
	changed chan struct{} // closed with each line
}

func newLogged() *logged { return &logged{changed: make(chan struct{})} }

func (l *logged) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		l.add(lines.Text(), false)
	}
	l.add("", true)
}

func (l *logged) add(line string, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines, l.over = append(l.lines, line), over
	close(l.changed)
	l.changed = make(chan struct{})
}

// await is the first line with that text.
func (l *logged) await(tb testing.TB, text string) string {
	tb.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		l.mu.Lock()
		lines, over, changed := l.lines, l.over, l.changed
		l.mu.Unlock()
		for _, line := range lines {
			if strings.Contains(line, text) {
				return line
			}
		}
		if over {
			tb.Fatalf("it ended without %q:\n%s", text, l)
		}
		select {
		case <-changed:
		case <-limit.C:
			tb.Fatalf("no %q within %s:\n%s", text, patience, l)
		}
	}
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
