package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"tutti/internal/fleet"
)

var sshdLines = []spec{
	{"4.1", "until the first channel at the real sshd is open, and all else that the bare client has not", atMost(15, "ms"), firstChannel},
}

// firstChannel subtracts from tutti's median time between the login and the end of a
// command what the command itself takes, which is what the bare client needs once it
// has a channel. To get one it waits for 40 ms at a server before OpenSSH 10.1, because
// of its delayed acknowledgements.
func firstChannel(ctx context.Context, l *lab) (_ reading, err error) {
	s, err := l.startSSHD(ctx)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var ours, opens, commands []float64
	for range l.logins {
		out, err := l.output(ctx, s.tuttiRun())
		if err != nil {
			return reading{}, err
		}
		took, err := afterLogin(out)
		if err != nil {
			return reading{}, err
		}
		ours = append(ours, took)
		if out, err = l.output(ctx, s.bareRun()); err != nil {
			return reading{}, err
		}
		var open, all float64
		if _, err := fmt.Sscan(out, &open, &all); err != nil {
			return reading{}, fmt.Errorf("the bare client said %q: %w", out, err)
		}
		opens, commands = append(opens, open), append(commands, all-open)
	}
	same := func(x float64) float64 { return x }
	total, command := median(ours, same), median(commands, same)
	return reading{total - command, fmt.Sprintf("the bare client %.1f ms; the command takes %.1f ms; medians of %d logins",
		median(opens, same), command, l.logins)}, nil
}

// output is what a command prints.
func (g *rig) output(ctx context.Context, c command) (string, error) {
	c.stdout = g.path("output")
	if _, err := g.measure(ctx, c); err != nil {
		return "", err
	}
	text, err := os.ReadFile(c.stdout)
	return string(text), err
}

// afterLogin reads the events of a run with one host, and returns how many
// milliseconds of it were after the login.
func afterLogin(events string) (float64, error) {
	var began, ended time.Time
	var connect float64
	for lines := bufio.NewScanner(strings.NewReader(events)); lines.Scan(); {
		var e struct {
			Type    string    `json:"type"`
			Time    time.Time `json:"time"`
			Outcome string    `json:"outcome"`
			Connect float64   `json:"connect_ms"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return 0, err
		}
		switch e.Type {
		case "run_started":
			began = e.Time
		case "host_finished":
			ended, connect = e.Time, e.Connect
			if e.Outcome != "ok" {
				return 0, fmt.Errorf("the host is %s", e.Outcome)
			}
		}
	}
	if began.IsZero() || ended.IsZero() {
		return 0, errors.New("no events of a run")
	}
	return ms(ended.Sub(began)) - connect, nil
}

// An sshd is OpenSSH's server on a port of loopback. It lets in who runs this, or
// a guest where that is root: the shell of root may read much before it begins.
type sshd struct {
	bed   *testbed
	dir   string
	addr  string
	user  string
	guest bool // user was made for this
	cmd   *exec.Cmd
}

// guest is a user without rights and with a plain shell.
const guest = "tuttibench"

func (b *testbed) startSSHD(ctx context.Context) (*sshd, error) {
	path := findSSHD()
	if path == "" {
		return nil, fmt.Errorf("%w: sshd is not installed", errAbsent)
	}
	s := &sshd{bed: b, dir: b.path("sshd")}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	if err := s.listen(ctx, path); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	return s, nil
}

// prepare sees to everything that the server needs.
func (s *sshd) prepare() (err error) {
	if err := s.chooseUser(); err != nil {
		return err
	}
	if s.addr, err = freeAddress(); err != nil {
		return err
	}
	return s.writeFiles()
}

func (s *sshd) chooseUser() error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	// A quick run, which measures nothing, leaves the system's users alone.
	if s.user = me.Username; os.Geteuid() != 0 || s.bed.quick {
		return nil
	}
	s.user = guest
	if _, err := user.Lookup(guest); err == nil {
		return nil
	}
	// The password matches nothing: a locked account would be refused.
	out, err := exec.Command("useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*", guest).CombinedOutput()
	if err != nil {
		return fmt.Errorf("useradd: %w: %s", err, out)
	}
	s.guest = true
	return nil
}

// listen starts the server and waits until it listens.
func (s *sshd) listen(ctx context.Context, path string) error {
	s.cmd = exec.CommandContext(ctx, path, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	s.cmd.WaitDelay = time.Second
	log, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("sshd: %w", err)
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Server listening on") {
			// The server must not block on its output. This ends with the server.
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return nil
		}
	}
	return fmt.Errorf("sshd does not listen: %w", s.cmd.Wait())
}

// findSSHD looks also where only root looks.
func findSSHD() string {
	for _, name := range []string{"sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// freeAddress returns an address that no process listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// writeFiles writes keys and configuration, and what the clients need.
func (s *sshd) writeFiles() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // the server insists on it
			return err
		}
	}
	key, host := fleet.NewKey(), fleet.NewKey()
	keys := "AuthorizedKeysFile " + s.file("authorized")
	if s.user == guest { // guest cannot read in the user's directories
		keys = "AuthorizedKeysFile none\nAuthorizedKeysCommandUser root\nAuthorizedKeysCommand /bin/cat " + s.file("authorized")
	}
	config := fmt.Sprintf(`ListenAddress %s
HostKey %s
%s
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
PermitRootLogin prohibit-password
`, s.addr, s.file("host"), keys)
	err := errors.Join(key.WriteFile(s.file("id"), ""), host.WriteFile(s.file("host"), ""))
	for path, text := range map[string]string{
		"authorized":  string(key.AuthorizedKey()),
		"sshd_config": config,
		"known_hosts": knownhosts.Line([]string{s.addr}, host.PublicKey()) + "\n",
		"targets":     s.addr + "\n",
	} {
		err = errors.Join(err, os.WriteFile(s.file(path), []byte(text), 0o644)) // the server may read as another user
	}
	return err
}

func (s *sshd) file(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) tuttiRun() command {
	return command{name: "tutti", argv: []string{
		s.bed.tutti, "run", "-F", "none", "-w", s.addr, "-l", s.user, "--identity", s.file("id"),
		"--known-hosts", s.file("known_hosts"), "--no-history", "--json", "true",
	}}
}

func (s *sshd) bareRun() command {
	return command{name: "bare client", argv: []string{
		s.bed.self, "bare", "-steps", "-user", s.user, "-key", s.file("id"), "-targets", s.file("targets"), "true",
	}}
}

// close ends the server, which says so with an exit code of 255.
func (s *sshd) close() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait() // that it was ended is no news
	return errors.Join(err, s.leave())
}

// leave takes away what was made for the server.
func (s *sshd) leave() error {
	err := os.RemoveAll(s.dir)
	if !s.guest {
		return err
	}
	if out, failed := exec.Command("userdel", guest).CombinedOutput(); failed != nil {
		err = errors.Join(err, fmt.Errorf("userdel: %w: %s", failed, out))
	}
	return err
}
