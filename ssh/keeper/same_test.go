package keeper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/ssh"
)

// text is an input in memory.
type text string

func (s text) Open(context.Context) io.Reader { return strings.NewReader(string(s)) }
func (s text) Close() error                   { return nil }

// cutOff is an input that fails behind its first bytes.
type cutOff struct{ text }

func (s cutOff) Open(context.Context) io.Reader {
	return io.MultiReader(strings.NewReader(string(s.text)), failing{})
}

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errors.New("the disk is gone") }
func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// echo says what it reads, and its bytes in all their values.
var echo = fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
	n, _ := io.Copy(s.Stdout, s.Stdin)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	_, _ = s.Stderr.Write(all)
	return fleet.Exit{Code: uint32(n % 251)}
})

// sum says the SHA-256 of the command that it is sent, variables and all.
var sum = fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
	_, _ = fmt.Fprintf(s.Stdout, "%x", sha256.Sum256([]byte(s.Command)))
	return fleet.Exit{}
})

// until waits for a signal, which it ends by, if the command is x. What looks for
// processes does not work there.
var until = fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
	if s.Command != "x" {
		return fleet.Exit{Code: 1}
	}
	_, _ = io.WriteString(s.Stdout, "begun\n")
	select {
	case signal := <-s.Signals:
		return fleet.Exit{Signal: signal}
	case <-s.Done:
		return fleet.Exit{}
	}
})

// A same is a host and a task, whose results must not depend on who makes the attempt.
type same struct {
	name   string
	host   fleet.Host
	task   fanout.Task
	limits fanout.Limits
	labels map[string]string
	values []fanout.Variable // of the host
	stop   error             // the cause with which the run is stopped once the command runs
	change func(*ssh.Options)
	broken bool // stdout cannot be written
}

func command(text string) fanout.Task { return fanout.Task{Action: fanout.Command(text)} }

func faulty(name string, f fleet.Faults) same {
	return same{name: name, host: fleet.Host{Faults: f}, task: command("exit 3")}
}

// sames are how attempts can go.
func sames() []same {
	fast := func(o *ssh.Options) { o.Drain = 20 * time.Millisecond }
	second := fanout.Limits{ConnectTimeout: patience, Timeout: 50 * time.Millisecond}
	big := command("x")
	big.Stdin = text(strings.Repeat("0123456789", 100_000))
	short := command("x")
	short.Stdin = cutOff{text("some")}
	script := fanout.Task{Action: &fanout.Script{
		Label: "script s", Name: "s", Source: text("#!/bin/sh\necho hi\n"), Size: 18, Interpreter: []string{"/bin/sh"}, Args: []string{"a b"},
	}}
	env := command("x")
	env.Env, env.Dir = []fanout.Variable{{Name: "A", Value: "b c"}}, "/tmp"
	env.Job = &fanout.JobInfo{Name: "nightly"}
	named := command("x")
	named.HostEnv = true
	return []same{
		faulty("exit", fleet.Faults{}),
		faulty("no login", fleet.Faults{RejectAuth: true}),
		faulty("host key", fleet.Faults{WrongHostKey: true}),
		faulty("session refused", fleet.Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.Prohibited, Message: "no"}}),
		faulty("exec refused", fleet.Faults{RejectExec: true}),
		faulty("no status", fleet.Faults{NoExit: true}),
		faulty("bad status", fleet.Faults{RawStatus: []byte{1, 2, 3}}),
		faulty("signal", fleet.Faults{Exit: &fleet.Exit{Signal: "SEGV", Core: true, Msg: "core \x1b[0m"}}),
		faulty("big status", fleet.Faults{Exit: &fleet.Exit{Code: 4294967295}}),
		faulty("cut", fleet.Faults{Cut: &fleet.Cut{FromExec: true, After: 60, How: fleet.Reset}}),
		faulty("garbled", fleet.Faults{Cut: &fleet.Cut{FromExec: true, After: 60, How: fleet.Garble}}),
		faulty("extended", fleet.Faults{Extended: []byte("odd")}),
		faulty("small packets", fleet.Faults{PacketSize: 1}),
		faulty("after the end of file", fleet.Faults{AfterEOF: []byte("late\n")}),
		faulty("much", fleet.Faults{Flood: 3 << 20}),
		{name: "held open", host: fleet.Host{Faults: fleet.Faults{Hold: fleet.Forever}}, task: command("x"), change: fast},
		{name: "ping", task: fanout.Task{Action: fanout.Ping{}}},
		{name: "bytes", host: fleet.Host{Exec: echo}, task: big},
		{name: "input fails", host: fleet.Host{Exec: until}, task: short},
		{name: "script", host: fleet.Host{Exec: echo}, task: script},
		{name: "environment", host: fleet.Host{Exec: sum}, task: env},
		{
			name: "values of the host", host: fleet.Host{Exec: sum}, task: named,
			labels: map[string]string{"dc": "fra"}, values: []fanout.Variable{{Name: "TIER", Value: "front"}},
		},
		{name: "not UTF-8", task: command("say \xff")},
		{name: "no room for output", task: command("x"), broken: true},
		{name: "timeout", host: fleet.Host{Exec: until}, task: command("x"), limits: second},
		{name: "stopped", host: fleet.Host{Exec: until}, task: command("x"), stop: fanout.ErrSignal},
		{name: "deadline", host: fleet.Host{Exec: until}, task: command("x"), stop: fanout.ErrDeadline},
		{name: "killed", host: fleet.Host{Exec: until}, task: command("x"), stop: errors.Join(errors.New("by root"), fanout.ErrKill)},
		{name: "late login", host: fleet.Host{Faults: fleet.Faults{Stall: fleet.StepKexInit}}, task: command("x"), limits: fanout.Limits{ConnectTimeout: 50 * time.Millisecond}},
	}
}

