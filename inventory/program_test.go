package inventory

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tutti/internal/tail"
	"tutti/internal/yamltree"
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

// script makes an executable shell script and returns its path.
func script(t *testing.T, body string) string {
	t.Helper()
	path := write(t, "inv.sh", "#!/bin/sh\n"+body)
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadScript(t *testing.T, body string) (*Inventory, error) {
	t.Helper()
	return Load(t.Context(), []layer.File{{Path: script(t, body), Trust: layer.Named}})
}

func TestProgramErrors(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"fails", "echo first >&2; printf 'no \\033[31mcredentials\\n' >&2; exit 3", "inv.sh --list: exit status 3; its output:\n  first\n  \"no \\x1b[31mcredentials\""},
		{"fails in silence", "exit 1", "inv.sh --list: exit status 1"},
		{"is killed", "kill -9 $$", "inv.sh --list: signal: killed"},
		{"prints nothing", "", "it printed nothing, not even {}"},
		{"prints garbage", "printf '{\\n \"a\": [1,\\n x]}'", `it printed no JSON: byte 14 (line 3, column 2): invalid character 'x' looking for beginning of value`},
		{"stops within", "printf '{\"a\": '", "it printed no JSON: byte 6 (line 1, column 6): unexpected end of JSON input"},
		{"prints a list", "echo '[1]'", "it printed a list, want a JSON object"},
		{"prints two", "echo '{} {}'", "it printed no JSON: byte 4"},
		{"group of a wrong kind", `echo '{"web": 3}'`, "inv.sh: group web: want an object, got a number"},
		{"hosts of a wrong kind", `echo '{"web": {"hosts": "a"}}'`, "inv.sh: group web: hosts: want a list of names, got a string"},
		{"a host that is no name", `echo '{"web": [1]}'`, "inv.sh: group web: want a name, got a number"},
		{"vars of a wrong kind", `echo '{"web": {"vars": []}}'`, "inv.sh: group web: vars: want an object, got a list"},
		{"hostvars of a wrong kind", `echo '{"_meta": {"hostvars": []}}'`, "inv.sh: _meta: hostvars: want an object, got a list"},
		{"shell in a name", `echo '{"web": ["a;reboot"]}'`, `inv.sh: group web: hosts: ';' is not allowed in the name "a;reboot"`},
		{"circle", `echo '{"a": {"children": ["b"]}, "b": {"children": ["a"]}}'`, "groups form a cycle: a > b > a"},
		{"host that it does not know", `[ $1 = --list ] && echo '{"a": ["h1"]}' || exit 4`, "inv.sh --host h1: exit status 4"},
		{"host with garbage", `[ $1 = --list ] && echo '{"a": ["h1"]}' || echo x`, "inv.sh --host h1: it printed no JSON: byte 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadScript(t, tt.body)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	var failed *ProgramError
	if _, err := loadScript(t, "exit 1"); !errors.As(err, &failed) || !strings.HasSuffix(failed.Command, "inv.sh --list") {
		t.Errorf("got %v, want a ProgramError with the command", err)
	}
	path := write(t, "inv", "#!/no/such/interpreter\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}}); !errors.As(err, &failed) {
		t.Errorf("no interpreter: got %v, want a ProgramError", err)
	}
}

// TestProgramIsNamed: a program is never run unless the command names it.
func TestProgramIsNamed(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	path := script(t, "touch "+mark+"; echo '{}'\n")
	for _, trust := range []layer.Trust{layer.Found, layer.FromEnvironment} {
		if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: trust}}); err == nil || !strings.Contains(err.Error(), "only if it is named with inventory") {
			t.Errorf("trust %d: got %v, want a refusal", trust, err)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the program ran")
	}
	if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("the program did not run when it was named: %v", err)
	}
}

