package ssh

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// sudoers is where the rules for the tests are, as long as one runs.
const sudoers = "/etc/sudoers.d/tutti-test"

// allowSudo lets the user of a server use the real sudo under the rules, each
// of which follows the user's name, or "Defaults"; "#" is none. The user gets a password
// that only the test knows, until its end.
func allowSudo(tb testing.TB, user string, rules ...string) (password string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("only root can let another user use sudo; internal/fleet's sudo is tested anyway")
	}
	if _, err := exec.LookPath("sudo"); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal("sudo is not installed (Debian: apt-get install sudo)")
		}
		tb.Skip("sudo is not installed (Debian: apt-get install sudo)")
	}
	lockSudoers(tb)
	password = rand.Text()
	if err := sshdtest.ChangeUsers(user+":"+password, "chpasswd"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := sshdtest.ChangeUsers("", "usermod", "--password", "*", user); err != nil {
			tb.Error(err)
		}
		_ = os.Remove(sudoers)
	})
	var b strings.Builder
	for _, rule := range rules {
		if defaults, ok := strings.CutPrefix(rule, "Defaults "); ok {
			b.WriteString("Defaults:" + user + " " + defaults + "\n")
			continue
		}
		if rule != "#" {
			b.WriteString(user + " " + rule + "\n")
		}
	}
	if err := os.MkdirAll(filepath.Dir(sudoers), 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(sudoers, []byte(b.String()), 0o440); err != nil {
		tb.Fatal(err)
	}
	return password
}

// lockSudoers keeps the tests of other processes out until the end of this one:
// the rules and the user are the system's.
func lockSudoers(tb testing.TB) {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "tutti-test-sudoers.lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() }) // which gives the lock back
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
}

func TestRealSudoRunsOrSaysWhyNot(t *testing.T) {
	tests := []struct {
		name     string
		rules    []string
		password string // empty: the right one
		message  string // of the failure; empty: none
	}{
		{name: "asks", rules: []string{"ALL=(ALL) ALL"}},
		{name: "does not ask", rules: []string{"ALL=(ALL) NOPASSWD: ALL"}},
		{name: "lectures", rules: []string{"ALL=(ALL) ALL", "Defaults lecture=always"}},
		{name: "in a terminal of its own", rules: []string{"ALL=(ALL) ALL", "Defaults use_pty,log_output,iolog_dir=/tmp/tutti-iolog"}},
		{name: "only with a terminal", rules: []string{"ALL=(ALL) ALL", "Defaults requiretty"}},
		{name: "wrong password", rules: []string{"ALL=(ALL) ALL"}, password: "wrong", message: "password rejected"},
		{name: "wrong password, one try", rules: []string{"ALL=(ALL) ALL", "Defaults passwd_tries=1"}, password: "wrong", message: "password rejected"},
		{name: "wrong password, only with a terminal", rules: []string{"ALL=(ALL) ALL", "Defaults requiretty"}, password: "wrong", message: "password rejected"},
		{name: "not allowed", rules: []string{"ALL=(ALL) /bin/ls"}, message: "Sorry, user tuttitest is not allowed to execute the command"},
		{name: "unknown to sudo", rules: []string{"#"}, message: "tuttitest is not in the sudoers file."},
	}
	t.Cleanup(func() { _ = os.RemoveAll("/tmp/tutti-iolog") })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, s := realBench(t, 1, sshdtest.Options{}, nil)
			password := allowSudo(t, s.User, tt.rules...)
			if tt.password != "" {
				password = tt.password
			}
			r := b.task(t.Context(), 0, sudo("id -un; printf 'a\\nb\\n'; cat", password))
			if tt.message != "" {
				r.wantOp(t, fanout.OpSudo, false)
				if !strings.HasPrefix(r.Failure.Message, tt.message) {
					t.Errorf("got message %q, want %q", r.Failure.Message, tt.message)
				}
				return
			}
			r.wantExit(t, fanout.Exit{})
			if got, want := r.stdout.String()+"|"+r.stderr.String(), "root\na\nb\n|"; got != want {
				t.Errorf("got output %q, want %q", got, want)
			}
		})
	}
}

