package runner

import (
	"bytes"
	"context"
	"errors"
	"os/exec"

	"tutti/fanout"
	"tutti/internal/fault"
)

// A Prompter asks the operator who launches a run. What it returns is wiped after use.
type Prompter interface {
	// LoginPassword asks for the login password.
	LoginPassword(ctx context.Context) ([]byte, error)
	// SudoPassword asks for the password for sudo. If login is true, an empty answer
	// means the login password.
	SudoPassword(ctx context.Context, login bool) ([]byte, error)
	// Passphrases asks for the passphrase of a key; nil: they cannot be asked for,
	// so that such keys are not used.
	Passphrases() func(ctx context.Context, path string) ([]byte, error)
	// ConfirmTouches asks, if it has to, whether a hardware key may have to be
	// touched n times, n being more than none. An error refuses that.
	ConfirmTouches(ctx context.Context, n int) error
}

// An asker gets passwords and passphrases, from the operator or from a command.
type asker struct {
	prompter Prompter // nil: there is none to ask
	env      *Env
	request  *Request
}

func (l *Launch) asker() asker { return asker{l.Prompter, l.Env, l.Request} }

// errNoPrompter is a password that is needed where there is no operator to ask.
var errNoPrompter = errors.New("no terminal to ask for a password")

// loginPassword asks for the login password; nil if the request needs none.
func (a asker) loginPassword(ctx context.Context) (fanout.Secret, error) {
	if !a.request.Login.AskPass {
		return nil, nil
	}
	if a.prompter == nil {
		return nil, fault.Usage(errNoPrompter)
	}
	password, err := a.prompter.LoginPassword(ctx)
	if err != nil {
		return nil, err
	}
	if len(password) == 0 || bytes.IndexByte(password, 0) >= 0 {
		clear(password)
		return nil, fault.Usagef("the login password is empty or contains a NUL byte")
	}
	return password, nil
}

// giveSudoPassword sets the password for sudo, if the request needs one. login is the
// login password, which is sudo's as well for most users; nil: there is none.
func (a asker) giveSudoPassword(ctx context.Context, sudo *fanout.Sudo, login fanout.Secret) error {
	task := &a.request.Task
	if sudo == nil || !task.AskSudoPass && task.SudoPassCommand == "" {
		return nil
	}
	password, err := a.sudoPassword(ctx, task, login != nil)
	if err != nil {
		return err
	}
	if len(password) == 0 && task.AskSudoPass {
		password = bytes.Clone(login)
	}
	if len(password) == 0 || bytes.IndexByte(password, 0) >= 0 {
		clear(password)
		return fault.Usagef("the sudo password is empty or contains a NUL byte")
	}
	sudo.Password = password
	return nil
}

func (a asker) sudoPassword(ctx context.Context, task *Task, login bool) ([]byte, error) {
	switch {
	case task.AskSudoPass && a.prompter == nil:
		return nil, fault.Usage(errNoPrompter)
	case task.AskSudoPass:
		return a.prompter.SudoPassword(ctx, login)
	}
	password, err := a.env.runPasswordCommand(ctx, task)
	if err != nil {
		return nil, fault.Usagef("%s: %w", fault.Key("sudo-pass-command"), err)
	}
	return password, nil
}

// passphrases asks for the passphrase of a key; nil without a prompter.
func (a asker) passphrases() func(ctx context.Context, path string) ([]byte, error) {
	if a.prompter == nil {
		return nil
	}
	return a.prompter.Passphrases()
}

// confirmTouches asks whether the operator is there to touch a hardware key n times.
func (a asker) confirmTouches(ctx context.Context, n int) error {
	switch {
	case n == 0:
		return nil
	case a.prompter == nil:
		return fault.Hintf(fault.Usagef("the login needs a touch of a security key, and a job cannot wait for one"), "name another key with %s", fault.Key("identity"))
	}
	return a.prompter.ConfirmTouches(ctx, n)
}

// maxPassword bounds the output of a password command, in bytes.
const maxPassword = 64 << 10

// runPasswordCommand returns the first line of the output of the command that prints
// sudo's password. Its stderr is shown.
func (env *Env) runPasswordCommand(ctx context.Context, task *Task) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", task.SudoPassCommand)
	cmd.Stderr = env.Stderr
	cmd.Env = env.forPrograms(task)
	var printed bounded
	defer printed.wipe()
	cmd.Stdout = &printed
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(printed.data, []byte("\n"))
	return bytes.Clone(bytes.TrimSuffix(line, []byte("\r"))), nil
}

// bounded keeps up to maxPassword bytes of what is written to it. It never moves them,
// so that wiping leaves no copy.
type bounded struct{ data []byte }

var errTooLong = errors.New("its output is longer than a password")

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