// TestOutcomesAreThoseOfTheClient: an attempt through the keeper, over a connection that
// is made for it and over one that is taken over, is reported as one without a keeper.
func TestOutcomesAreThoseOfTheClient(t *testing.T) {
	for _, tt := range sames() {
		t.Run(tt.name, func(t *testing.T) {
			tt.host.Name = "h"
			b := newFleet(t, []fleet.Host{tt.host}, tt.change)
			want := tt.attempts(t, b, func(b *bench) executor { return b.client(t) })
			b.startKeeper(t)
			got := tt.attempts(t, b, func(b *bench) executor { return b.dial(t) })
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("attempt %d through the keeper:\n got %s\nwant %s", i+1, got[i], want[i])
				}
			}
		})
	}
}

// attempts makes two attempts, each by an executor of its own, and says how they went.
func (tt *same) attempts(t *testing.T, b *bench, by func(*bench) executor) []string {
	t.Helper()
	if tt.limits != (fanout.Limits{}) {
		b.targets[0].Limits = tt.limits
	}
	var said []string
	for range 2 {
		e := by(b)
		said = append(said, tt.attempt(t, b, e))
		e.Release(b.targets[0])
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	return said
}

func (tt *same) attempt(t *testing.T, b *bench, e executor) string {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	r := &record{}
	var stdout io.Writer = &r.stdout
	if tt.broken {
		stdout, r.stderr.lost = failing{}, true // which of the two comes first is chance
	}
	if tt.stop != nil {
		stdout = stopper{stdout, func() { stop(tt.stop) }}
	}
	b.targets[0].Labels, b.targets[0].Env = tt.labels, tt.values
	a := fanout.Attempt{RunID: 7, N: 2, Targets: 20, Target: b.targets[0], Starting: func(context.Context, string) error {
		r.starts++
		return nil
	}}
	r.Report = e.Exec(ctx, a, tt.task, stdout, &r.stderr)
	return r.text()
}

// A stopper writes, and stops the run.
type stopper struct {
	io.Writer
	stop func()
}

func (s stopper) Write(p []byte) (int, error) {
	defer s.stop()
	return s.Writer.Write(p)
}

// text is what must be the same.
func (r *record) text() string {
	var b bytes.Buffer
	report := r.Report
	for _, d := range []*time.Duration{&report.Resolve, &report.Dial, &report.Login, &report.Command} {
		*d = 0
	}
	address := report.Address != ""
	report.Address = ""
	_, _ = b.Write(encode(report))
	out := r.stdout.String()
	if len(out) > 100 {
		out = out[:40] + "…" + out[len(out)-40:]
	}
	return strings.Join([]string{
		report.Outcome().String(), b.String(), "address: " + map[bool]string{true: "yes", false: "no"}[address],
		"starts: " + strings.Repeat("I", r.starts), "stdout: " + out, "stderr: " + r.stderr.String(),
	}, "\n  ")
}