// TestProgramRunsWhereItLies: a name without a directory is not looked up in PATH.
func TestProgramRunsWhereItLies(t *testing.T) {
	path := script(t, "echo '{\"g\": [\"here\"]}'\n")
	t.Chdir(filepath.Dir(path))
	inv, err := Load(t.Context(), []layer.File{{Path: "inv.sh", Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	host(t, inv, "here")
}

// A holder is a FIFO that programs hold open, so that their end can be waited
// for.
type holder struct {
	path string
	// held is closed once a process has written something, ended when no process
	// has the FIFO open any more.
	held, ended chan struct{}
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	h := &holder{path: filepath.Join(t.TempDir(), "fifo"), held: make(chan struct{}), ended: make(chan struct{})}
	if err := syscall.Mkfifo(h.path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := os.Open(h.path)
		if err != nil {
			return
		}
		defer func() { _ = f.Close() }() // nothing was written
		if _, err := f.Read(make([]byte, 1)); err == nil {
			close(h.held)
		}
		_, _ = io.Copy(io.Discard, f) // its end is what counts
		close(h.ended)
	}()
	return h
}

// wait fails unless every process that held the FIFO ends.
func (h *holder) wait(t *testing.T) {
	t.Helper()
	select {
	case <-h.ended:
	case <-time.After(30 * time.Second):
		t.Error("a process is still there")
	}
}

func runLimited(t *testing.T, ctx context.Context, body string, timeout time.Duration, output int) error {
	t.Helper()
	var problems yamltree.Problems
	path := script(t, body)
	p := &program{path: path, timeout: timeout, output: output}
	return runProgram(ctx, ansible.New(&newBuilder(&problems).Tally), layer.File{Path: path, Trust: layer.Named}, p)
}

// TestProgramEnds: it is killed with its children, however they hold on.
func TestProgramEnds(t *testing.T) {
	if err := runLimited(t, t.Context(), "exec sleep 1000\n", 50*time.Millisecond, 100); !errors.Is(err, errProgramTime) {
		t.Errorf("a program that hangs: got %v, want that it took too long", err)
	}

	h := newHolder(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the operator has enough")
	go func() {
		<-h.held
		cancel(stop)
	}()
	body := "(trap '' TERM INT; exec 3>" + h.path + "; echo >&3; sleep 1000) & wait\n"
	if err := runLimited(t, ctx, body, time.Minute, 10); !errors.Is(err, stop) {
		t.Errorf("a program that is stopped: got %v, want why", err)
	}
	h.wait(t)
	if err := runLimited(t, ctx, body, time.Minute, 10); !errors.Is(err, stop) {
		t.Errorf("a program that does not start: got %v, want why", err)
	}

	h = newHolder(t)
	body = "exec 3>" + h.path + "; echo >&3; sleep 1000 & echo 12345678901; wait\n"
	if err := runLimited(t, t.Context(), body, time.Minute, 10); !errors.Is(err, errProgramOutput) {
		t.Errorf("a program without end: got %v, want that it printed too much", err)
	}
	h.wait(t)
}

// TestProgramLeavesChild: a process that a program leaves behind with its output
// open does not block the load, and is killed.
func TestProgramLeavesChild(t *testing.T) {
	h := newHolder(t)
	inv, err := loadScript(t, "exec 3>"+h.path+"; echo >&3; echo '{\"_meta\": {\"hostvars\": {}}, \"g\": [\"a\"]}'; sleep 1000 &\n")
	if err != nil {
		t.Fatal(err)
	}
	host(t, inv, "a")
	h.wait(t)
}

// TestProgramHosts: without _meta each host is asked for, once, and may have
// nothing to say.
func TestProgramHosts(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	inv, err := loadScript(t, `
if [ $1 = --list ]; then echo '{"a": ["h1", "h2"], "b": ["h1"]}'; exit; fi
echo $2 >>`+count+`
[ $2 = h2 ] || echo '{"ansible_port": 22, "x": {}}'
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := host(t, inv, "h1").Port; got != 22 {
		t.Errorf("h1: got port %d, want 22", got)
	}
	asked, err := os.ReadFile(count)
	if err != nil || string(asked) != "h1\nh2\n" {
		t.Errorf("got %q, %v, want each host once", asked, err)
	}
}

func TestSaidText(t *testing.T) {
	w := &tail.Buffer{Size: 10}
	for range 3 {
		_, _ = w.Write([]byte("12345\nabc\n")) // it never fails
	}
	if got, want := outputText(w), "  abc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w = &tail.Buffer{Size: 4}
	_, _ = w.Write([]byte("abcdef")) // it never fails
	if got := outputText(w); got != "  cdef" {
		t.Errorf("a line that is too long: got %q, want its end", got)
	}
}

// printing is a program that cannot be run, and has printed a list before.
type printing struct {
	program
	list string
}

func (p *printing) Run(ctx context.Context, args ...string) ([]byte, error) {
	if args[0] == "--list" {
		return []byte(p.list), nil
	}
	return p.program.Run(ctx, args...)
}

func FuzzProgramOutput(f *testing.F) {
	for _, s := range []string{
		`{"_meta": {"hostvars": {"a": {"ansible_port": 22, "ansible_user": {"__ansible_vault": "x"}}}}, "web": ["a"], "all": {"children": ["web"]}}`,
		`{"a": {"x": 1}}`, `{"a": {"hosts": ["b"], "vars": {"ansible_host": null}}}`, `{`, `[]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var problems yamltree.Problems
		b := newBuilder(&problems)
		a := ansible.New(&b.Tally)
		file := layer.File{Path: "inv", Trust: layer.Named}
		if err := a.ReadProgram(t.Context(), file, &printing{program{path: "/nonexistent/inv"}, text}); err != nil {
			if !strings.Contains(err.Error(), "inv") {
				t.Fatalf("%v does not say which inventory", err)
			}
			return
		}
		l, err := a.Layer()
		if err != nil {
			return
		}
		b.add(l)
		inv, err := b.build()
		if err == nil {
			checkLoaded(t, inv, nil)
		}
	})
}

// TestProgramsThatCannotStart: what the system says of the interpreter looks as
// if it were said of the file.
func TestProgramsThatCannotStart(t *testing.T) {
	plain := write(t, "plain", "text")
	for text, want := range map[string]string{
		"#!" + plain + "\n":                  "permission denied, of the program or of its interpreter " + plain,
		"#!/bin/sh\r\necho '{}'\r\n":         "--list: it has Windows line endings (CRLF), which break its #! line; convert it with dos2unix",
		"#!/usr/bin/env sh\r\necho '{}'\r\n": "", // env says it
		"#!/nosuch/python3\nprint('{}')\n":   "--list: its interpreter /nosuch/python3 does not exist on this machine",
		"#! /nosuch/\x1b[31m\n":              `its interpreter "/nosuch/\x1b[31m" does not exist on this machine`,
		"#!/bin/sh\ncat <<x >&2\n-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\nx\nexit 1\n": "its output:\n  (a private key, not shown)",
		"#!/bin/sh\ncat <<x\n-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\nx\n":             "it printed no JSON: this is a private key",
	} {
		path := write(t, "inv", text)
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestProgramNamesThatAreOdd: clouds have groups and machines with spaces and
// slashes, and one of them must not take the whole inventory away.
func TestProgramNamesThatAreOdd(t *testing.T) {
	inv, err := loadScript(t, `cat <<x
{"_meta": {"hostvars": {"h1": {}, "h2": {"ansible_port": 2222}}},
 "all": {"children": ["prod", "EU West/1"]},
 "prod": {"children": ["my group"]},
 "my group": {"hosts": ["h1", "bad host", "../x"], "children": ["inner"], "vars": {"ansible_user": "deploy"}},
 "inner": {"hosts": ["h2"]},
 "EU West/1": {"hosts": ["h3"], "vars": {"ansible_user": "eu"}}}
x`)
	if err != nil {
		t.Fatal(err)
	}
	for selector, want := range map[string]string{"all": "h1 h2 h3", "prod": "h1 h2", "inner": "h2"} {
		if got, _, err := selectHosts(t, inv, selector, SelectOptions{}); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", selector, got, err, want)
		}
	}
	for name, want := range map[string]string{"h1": "deploy", "h2": "deploy", "h3": "eu"} {
		if h := host(t, inv, name); h.User != want {
			t.Errorf("%s: got user %q, want %q, of the group that cannot be named", name, h.User, want)
		}
	}
	warnings := strings.Join(inv.Warnings, "\n")
	for _, want := range []string{`the group "my group" is left out: ' ' is not`, `the group "EU West/1" is left out`, `the host "bad host" is left out`, `the host "../x" is left out: '/' is not`} {
		if !strings.Contains(warnings, want) {
			t.Errorf("got warnings\n%s\nwant %s", warnings, want)
		}
	}
	if len(inv.Warnings) != 4 {
		t.Errorf("got %d warnings, want 4:\n%s", len(inv.Warnings), warnings)
	}
}
