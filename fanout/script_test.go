package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
)

// A step scripts one attempt of a target. The zero step logs in at once and
// exits 0.
type step struct {
	connect time.Duration          // until the login
	fail    *fanout.Failure        // instead of the login
	run     time.Duration          // until the command exits
	exit    fanout.Exit            // how
	lose    *fanout.Failure        // instead of the exit
	output  string                 // written to stdout when the command starts
	write   func(stdout io.Writer) // instead of output
	ending  time.Duration          // how long it takes to end the command when asked to
}

// scripted is an Executor that keeps the contract and does what its steps say:
// steps[name][n-1] for the n-th attempt at a target, the last one for those
// that follow.
type scripted struct {
	steps map[string][]step

	mu       sync.Mutex // guards what follows
	running  map[string]bool
	peak     int
	released []string
	order    []string // "name" for each attempt, as begun
}

var _ fanout.Executor = (*scripted)(nil)

func (x *scripted) step(name string, n int) step {
	steps := x.steps[name]
	if len(steps) == 0 {
		return step{}
	}
	return steps[min(n, len(steps))-1]
}

func (x *scripted) Exec(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) fanout.Report {
	x.enter(a.Target.Name)
	defer x.leave(a.Target.Name)
	s := x.step(a.Target.Name, a.N)
	address := a.Target.Name + ":22"
	if f := wait(ctx, s.connect, a.Target.Limits.ConnectTimeout, fanout.OpLogin); f != nil {
		return fanout.Report{Failure: f, Address: address}
	}
	if s.fail != nil {
		return fanout.Report{Failure: s.fail, Address: address}
	}
	if !task.Runs() {
		return fanout.Report{Address: address}
	}
	if err := a.Starting(ctx, address); err != nil {
		return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpLocal, Message: err.Error(), Final: true}, Address: address}
	}
	if s.write != nil {
		s.write(stdout)
	} else {
		_, _ = io.WriteString(stdout, s.output)
	}
	if f := wait(ctx, s.run, a.Target.Limits.Timeout, fanout.OpTimeout); f != nil {
		time.Sleep(s.ending)
		f.Remote = fanout.RemoteUnknown
		return fanout.Report{Failure: f, Started: true, Address: address}
	}
	if s.lose != nil {
		return fanout.Report{Failure: s.lose, Started: true, Address: address}
	}
	return fanout.Report{Exit: &s.exit, Started: true, OutputComplete: true, Address: address}
}

// wait waits for d, at most for limit, and says what came first.
func wait(ctx context.Context, d, limit time.Duration, op fanout.Op) *fanout.Failure {
	timedOut := limit > 0 && limit < d
	if timedOut {
		d = limit
	}
	select {
	case <-time.After(d):
		if timedOut {
			return &fanout.Failure{Op: op, Message: fmt.Sprintf("timed out after %s", limit)}
		}
		return nil
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), fanout.ErrDeadline) {
			return &fanout.Failure{Op: fanout.OpDeadline}
		}
		return &fanout.Failure{Op: fanout.OpCanceled}
	}
}

func (x *scripted) Release(t fanout.Target) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.released = append(x.released, t.Name)
}

func (x *scripted) enter(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.running == nil {
		x.running = map[string]bool{}
	}
	x.running[name] = true
	x.peak = max(x.peak, len(x.running))
	x.order = append(x.order, name)
}

func (x *scripted) leave(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.running, name)
}

// A tape is a Sink that records its events, as one short line each.
type tape struct {
	lines   []string
	results map[string]fanout.Result
	output  map[string]string
}

var _ fanout.Sink = (*tape)(nil)

func (s *tape) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.RunStarted:
		s.lines = append(s.lines, "run")
	case fanout.TargetStarted:
		s.lines = append(s.lines, fmt.Sprintf("%s started %d at %s", e.Target.Name, e.Attempt, e.Address))
	case fanout.Output:
		s.lines = append(s.lines, fmt.Sprintf("%s %s %d", e.Target.Name, e.Stream, e.Attempt))
		if s.output == nil {
			s.output = map[string]string{}
		}
		s.output[e.Target.Name] += string(e.Data)
	case fanout.TargetRetrying:
		s.lines = append(s.lines, fmt.Sprintf("%s retrying after %d: %s", e.Target.Name, e.Attempt, e.Result.Outcome))
	case fanout.TargetFinished:
		s.lines = append(s.lines, fmt.Sprintf("%s %s", e.Target.Name, e.Result.Outcome))
		if s.results == nil {
			s.results = map[string]fanout.Result{}
		}
		s.results[e.Target.Name] = *e.Result
	case fanout.BatchFinished:
		s.lines = append(s.lines, "batch")
	case fanout.RunFinished:
		s.lines = append(s.lines, "end")
	}
	return nil
}

func (s *tape) has(line string) bool { return slices.Contains(s.lines, line) }

// planOf is a plan over the named targets with everything at once.
func planOf(names ...string) fanout.Plan {
	p := fanout.Plan{Source: "test", Task: fanout.Task{Action: fanout.Command("true")}, Policy: fanout.Policy{Fanout: len(names)}}
	for i, name := range names {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: name})
	}
	return p
}

// numbered returns n names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("h%03d", i+1)
	}
	return names
}

func wantLines(tb testing.TB, got []string, want string) {
	tb.Helper()
	w := strings.Split(strings.Trim(want, "\n"), "\n")
	for i := range w {
		w[i] = strings.TrimSpace(w[i])
	}
	if !slices.Equal(got, w) {
		tb.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(w, "\n"))
	}
}
