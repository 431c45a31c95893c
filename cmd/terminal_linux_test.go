package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminalCommands run a program at a terminal of its own:
//
//	terminal [COLUMNSxROWS] COMMAND...  start it
//	sees TEXT...                        wait until each TEXT has been shown since
//	type TEXT                           type; ^C, ^Z, ^\, ^M and ^I are the keys
//	typefile FILE                       type what is in FILE
//	resize COLUMNSxROWS
//	ends CODE                           wait for its end; what was shown is in the file terminal
func terminalCommands() map[string]scriptCommand {
	return map[string]scriptCommand{
		"terminal": startTerminal,
		"sees":     waitForTerminal,
		"type":     typeAtTerminal,
		"typefile": typeFileAtTerminal,
		"resize":   resizeTerminal,
		"ends":     waitForTerminalEnd,
	}
}

// A terminal is a pseudo terminal with a program in its foreground.
type terminal struct {
	keys *os.File // the side of the keyboard and the screen
	cmd  *exec.Cmd
	read sync.WaitGroup
	more chan struct{} // holds one when more has been shown

	mu    sync.Mutex // guards what follows
	shown bytes.Buffer
	seen  int // how much of it "sees" has passed
}

func openTerminal() (keys, line *os.File, err error) {
	keys, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	line, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	return keys, line, err
}

func startTerminal(ts *testscript.TestScript, neg bool, args []string) {
	columns, rows := uint16(80), uint16(24)
	if len(args) > 0 {
		if _, err := fmt.Sscanf(args[0], "%dx%d", &columns, &rows); err == nil {
			args = args[1:]
		}
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: terminal [COLUMNSxROWS] COMMAND...")
	}
	keys, line, err := openTerminal()
	ts.Check(err)
	ts.Check(unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
	t := &terminal{keys: keys, more: make(chan struct{}, 1)}
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	t.cmd = exec.Command(path, args[1:]...)
	t.cmd.Dir, t.cmd.Env = ts.MkAbs("."), environmentOf(ts)
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = line, line, line
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(t.cmd.Start())
	ts.Check(line.Close())
	t.read.Go(t.copyScreen)
	ts.Defer(func() {
		_ = t.cmd.Process.Kill() // it has ended, unless the script failed
		_ = keys.Close()
		t.read.Wait()
	})
	ts.Value(siteKey{}).(*site).terminal = t
}

// environmentOf is the part of the script's environment that the program reads.
func environmentOf(ts *testscript.TestScript) []string {
	env := []string{"TERM=xterm-256color"}
	for _, name := range []string{
		"PATH", "HOME", "USER", "TZ", "WORK", "TMPDIR", "TERM", "PAGER", "NO_COLOR", "GOCOVERDIR", "GORACE",
		"TUTTI_HISTORY", "TUTTI_INVENTORY", "TUTTI_KNOWN_HOSTS", "TUTTI_SERVER", "XDG_RUNTIME_DIR",
	} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// copyScreen keeps what is shown until the last program has left the terminal.
func (t *terminal) copyScreen() {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.keys.Read(buf)
		t.mu.Lock()
		t.shown.Write(buf[:n])
		t.mu.Unlock()
		select {
		case t.more <- struct{}{}:
		default: // the reader has not caught up yet
		}
		if err != nil {
			return
		}
	}
}

func terminalOf(ts *testscript.TestScript) *terminal {
	t, ok := ts.Value(siteKey{}).(*site).terminal.(*terminal)
	if !ok {
		ts.Fatalf("no terminal has been started")
	}
	return t
}

func waitForTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: sees TEXT...")
	}
	t := terminalOf(ts)
	deadline := time.After(30 * time.Second)
	for !t.pass(args) {
		select {
		case <-t.more:
		case <-deadline:
			ts.Fatalf("the terminal never showed %q:\n%q", args, t.text())
		}
	}
}

// pass looks for texts, in any order, after what was passed before.
func (t *terminal) pass(texts []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := 0
	for _, text := range texts {
		i := bytes.Index(t.shown.Bytes()[t.seen:], []byte(text))
		if i < 0 {
			return false
		}
		end = max(end, i+len(text))
	}
	t.seen += end
	return true
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.String()
}

func typeAtTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: type TEXT")
	}
	_, err := terminalOf(ts).keys.WriteString(strings.NewReplacer("^C", "\x03", "^Z", "\x1a", `^\`, "\x1c", "^M", "\r", "^I", "\t").Replace(args[0]))
	ts.Check(err)
}

func typeFileAtTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: typefile FILE")
	}
	_, err := terminalOf(ts).keys.WriteString(strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r"))
	ts.Check(err)
}

func resizeTerminal(ts *testscript.TestScript, neg bool, args []string) {
	var size unix.Winsize
	if neg || len(args) != 1 {
		ts.Fatalf("usage: resize COLUMNSxROWS")
	}
	_, err := fmt.Sscanf(args[0], "%dx%d", &size.Col, &size.Row)
	ts.Check(err)
	ts.Check(unix.IoctlSetWinsize(int(terminalOf(ts).keys.Fd()), unix.TIOCSWINSZ, &size))
}

func waitForTerminalEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ends CODE")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	t := terminalOf(ts)
	err = t.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("wait: %v", err)
	}
	t.read.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("terminal"), []byte(t.text()), 0o600))
	ts.Logf("terminal: %q", t.text())
	if got := t.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// TestTerminalScripts runs the program at a terminal.
func TestTerminalScripts(t *testing.T) {
	runScripts(t, "testdata/terminal", terminalCommands())
}