// TestRealSudoEndsAtATerminal: a sudo that waits at a terminal for a password
// that it does not get ends, on the host that has refused one and on those that
// are not asked any more, and says whom it does not know.
func TestRealSudoEndsAtATerminal(t *testing.T) {
	b, s := realBench(t, 2, sshdtest.Options{}, nil)
	allowSudo(t, s.User, "ALL=(ALL) ALL")
	task := sudo("id -un", "wrong")
	task.PTY = &fanout.PTY{Term: "xterm", Columns: 80, Rows: 24}
	for i, want := range []string{"password rejected", "password not tried"} {
		r := b.task(t.Context(), i, task)
		r.wantOp(t, fanout.OpSudo, false)
		if !strings.HasPrefix(r.Failure.Message, want) {
			t.Errorf("got %q, want %q", r.Failure.Message, want)
		}
	}
	task = sudo("id -un", "")
	task.Sudo.User = "nobody-here"
	r := b.task(t.Context(), 0, task)
	r.wantOp(t, fanout.OpSudo, false)
	if !strings.Contains(r.Failure.Message, "nobody-here") {
		t.Errorf("got %q, want it to name the user", r.Failure.Message)
	}
}

// TestRealSudoEverything: nothing that is sent on standard input is lost, or
// read by the wrong one.
func TestRealSudoEverything(t *testing.T) {
	b, s := realBench(t, 1, sshdtest.Options{}, nil)
	password := allowSudo(t, s.User, "ALL=(ALL) ALL")
	task := sudo("script", password)
	task.Env = []fanout.Variable{{Name: "A", Secret: fanout.Secret(nasty)}}
	task.Stdin = text(strings.Repeat("input\n", 100_000))
	task.Job = &fanout.JobInfo{Name: "nightly"}
	task.Action = script("#!/bin/sh\nid -un; echo $TUTTI_JOB; printf %s \"$A$1\"; wc -c\n"+strings.Repeat("#\n", 100_000), "/bin/sh", nasty)
	r := b.task(t.Context(), 0, task)
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "root\nnightly\n"+nasty+nasty+"600000\n"; got != want {
		t.Errorf("got %.200q, want %.200q", got, want)
	}
}

// TestRealSudoSweep: what belongs to another user is ended as well, which the
// server may not do, and sudo may; and that is proved, although sudo changes the
// environment of daemons.
func TestRealSudoSweep(t *testing.T) {
	for _, tt := range trees {
		t.Run(tt.name, func(t *testing.T) {
			b, s := realBench(t, 1, sshdtest.Options{}, nil)
			password := allowSudo(t, s.User, "ALL=(ALL) ALL")
			task := sudo("cd "+s.Dir+" || exit; "+tt.command, password)
			file := filepath.Join(s.Dir, "pids")
			b.endOf(t, 0, task, file, tt.lines).wantEnded(t, file)
		})
	}
}

// TestTerminalChangesNoOutput: a terminal changes nothing in what the command says, and has a
// size.
func TestTerminalChangesNoOutput(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{}, nil)
	r := b.task(t.Context(), 0, fanout.Task{
		Action: fanout.Command(`tty -s && echo terminal; printf 'a\nb\r\n'; echo err >&2; stty size; echo "$TERM"; cat`),
		PTY:    &fanout.PTY{Term: "vt100", Columns: 97, Rows: 31},
	})
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "terminal\na\nb\r\nerr\n31 97\nvt100\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r = b.task(t.Context(), 0, fanout.Task{
		Action: fanout.Command(`printf %s "$A"; cat`), PTY: &fanout.PTY{Term: "dumb", Columns: 80, Rows: 24}, Dir: "/",
		Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret(strings.Repeat(nasty, 100))}},
	})
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), strings.Repeat(nasty, 100); got != want {
		t.Errorf("got %.300q, want %.300q", got, want)
	}
}

func TestRefusedTerminalStartsNothing(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"PermitTTY no"}}, nil)
	r := b.task(t.Context(), 0, fanout.Task{Action: fanout.Command("echo ran"), PTY: &fanout.PTY{Term: "dumb", Columns: 80, Rows: 24}})
	r.wantOp(t, fanout.OpExec, false)
	if got := r.stdout.String(); got != "" {
		t.Errorf("got stdout %q, want none", got)
	}
}
