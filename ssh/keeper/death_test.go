package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/ssh"
)

// roleVariable makes the test's program a keeper, or a caller that dies.
const roleVariable = "KEEPER_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "keeper":
		err = ServeInherited(context.Background(), os.Args[len(os.Args)-1], "v")
	case "stranger":
		err = intrude(os.Args[1])
	case "impostor":
		err = pretend(os.Args[1])
	default:
		err = callAndDie(role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// keeperCommand makes opts start this program as a keeper.
func keeperCommand(opts Options) Options {
	opts.Program, opts.Command = os.Args[0], os.Args[:1]
	opts.Environment = []string{roleVariable + "=keeper"}
	return opts
}

// dialStarted is a caller that starts the keeper in a process of its own, which ends
// with the test.
func (b *bench) dialStarted(tb testing.TB) *Executor {
	tb.Helper()
	c := b.client(tb)
	e, err := Dial(tb.Context(), c, b.indexes(), keeperCommand(b.options()))
	if err != nil {
		_ = c.Close()
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _, _ = Stop(context.WithoutCancel(tb.Context()), b.dir, nil) })
	return e
}

// process is the number of the keeper's process.
func (b *bench) process(tb testing.TB) int {
	tb.Helper()
	state, err := List(tb.Context(), b.dir)
	if err != nil {
		tb.Fatal(err)
	}
	return state.Process
}

func TestKeeperIsStartedOnceAndDetached(t *testing.T) {
	b := newFleet(t, []fleet.Host{{Name: "h"}}, nil)
	const callers = 8
	started := make(chan *Executor, callers)
	for range callers {
		go func() { started <- b.dialStarted(t) }()
	}
	var all []*Executor
	for range callers {
		all = append(all, <-started)
	}
	process := b.process(t)
	if process == os.Getpid() {
		t.Fatal("the keeper is this process")
	}
	for _, e := range all {
		if r := b.execOn(t.Context(), e, 0, taskOf("exit 3")); r.Exit == nil || r.Exit.Code != 3 {
			t.Errorf("got %+v", r.Report)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := b.process(t); got != process {
		t.Errorf("got process %d, want %d as before", got, process)
	}
	if session, err := unix.Getsid(process); err != nil || session != process {
		t.Errorf("got session %d, %v, want one of its own", session, err)
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process)) // none on other systems than Linux
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		switch to, _ := os.Readlink(f); {
		case to == os.DevNull, strings.HasPrefix(to, "socket:"), strings.HasPrefix(to, "anon_inode:"), strings.HasPrefix(to, "pipe:"), strings.HasPrefix(to, "/sys/"), to == "":
		default:
			t.Errorf("the keeper has %s open", to)
		}
	}
}

// TestKeeperDies: what may have been sent is lost, what was not is sent by the caller, and
// the next command has a new keeper. The steps are those at which the keeper is killed.
func TestKeeperDies(t *testing.T) {
	const second = "second"
	for _, step := range []string{"before the login", "before the mark", "before the answer", "while it runs", "between commands"} {
		t.Run(step, func(t *testing.T) {
			b := newFleet(t, []fleet.Host{{Name: "h", Exec: until}}, nil)
			e := b.dialStarted(t)
			defer func() { _ = e.Close() }()
			kill := func() {
				if err := syscall.Kill(b.process(t), syscall.SIGKILL); err != nil {
					t.Error(err)
				}
				<-e.link.dead
			}
			command := "x"
			switch step {
			case "between commands":
				b.execOn(t.Context(), e, 0, taskOf("z"))
				fallthrough
			case "before the login":
				command = "y" // which ends by itself
				kill()
			}
			r := &record{}
			a := fanout.Attempt{N: 1, Target: b.targets[0], Starting: func(context.Context, string) error {
				r.starts++
				switch step {
				case "before the mark":
					kill()
					return errors.New("the disk is full")
				case "before the answer":
					kill()
				}
				return nil
			}}
			r.Report = e.Exec(t.Context(), a, taskOf(command), stopper{&r.stdout, func() {
				if step == "while it runs" {
					kill()
				}
			}}, &r.stderr)
			if r.starts != 1 {
				t.Errorf("got %d starts, want one", r.starts)
			}
			ran := len(b.commands("x")) + len(b.commands("y"))
			switch step {
			case "before the mark":
				if r.Outcome() != fanout.Unreachable || r.Failure.Op != fanout.OpLocal || ran != 0 {
					t.Errorf("got %+v, failure %+v, %d commands", r.Report, r.Failure, ran)
				}
			case "before the answer", "while it runs":
				if r.Outcome() != fanout.Lost || r.Failure.Remote != fanout.RemoteUnknown {
					t.Errorf("got %+v, failure %+v, want lost", r.Report, r.Failure)
				}
			default:
				if r.Outcome() != fanout.Failed || ran != 1 {
					t.Errorf("got %+v, failure %+v, want the command's exit", r.Report, r.Failure)
				}
			}
			next := b.dialStarted(t)
			defer func() { _ = next.Close() }()
			if r := b.execOn(t.Context(), next, 0, taskOf(second)); r.Outcome() != fanout.Failed || r.Exit.Code != 1 {
				t.Errorf("next command: got %+v", r.Report)
			}
		})
	}
}

