package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/internal/tail"
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

const (
	// programTimeout bounds everything that one inventory runs.
	programTimeout = 30 * time.Second
	// programGrace is how long a program's children may hold its output after
	// its own end.
	programGrace = time.Second
	// programOutput is how much a program may print.
	programOutput = 64 << 20
	// programErrors is how much of the end of its stderr an error shows.
	programErrors = 2 << 10
)

var (
	errProgramTime   = fmt.Errorf("timed out after %s and was killed", programTimeout)
	errProgramOutput = fmt.Errorf("printed more than %d MiB and was killed", programOutput>>20)
)

// A program is an inventory that is run.
type program struct {
	path string
	env  []string // nil: that of this process
	// timeout and output are programTimeout and programOutput, but for tests.
	timeout time.Duration
	output  int
}

// Run runs the program and returns what it prints on stdout. It runs in a
// process group of its own, so that its children can be killed with it, and so
// that a Ctrl-C of the terminal reaches it through ctx only.
func (p *program) Run(ctx context.Context, args ...string) ([]byte, error) {
	path, err := filepath.Abs(p.path)
	if err != nil {
		return nil, p.failed(args, err, "")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdout := &head{limit: p.output, full: func() { cancel(errProgramOutput) }}
	stderr := &tail.Buffer{Size: programErrors}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = programGrace
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err = cmd.Start(); err == nil {
		err = cmd.Wait()
	} else {
		err = notStarted(path, err)
	}
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		// Processes that it left running hold its output open, but add nothing to it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there may be nothing left
		err = nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return nil, p.failed(args, err, outputText(stderr))
	}
	return stdout.data, nil
}

// notStarted explains misleading errors of starting a program.
func notStarted(path string, err error) error {
	if errors.Is(err, syscall.ENOEXEC) {
		return errors.New(`this system cannot run it; a script begins with "#!" and its interpreter`)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	// The system's error is about the interpreter, but looks as if it were about the file.
	line, interpreter := interpreterOf(path)
	switch _, missing := os.Stat(interpreter); {
	case interpreter == "":
	case strings.Contains(line, "\r"):
		return errors.New("it has Windows line endings (CRLF), which break its #! line; convert it with dos2unix")
	case errors.Is(missing, fs.ErrNotExist):
		return fmt.Errorf("its interpreter %s does not exist on this machine", hostlist.Printable(interpreter))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w, of the program or of its interpreter %s", fs.ErrPermission, hostlist.Printable(interpreter))
	}
	return err
}

// interpreterOf returns the #! line of a script, and the interpreter that it
// names; both are empty without one.
func interpreterOf(path string) (line, interpreter string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer func() { _ = f.Close() }() // nothing was written
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head) // a short file is read to its end
	line, _, _ = strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		return line, fields[0]
	}
	return "", ""
}

// Failed is the error of a program that ran and printed no inventory.
func (p *program) Failed(args []string, err error) error { return p.failed(args, err, "") }

// TimedOut reports whether an error of Run says that the time was up.
func (p *program) TimedOut(err error) bool { return errors.Is(err, errProgramTime) }

// failed is the error of a run.
func (p *program) failed(args []string, err error, stderr string) error {
	return &ProgramError{Command: strings.Join(append([]string{p.path}, args...), " "), Err: err, Stderr: stderr}
}

// A ProgramError says that an inventory program failed.
type ProgramError struct {
	// Command is the program with its arguments.
	Command string
	// Err is what went wrong.
	Err error
	// Stderr is the end of its standard error, made visible. Empty: none, or not known.
	Stderr string
}

// Error has the command, what went wrong, and the program's standard error.
func (e *ProgramError) Error() string {
	text := fmt.Sprintf("run %s: %v", e.Command, e.Err)
	if e.Stderr != "" {
		text += "; its output:\n" + e.Stderr
	}
	return text
}

func (e *ProgramError) Unwrap() error { return e.Err }

// A head keeps what is written up to a limit, and says when there is more.
type head struct {
	data  []byte
	limit int
	full  func()
}

func (h *head) Write(p []byte) (int, error) {
	if len(p) > h.limit-len(h.data) {
		h.full()
		return 0, errProgramOutput
	}
	h.data = append(h.data, p...)
	return len(p), nil
}

// outputText is the stored output of a program, in whole lines if possible, indented,
// and safe for a terminal.
func outputText(said *tail.Buffer) string {
	data := said.Bytes()
	if said.Cut() {
		if i := bytes.IndexByte(data, '\n'); i >= 0 && i+1 < len(data) {
			data = data[i+1:]
		}
	}
	var b strings.Builder
	if bytes.Contains(data, []byte("PRIVATE KEY")) {
		return "  (a private key, not shown)"
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("  " + hostlist.Printable(line))
	}
	return b.String()
}

// runProgram reads the inventory that a program prints into a.
func runProgram(ctx context.Context, a *ansible.Inventory, f layer.File, p *program) error {
	if f.Trust != layer.Named {
		return fault.Errorf("inventory %s is a program, which tutti runs only if it is named with %s", f.Path, fault.Short("inventory"))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errProgramTime)
	defer cancel()
	return a.ReadProgram(ctx, f, p)
}
