package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tutti/scheduler"
)

// run runs a command with a message.
func run(tb testing.TB, command string) error {
	tb.Helper()
	d := scheduler.Delivery{
		ID: 7, Attempt: 1, Notify: scheduler.Notify{Command: command},
		Message: scheduler.Message{ID: 3, Schema: 1, Type: "recovery", Job: "nightly", Run: 12},
	}
	return shell{time.Hour, time.Minute, tb.Context()}.run(tb.Context(), d)
}

func TestCommandIsTold(t *testing.T) {
	t.Setenv("TUTTI_TEST_SECRET", canary)
	t.Setenv("LANG", "C.UTF-8")
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	if err := run(t, `cat >"$HOME/stdin" && env >"$HOME/env"`); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, "stdin"))
	if err != nil {
		t.Fatal(err)
	}
	var m scheduler.Message
	if err := json.Unmarshal(body, &m); err != nil || m.Job != "nightly" || m.Run != 12 || m.Type != "recovery" {
		t.Errorf("got %s (%v)", body, err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TUTTI_EVENT=recovery\n", "TUTTI_JOB=nightly\n", "TUTTI_RUN=12\n", "LANG=C.UTF-8\n", "PATH=" + os.Getenv("PATH") + "\n"} {
		if !strings.Contains(string(env), want) {
			t.Errorf("the environment has no %q:\n%s", want, env)
		}
	}
	if strings.Contains(string(env), canary) {
		t.Errorf("the environment is the daemon's:\n%s", env)
	}
}

func TestCommandErrors(t *testing.T) {
	tests := []struct {
		name, command string
		want          string // of the error; empty: none
	}{
		{"good", "true", ""},
		{"does not read", "exec <&-", ""},
		{"says something", "echo fine >&2", ""},
		{"fails", "exit 3", "exit status 3"},
		{"says why", `printf 'no \033[31mserver\n\n' >&2; exit 1`, "exit status 1; its output:\nno ^[[31mserver"},
		{"ends by a signal", "kill -KILL $$", "signal: killed"},
		{"says too much", `i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 1`, "line 999"},
		{"is not there", "/nonexistent/command", "exit status 127"},
		{"nothing", "", "missing webhook or command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t, tt.command)
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if n := len(err.Error()); n > maxSaid+100 {
				t.Errorf("the error has %d bytes", n)
			}
		})
	}
}

// What a command leaves in the background does not hold it up for longer than
// the grace, and goes on.
func TestCommandLeavesSomethingBehind(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	d := scheduler.Delivery{Notify: scheduler.Notify{Command: `{ read line <` + fifo + `; } >/dev/null &`}}
	if err := (shell{time.Hour, time.Millisecond, t.Context()}).run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	// Opening it to write waits for the reader.
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("end\n"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestCommandTime(t *testing.T) {
	d := scheduler.Delivery{Notify: scheduler.Notify{Command: "echo working >&2; sleep 1000"}}
	err := shell{time.Millisecond, time.Minute, t.Context()}.run(t.Context(), d)
	if !errors.Is(err, errCommandTime) {
		t.Errorf("got %v, want %v", err, errCommandTime)
	}
}

// A command and its child that both ignore TERM are killed: after a while, or at
// once if there is a hurry.
func TestCommandIsKilled(t *testing.T) {
	t.Run("after a while", func(t *testing.T) { checkKilled(t, shell{time.Hour, time.Millisecond, t.Context()}, func() {}) })
	t.Run("in a hurry", func(t *testing.T) {
		hurry, cancel := context.WithCancel(t.Context())
		checkKilled(t, shell{time.Hour, time.Hour, hurry}, cancel)
	})
}

func checkKilled(t *testing.T, s shell, then func()) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		// Every process of the group holds the pipe open.
		command := `exec 3>` + fifo + `; trap '' TERM; sleep 1000 2>/dev/null & echo ready >&3; while :; do sleep 1000; done`
		ended <- s.run(ctx, scheduler.Delivery{Notify: scheduler.Notify{Command: command}})
	}()
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	r := bufio.NewReader(f)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel(errStopping)
	then()
	if err := <-ended; !errors.Is(err, errStopping) {
		t.Errorf("got %v, want %v", err, errStopping)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("wait for the end of its processes: %v", err)
	}
}
