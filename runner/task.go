package runner

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/ssh"
)

// variables reads the env key. A value from the local environment is a secret.
func variables(env []string, lookup func(string) (string, bool)) ([]fanout.Variable, error) {
	var out []fanout.Variable
	for _, arg := range env {
		name, value, given := strings.Cut(arg, "=")
		v := fanout.Variable{Name: name, Value: value}
		if err := (fanout.Task{Env: []fanout.Variable{{Name: name}}}).Check(); err != nil {
			return nil, fault.Syntaxf("%s: %v", fault.Key("env"), err)
		}
		if !given {
			secret, set := lookup(name)
			if !set {
				return nil, fault.Hintf(fault.Usagef("%s %s: %[2]s is not set in your environment", fault.Short("env"), name),
					"export %s first; %s %[1]s=VALUE sets it, and is recorded", name, fault.Short("env"))
			}
			v.Secret = append(fanout.Secret{}, secret...)
		}
		out = append(out, v)
	}
	return out, nil
}

// A PreparedTask is a task with everything that it needs opened.
type PreparedTask struct {
	fanout.Task
	spool *spool   // of a stream that Stdin is; nil: it is none
	pipe  *os.File // that the spool reads; nil: none that was opened here
}

// Failure is why the input could not be read to its end, which is a local error for the
// hosts that were cut off; nil if it could.
func (t *PreparedTask) Failure() error {
	if t.spool == nil {
		return nil
	}
	if cause := t.spool.failure(); cause != nil {
		return fmt.Errorf("read the input: %w", cause)
	}
	return nil
}

// Prepare completes task with its environment, as o has it. It asks for nothing yet.
func (env *Env) Prepare(o *Task, task fanout.Task) (_ *PreparedTask, err error) {
	t := &PreparedTask{Task: task}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if t.Env, err = variables(o.Env, env.LookupEnv); err != nil {
		return nil, err
	}
	t.Dir, t.HostEnv = o.Dir, o.HostEnv
	if o.Sudo != "" {
		t.Sudo = &fanout.Sudo{User: o.Sudo}
	}
	if o.PTY {
		t.PTY = cmp.Or(env.Terminal, &fanout.PTY{Term: "dumb", Columns: 80, Rows: 24})
	}
	if err := t.Task.Check(); err != nil {
		return nil, fault.Usage(err)
	}
	if err := ssh.CheckTask(t.Task); err != nil {
		return nil, fault.Usage(err)
	}
	return t, t.openStdin(env.Stdin, o.Stdin)
}

// openStdin opens the input of that name. What is not a plain file can be read only
// once, and is stored for the hosts that read it later.
func (t *PreparedTask) openStdin(stdin io.Reader, name string) error {
	t.StdinName = name
	if name == "" {
		return nil
	}
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fault.Usagef("%s: %w", fault.Key("stdin"), err)
		}
		t.pipe = f
		info, err := f.Stat()
		if err != nil {
			return fault.Usagef("%s: %w", fault.Key("stdin"), err)
		}
		if info.IsDir() {
			return fault.Usagef("%s: %s is a directory", fault.Key("stdin"), name)
		}
		if info.Mode().IsRegular() {
			t.Stdin, t.pipe = fileInput{f}, nil
			return nil
		}
		from = f
	}
	s, err := newSpool(from)
	if err != nil {
		return err
	}
	t.spool, t.Stdin = s, s
	return nil
}

// Close wipes the secrets and closes the files. The task must not be running any more.
func (t *PreparedTask) Close() {
	for _, v := range t.Env {
		v.Secret.Wipe()
	}
	if t.Sudo != nil {
		t.Sudo.Password.Wipe()
	}
	if t.Stdin != nil {
		_ = t.Stdin.Close() // it was only read
	}
	if t.pipe != nil {
		_ = t.pipe.Close() // it was only read
	}
}
