package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"tutti/internal/sanitize"
	"tutti/internal/tail"
	"tutti/scheduler"
)

const (
	// commandLimit is how long a command may take.
	commandLimit = time.Minute
	// commandGrace is how long it then has to end, and how long what it leaves
	// behind may hold its standard error open.
	commandGrace = 5 * time.Second
	// maxSaid is how much of the end of its standard error is kept, in bytes.
	maxSaid = 4 << 10
)

// A shell runs commands.
type shell struct {
	// limit and grace are commandLimit and commandGrace, but for tests.
	limit, grace time.Duration
	// forceStop is done when running commands must be killed.
	forceStop context.Context
}

var errCommandTime = fmt.Errorf("timed out after %s and was killed", commandLimit)

// commandVariables are the daemon's variables that a command gets. The others are
// not passed on: some of them are secrets.
var commandVariables = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"}

// run makes one attempt. The command is in a process group of its own, all of
// which is ended when its time is up.
func (s shell) run(ctx context.Context, d scheduler.Delivery) error {
	if d.Notify.Command == "" {
		return refusal{errors.New("missing webhook or command")}
	}
	body, err := json.Marshal(d.Message)
	if err != nil {
		return refusal{fmt.Errorf("write the message: %w", err)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, errCommandTime)
	defer cancel()
	said := &tail.Buffer{Size: maxSaid}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", d.Notify.Command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = commandEnv(d.Message)
	cmd.Stdin = bytes.NewReader(append(body, '\n'))
	cmd.Stderr = said
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = s.grace
	err = s.await(cmd)
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there may be nothing left
	}
	switch cause := context.Cause(ctx); {
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && cause == nil:
		// What it has left in the background may go on.
		return nil
	case cause != nil:
		err = cause
	}
	if text := saidText(said); text != "" {
		return fmt.Errorf("%w; its output:\n%s", err, text)
	}
	return err
}

// await runs a command, and kills it once there is a hurry.
func (s shell) await(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(s.forceStop, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	})()
	return cmd.Wait()
}

// commandEnv is the environment of a command.
func commandEnv(m scheduler.Message) []string {
	env := []string{"TUTTI_EVENT=" + m.Type, "TUTTI_JOB=" + m.Job}
	if m.Run != 0 {
		env = append(env, "TUTTI_RUN="+strconv.FormatInt(m.Run, 10))
	}
	for _, name := range commandVariables {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// saidText is what was kept of what a command said, fit for a terminal.
func saidText(said *tail.Buffer) string {
	var lines []string
	for line := range strings.Lines(string(said.Bytes())) {
		if line = strings.TrimRightFunc(line, unicode.IsSpace); line != "" {
			lines = append(lines, sanitize.Escape(line))
		}
	}
	return strings.Join(lines, "\n")
}
