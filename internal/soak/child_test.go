package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/ssh"
	"tutti/store"
	"tutti/store/sqlite"
)

// childEnv tells the test binary to be one of the processes.
const childEnv = "TUTTI_SOAK_CHILD"

// A job is what a process has to do.
type job struct {
	History, KnownHosts, Identity string
	Command                       string
	Deadline                      time.Duration
	Gate                          place
	Targets                       []target
}

// A place is where a host answers.
type place struct {
	Name, Address string
	Port          int
}

type target struct {
	place
	Via       bool
	Limits    fanout.Limits
	Keepalive time.Duration
}

// An account is what a process says of its run, beside what it has recorded.
type account struct {
	// Hosts is what became of each, in the order in which they ended.
	Hosts map[string]told
	// Leaks are what is left in the process.
	Leaks []string
}

// told is what a process says of a host.
type told struct {
	Outcome  fanout.Outcome
	Started  bool
	Attempts int
}

// childMain is main of a process. It prints the number of its run once it has
// one, and its account at the end.
func childMain() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	var j job
	err := json.NewDecoder(os.Stdin).Decode(&j)
	if err == nil {
		err = j.do(context.Background(), signals, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// do runs the job, as cmd does.
func (j *job) do(ctx context.Context, signals <-chan os.Signal, out io.Writer) error {
	before := resources()
	a, err := j.carryOut(ctx, signals, out)
	if err != nil {
		return err
	}
	a.Leaks = before.leaks()
	return json.NewEncoder(out).Encode(a)
}

func (j *job) carryOut(ctx context.Context, signals <-chan os.Signal, out io.Writer) (a account, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	history, err := sqlite.Open(ctx, j.History, store.Options{})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	plan, endpoints := j.plan()
	client, err := ssh.New(ctx, ssh.Options{
		Endpoints: endpoints, KnownHosts: []string{j.KnownHosts},
		KillAfter: 100 * time.Millisecond, Drain: 2 * time.Second,
	})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	recorder, err := history.Begin(ctx, plan, store.RunInfo{StopOnError: true})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, recorder.Close()) }()
	if _, err := fmt.Fprintln(out, recorder.RunID()); err != nil {
		return a, err
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-signals:
			cancel(fanout.ErrSignal)
		case <-over:
		}
	}()
	a.Hosts = map[string]told{}
	_, err = fanout.Run(ctx, plan, fanout.Options{
		RunID: recorder.RunID(), Executor: client, Journal: recorder, Sink: fanout.Tee(recorder, fanout.SinkFunc(a.handle)),
	})
	return a, err
}

// handle notes what became of a host.
func (a *account) handle(_ context.Context, e fanout.Event) error {
	if e.Kind != fanout.TargetFinished {
		return nil
	}
	if _, twice := a.Hosts[e.Target.Name]; twice {
		return fmt.Errorf("%s has finished twice", e.Target.Name)
	}
	a.Hosts[e.Target.Name] = told{Outcome: e.Result.Outcome, Started: e.Result.Report.Started, Attempts: e.Result.Attempts}
	return nil
}

// plan makes the plan, and how its targets are reached.
func (j *job) plan() (fanout.Plan, []ssh.Endpoint) {
	p := fanout.Plan{
		Source: "cli", Selector: "all", Task: fanout.Task{Action: fanout.Command(j.Command)},
		Policy: fanout.Policy{
			Fanout: 50, Deadline: j.Deadline,
			Retry: fanout.Retry{On: []fanout.Outcome{fanout.Unreachable}, Delay: 20 * time.Millisecond},
		},
	}
	var endpoints []ssh.Endpoint
	for i, t := range j.Targets {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: t.Name, Limits: t.Limits})
		e := j.endpoint(t.place)
		if t.Keepalive > 0 {
			e.KeepaliveInterval, e.KeepaliveCount = t.Keepalive, 2
		}
		if t.Via {
			e.Jumps = []ssh.Endpoint{j.endpoint(j.Gate)}
		}
		endpoints = append(endpoints, e)
	}
	return p, endpoints
}

func (j *job) endpoint(p place) ssh.Endpoint {
	return ssh.Endpoint{
		Address: p.Address, Port: p.Port, Alias: p.Name, User: "tester",
		Identities: []string{j.Identity}, IdentitiesOnly: true,
	}
}

// A holding is what a process holds at some moment.
type holding struct {
	goroutines int
	files      []string
}

func resources() holding {
	return holding{runtime.NumGoroutine() - deaf(), openFiles()}
}

// deaf counts the goroutines that wait for ever for a channel: the library forgets
// requests that come just as it gives up a connection (mux.loop drops its channels
// before it stops taking new ones).
func deaf() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("ssh.(*mux).openChannel("))
}

// openFiles lists the open files, except the runtime's pollers, which stay open.
func openFiles() []string {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && !strings.HasPrefix(name, "anon_inode:") && !strings.HasPrefix(name, "/proc/") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// leaks says what there is more than h, once that does not become less.
func (h holding) leaks() []string {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var now holding
	for limit := time.Now().Add(5 * time.Second); time.Now().Before(limit); <-tick.C {
		now = resources()
		if now.goroutines <= h.goroutines && len(now.files) <= len(h.files) {
			return nil
		}
	}
	var leaks []string
	if now.goroutines > h.goroutines {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // a Builder takes everything
		leaks = append(leaks, fmt.Sprintf("%d goroutines:\n%s", now.goroutines-h.goroutines, &stacks))
	}
	if len(now.files) > len(h.files) {
		leaks = append(leaks, fmt.Sprintf("files: had %q, have %q", h.files, now.files))
	}
	return leaks
}
