package runner

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
)

func secrets(values map[string]string) *Env {
	return &Env{LookupEnv: func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}}
}

// A task is completed with its environment, and what was secret is forgotten when
// it is closed.
func TestPrepare(t *testing.T) {
	input := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(input, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ stdin, want string }{{input, "from a file"}, {"-", "from a stream"}} {
		request := Task{Env: []string{"STAGE=prod", "TOKEN"}, Dir: "/srv", Sudo: "www", Stdin: test.stdin}
		env := secrets(map[string]string{"TOKEN": "secret"})
		env.Stdin = strings.NewReader("from a stream")
		task, err := env.Prepare(&request, fanout.Task{Action: fanout.Command("true")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(task.Stdin.Open(t.Context()))
		if err != nil || string(got) != test.want || task.StdinName != test.stdin {
			t.Errorf("%s: got %q, %v, want %q", test.stdin, got, err, test.want)
		}
		if task.Dir != "/srv" || task.Sudo.User != "www" || task.PTY != nil || task.Env[0].Value != "prod" || string(task.Env[1].Secret) != "secret" {
			t.Errorf("got %+v", task.Task)
		}
		if err := task.Failure(); err != nil {
			t.Errorf("%s: %v", test.stdin, err)
		}
		task.Close()
		if slices.ContainsFunc(task.Env[1].Secret, func(b byte) bool { return b != 0 }) {
			t.Errorf("the secret is still there: %q", task.Env[1].Secret)
		}
	}
	env := secrets(nil)
	env.Terminal = &fanout.PTY{Term: "xterm", Columns: 132, Rows: 50}
	task, err := env.Prepare(&Task{PTY: true}, fanout.Task{Action: fanout.Command("true")})
	if err != nil || task.PTY != env.Terminal {
		t.Errorf("got %+v, %v", task, err)
	}
	task, err = secrets(nil).Prepare(&Task{PTY: true}, fanout.Task{Action: fanout.Command("true")})
	if err != nil || *task.PTY != (fanout.PTY{Term: "dumb", Columns: 80, Rows: 24}) {
		t.Errorf("without a terminal of ours: got %+v, %v", task, err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	for want, request := range map[string]Task{
		"-e TOKEN: TOKEN is not set in your environment": {Env: []string{"TOKEN"}},
		"-e/--env: ":                    {Env: []string{"1=x"}},
		"--stdin: open /nowhere/at/all": {Stdin: "/nowhere/at/all"},
		"is a directory":                {Stdin: t.TempDir()},
	} {
		_, err := secrets(nil).Prepare(&request, fanout.Task{Action: fanout.Command("true")})
		if err == nil || !strings.Contains(asFlags.Text(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Every host gets the script that was read, whatever becomes of the file.
func TestReadScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sweep")
	if err := os.WriteFile(path, []byte("#!/bin/sh -e\ntrue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := ReadScript(t.Context(), nil, path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = script.Source.Close() }()
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(script.Source.Open(t.Context()))
	if err != nil || string(text) != "#!/bin/sh -e\ntrue\n" || script.Size != int64(len(text)) || script.Name != path {
		t.Errorf("got %q, %v of %+v", text, err, script)
	}
	if !slices.Equal(script.Interpreter, []string{"/bin/sh", "-e"}) {
		t.Errorf("got %q", script.Interpreter)
	}
	for _, bad := range []string{"true\n", "#!sh\n", "#!/bin/sh\r\n"} {
		if _, err := ReadScript(t.Context(), strings.NewReader(bad), "-"); err == nil {
			t.Errorf("%q was read as a script", bad)
		}
	}
}
