package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/term"

	"tutti/fanout"
	"tutti/runner"
)

// ready completes task with what o says. Nothing is asked yet.
func (a *app) ready(o *runner.Task, task fanout.Task) (*runner.PreparedTask, error) {
	return a.env().Prepare(o, task, a.In, a.terminal())
}

// launchTask makes task ready with what the flags say, and launches it.
func (a *app) launchTask(ctx context.Context, o *launchOptions, selector string, task fanout.Task) error {
	r, err := a.ready(&o.Task, task)
	if err != nil {
		return err
	}
	defer r.Close()
	return a.launch(ctx, o, selector, r)
}

// terminal is the terminal that a command is given: one like ours.
func (a *app) terminal() *fanout.PTY {
	p := &fanout.PTY{Term: "dumb", Columns: 80, Rows: 24}
	for _, stream := range []any{a.Out, a.Err} {
		f, ok := stream.(*os.File)
		if !ok {
			continue
		}
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			p.Columns, p.Rows = columns, rows
			if name := a.Getenv("TERM"); name != "" {
				p.Term = name
			}
			return p
		}
	}
	return p
}

// giveSudoPassword gets the password for sudo, if there is to be one. login is
// that to log in with, which most users have for sudo too; nil: there is none.
func (a *app) giveSudoPassword(ctx context.Context, o *runner.Task, sudo *fanout.Sudo, login fanout.Secret) error {
	if sudo == nil || !o.AskSudoPass && o.SudoPassCommand == "" {
		return nil
	}
	var password []byte
	var err error
	if o.AskSudoPass {
		question := "password for sudo: "
		if login != nil {
			question = "password for sudo (empty: the same as to log in): "
		}
		if password, err = a.askSecret(ctx, question); err != nil && ctx.Err() == nil {
			err = hint(usagef("--ask-sudo-pass: there is no terminal to ask on: %w", err), "--sudo-pass-command gets it without one")
		}
	} else if password, err = runPasswordCommand(ctx, a, o.SudoPassCommand, a.env().ForPrograms(o)); err != nil {
		err = usagef("--sudo-pass-command: %w", err)
	}
	if err != nil {
		return err
	}
	if len(password) == 0 && o.AskSudoPass {
		password = bytes.Clone(login)
	}
	if len(password) == 0 || bytes.IndexByte(password, 0) >= 0 {
		return usagef("the password for sudo is empty, or holds a NUL byte")
	}
	sudo.Password = password
	return nil
}

// maxPassword bounds what is read of what a password command prints.
const maxPassword = 64 << 10

// runPasswordCommand returns the first line of what command prints. What it
// says on stderr is shown. Its environment is env.
func runPasswordCommand(ctx context.Context, a *app, command string, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stderr = a.Err
	cmd.Env = env
	var printed bounded
	defer printed.wipe()
	cmd.Stdout = &printed
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(printed.data, []byte("\n"))
	return bytes.Clone(bytes.TrimSuffix(line, []byte("\r"))), nil
}

// bounded keeps what is written to it, up to maxPassword bytes. It never moves,
// so that nothing is left when it is wiped.
type bounded struct{ data []byte }

var errTooLong = errors.New("it prints more than a password")

func (b *bounded) Write(p []byte) (int, error) {
	if b.data == nil {
		b.data = make([]byte, 0, maxPassword)
	}
	if len(b.data)+len(p) > maxPassword {
		return 0, errTooLong
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

func (b *bounded) wipe() { clear(b.data) }

// surroundings says in words what there is around the command of t.
func surroundings(t fanout.Task) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if t.Sudo != nil {
		add("as %s, by sudo", t.Sudo.User)
	}
	if t.Dir != "" {
		add("in %s", t.Dir)
	}
	for _, v := range t.Env {
		if v.Secret != nil {
			add("with %s, a secret", v.Name)
			continue
		}
		add("with %s=%s", v.Name, v.Value)
	}
	if t.StdinName != "" {
		add("reading %s", t.StdinName)
	}
	if t.PTY != nil {
		add("on a terminal of %d columns and %d rows", t.PTY.Columns, t.PTY.Rows)
	}
	if t.Script != nil {
		add("the script has %d bytes and SHA-256 %s", t.Script.Size, t.Script.SHA256)
	}
	return out
}