// commands are those of that text that the fleet has run.
func (b *bench) commands(text string) []fleet.Record {
	var ran []fleet.Record
	for _, r := range b.fleet.Log() {
		if r.Command == text && !r.Started.IsZero() {
			ran = append(ran, r)
		}
	}
	return ran
}

// A call is what a caller in a process of its own does.
type call struct {
	Endpoints  []ssh.Endpoint
	KnownHosts []string
	Target     fanout.Target
	Directory  string
}

// callAndDie runs a command through the keeper and kills its process at a step.
func callAndDie(step string) error {
	var c call
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	die := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	client, err := ssh.New(context.Background(), ssh.Options{Endpoints: c.Endpoints, KnownHosts: c.KnownHosts})
	if err != nil {
		return err
	}
	e, err := Dial(context.Background(), client, []int{0}, Options{Directory: c.Directory, Version: "v", KnownHosts: c.KnownHosts, KillAfter: time.Second})
	if err != nil {
		return err
	}
	if step == "before the attempt" {
		die()
	}
	a := fanout.Attempt{N: 1, Target: c.Target, Starting: func(context.Context, string) error {
		if step == "before the mark" {
			die()
		}
		return nil
	}}
	report := e.Exec(context.Background(), a, taskOf("x"), stopper{io.Discard, func() {
		if step == "while it runs" {
			die()
		}
	}}, io.Discard)
	return fmt.Errorf("still alive: %+v", report)
}

// TestCallerDies: the keeper ends on the hosts what a caller has left behind, and what was
// not sent is not sent.
func TestCallerDies(t *testing.T) {
	for _, step := range []string{"before the attempt", "before the mark", "while it runs"} {
		t.Run(step, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Exec: until}}, nil)
			stay := b.dial(t) // so that the keeper stays
			c := call{Endpoints: b.opts.Endpoints, KnownHosts: b.opts.KnownHosts, Target: b.targets[0], Directory: b.dir}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"="+step)
			cmd.Stdin = strings.NewReader(string(encode(c)))
			out, err := cmd.CombinedOutput()
			ended, ok := errors.AsType[*exec.ExitError](err)
			if !ok || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the caller ended with %v: %s", err, out)
			}
			eventually(t, "nothing runs", func() bool {
				state, err := List(t.Context(), b.dir)
				return err == nil && state.Running == 0
			})
			ran := b.commands("x")
			switch step {
			case "while it runs":
				if len(ran) != 1 || len(ran[0].Signals) == 0 || ran[0].Signals[0] != "TERM" {
					t.Errorf("got %+v, want one command that was ended", ran)
				}
				eventually(t, "the command has ended", func() bool { return !b.commands("x")[0].Ended.IsZero() })
			default:
				if len(ran) != 0 {
					t.Errorf("got %+v, want no command", ran)
				}
			}
			if r := b.execOn(t.Context(), stay, 0, taskOf("y")); r.Exit == nil || r.Exit.Code != 1 {
				t.Errorf("the other caller: got %+v", r.Report)
			}
			if err := stay.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSilentKeeper: a keeper that is stopped costs a caller that greets it some time, and
// one that runs commands these.
func TestSilentKeeper(t *testing.T) {
	b := newFleet(t, []fleet.Host{{Name: "h"}}, nil)
	e := b.dialStarted(t)
	defer func() { _ = e.Close() }()
	process := b.process(t)
	if err := syscall.Kill(process, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	e.link.fail(errSilent) // as watch does in its time
	if r := b.execOn(t.Context(), e, 0, taskOf("exit 4")); r.Exit == nil || r.Exit.Code != 4 {
		t.Errorf("got %+v, failure %+v", r.Report, r.Failure)
	}
	if err := syscall.Kill(process, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	next := b.dialStarted(t)
	defer func() { _ = next.Close() }()
	if r := b.execOn(t.Context(), next, 0, taskOf("exit 5")); r.Exit == nil || r.Exit.Code != 5 {
		t.Errorf("got %+v, failure %+v", r.Report, r.Failure)
	}
	if got := b.process(t); got != process {
		t.Errorf("got process %d, want %d, which goes on", got, process)
	}
}
