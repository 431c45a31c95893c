package fanout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

func mustRun(tb testing.TB, ctx context.Context, plan fanout.Plan, opts fanout.Options) fanout.Summary {
	tb.Helper()
	s, err := fanout.Run(ctx, plan, opts)
	if err != nil {
		tb.Fatalf("run: %v", err)
	}
	return s
}

func TestRunTellsTheWholeStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &scripted{steps: map[string][]step{
			"a": {{output: "hello\n"}},
			"b": {{exit: fanout.Exit{Code: 3}}},
			"c": {{fail: &fanout.Failure{Op: fanout.OpDial, Message: "refused"}}},
		}}
		plan := planOf("a", "b", "c")
		plan.Policy.Fanout = 1
		var got tape
		s := mustRun(t, t.Context(), plan, fanout.Options{Executor: x, Sink: &got})
		wantLines(t, got.lines, `
			run
			a started 1 at a:22
			a stdout 1
			a ok
			b started 1 at b:22
			b failed
			c unreachable
			end`)
		if s.Hosts != 3 || s.Counts[fanout.OK] != 1 || s.Counts[fanout.Failed] != 1 || s.Counts[fanout.Unreachable] != 1 {
			t.Errorf("got summary %+v", s)
		}
		if s.Stopped != fanout.StoppedNone || s.RemoteCode != 255 {
			t.Errorf("got stopped %s, remote code %d, want none, 255", s.Stopped, s.RemoteCode)
		}
		if !slices.Equal(x.released, []string{"a", "b", "c"}) {
			t.Errorf("released %v", x.released)
		}
		r := got.results["a"]
		if r.StdoutBytes != 6 || r.Attempts != 1 || r.StartedAt.IsZero() || r.EndedAt.IsZero() || !r.QueuedAt.Equal(s.Started) {
			t.Errorf("got result %+v", r)
		}
		if !got.results["c"].StartedAt.IsZero() {
			t.Errorf("c never started but has %v", got.results["c"].StartedAt)
		}
	})
}

func TestRunKeepsToTheFanout(t *testing.T) {
	for _, fan := range []int{0, 1, 7, 50, 500} {
		t.Run(fmt.Sprint(fan), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &scripted{steps: map[string][]step{}}
				for _, name := range numbered(100) {
					x.steps[name] = []step{{run: time.Second}}
				}
				plan := planOf(numbered(100)...)
				plan.Policy.Fanout = fan
				s := mustRun(t, t.Context(), plan, fanout.Options{Executor: x})
				want := min(max(1, fan), 100)
				if x.peak != want {
					t.Errorf("got %d at once, want %d", x.peak, want)
				}
				if s.Counts[fanout.OK] != 100 {
					t.Errorf("got %d ok, want 100", s.Counts[fanout.OK])
				}
				if took, rounds := s.Ended.Sub(s.Started), (100+want-1)/want; took != time.Duration(rounds)*time.Second {
					t.Errorf("got %v on the clock, want %d s", took, rounds)
				}
				if !slices.IsSorted(x.order) && fan <= 1 {
					t.Errorf("not in the order of the plan: %v", x.order)
				}
			})
		})
	}
}

func TestRunWithoutCommandOnlyLogsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a")
		plan.Task.Action = fanout.Ping{}
		var got tape
		mustRun(t, t.Context(), plan, fanout.Options{Executor: &scripted{}, Sink: &got})
		wantLines(t, got.lines, "run\na ok\nend")
		if r := got.results["a"]; r.Report.Started || !r.StartedAt.IsZero() {
			t.Errorf("nothing started, got %+v", r)
		}
	})
}

func TestRunRefusesPlansThatAreNotWellFormed(t *testing.T) {
	twice := planOf("a", "a")
	wrong := planOf("a", "b")
	wrong.Targets[1].Index = 7
	for _, p := range []fanout.Plan{twice, wrong} {
		if _, err := fanout.Run(t.Context(), p, fanout.Options{Executor: &scripted{}}); err == nil {
			t.Errorf("no error for %+v", p.Targets)
		}
	}
}

func TestRunOfNothing(t *testing.T) {
	var got tape
	s := mustRun(t, t.Context(), planOf(), fanout.Options{Executor: &scripted{}, Sink: &got})
	wantLines(t, got.lines, "run\nend")
	if s.Hosts != 0 {
		t.Errorf("got %d hosts", s.Hosts)
	}
}

// TestOutcomeTable is the table of docs/runtime.md, "What a limit does", cell
// by cell: which limit hits in which phase of a target.
func TestOutcomeTable(t *testing.T) {
	const hit = 10 * time.Second
	unreachable := &fanout.Failure{Op: fanout.OpDial, Message: "refused"}
	phases := map[string]struct {
		steps  []step
		begun  bool // else the target waits for a worker
		limits fanout.Limits
	}{
		"not begun":        {},
		"before the start": {begun: true, steps: []step{{connect: time.Hour}}, limits: fanout.Limits{ConnectTimeout: hit}},
		"sent":             {begun: true, steps: []step{{run: time.Hour}}, limits: fanout.Limits{Timeout: hit}},
		"awaiting a retry": {begun: true, steps: []step{{fail: unreachable}}, limits: fanout.Limits{Retries: 1}},
	}
	tests := []struct {
		limit, phase string
		want         fanout.Outcome
		started      bool
		op           fanout.Op
		stopped      fanout.Stopped
	}{
		{"own", "before the start", fanout.Unreachable, false, fanout.OpLogin, fanout.StoppedNone},
		{"own", "sent", fanout.Timeout, true, fanout.OpTimeout, fanout.StoppedNone},

		{"deadline", "not begun", fanout.Skipped, false, "", fanout.StoppedDeadline},
		{"deadline", "before the start", fanout.Canceled, false, fanout.OpDeadline, fanout.StoppedDeadline},
		{"deadline", "sent", fanout.Timeout, true, fanout.OpDeadline, fanout.StoppedDeadline},
		{"deadline", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedDeadline},

		{"signal", "not begun", fanout.Skipped, false, "", fanout.StoppedSignal},
		{"signal", "before the start", fanout.Canceled, false, fanout.OpCanceled, fanout.StoppedSignal},
		{"signal", "sent", fanout.Canceled, true, fanout.OpCanceled, fanout.StoppedSignal},
		{"signal", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedSignal},

		{"kill", "not begun", fanout.Skipped, false, "", fanout.StoppedKill},
		{"kill", "before the start", fanout.Canceled, false, fanout.OpCanceled, fanout.StoppedKill},
		{"kill", "sent", fanout.Canceled, true, fanout.OpCanceled, fanout.StoppedKill},
		{"kill", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedKill},

		{"sink", "not begun", fanout.Skipped, false, "", fanout.StoppedSink},
		{"sink", "before the start", fanout.Canceled, false, fanout.OpCanceled, fanout.StoppedSink},
		{"sink", "sent", fanout.Canceled, true, fanout.OpCanceled, fanout.StoppedSink},
		{"sink", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedSink},

		{"halt", "not begun", fanout.Skipped, false, "", fanout.StoppedSignal},
		{"halt", "before the start", fanout.OK, true, "", fanout.StoppedNone},
		{"halt", "sent", fanout.OK, true, "", fanout.StoppedNone},
		{"halt", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedSignal},
		{"halt request", "not begun", fanout.Skipped, false, "", fanout.StoppedKill},
		{"halt request", "before the start", fanout.OK, true, "", fanout.StoppedNone},
		{"halt request", "sent", fanout.OK, true, "", fanout.StoppedNone},
		{"halt request", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedKill},

		{"budget", "not begun", fanout.Skipped, false, "", fanout.StoppedBudget},
		{"budget", "before the start", fanout.OK, true, "", fanout.StoppedNone},
		{"budget", "sent", fanout.OK, true, "", fanout.StoppedNone},
		{"budget", "awaiting a retry", fanout.Unreachable, false, fanout.OpDial, fanout.StoppedBudget},
	}
	for _, tt := range tests {
		t.Run(tt.limit+"/"+tt.phase, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ph := phases[tt.phase]
				plan := planOf("other", "target")
				// The other target is busy until the limit hits, and for longer
				// where the limit is to find the target waiting for a worker.
				other := step{run: hit + time.Second}
				if tt.limit == "budget" {
					other = step{run: hit, exit: fanout.Exit{Code: 1}}
				}
				if !ph.begun {
					plan.Policy.Fanout = 1
				}
				plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Unreachable}, Delay: time.Hour}
				if tt.limit == "own" || ph.limits.Retries > 0 {
					plan.Targets[1].Limits = ph.limits
				}

				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				halt, request := make(chan struct{}), make(chan struct{})
				sink := &tape{}
				opts := fanout.Options{
					Executor:    &scripted{steps: map[string][]step{"other": {other}, "target": ph.steps}},
					Sink:        sink,
					Halt:        halt,
					HaltRequest: request,
				}
				strike := func(f func()) { time.AfterFunc(hit, f) }
				switch tt.limit {
				case "deadline":
					plan.Policy.Deadline = hit
				case "signal":
					strike(func() { cancel(fanout.ErrSignal) })
				case "kill":
					strike(func() { cancel(fanout.ErrKill) })
				case "halt":
					strike(func() { close(halt) })
				case "halt request":
					strike(func() { close(request) })
				case "budget":
					plan.Policy.MaxFail = &fanout.Share{}
				case "sink":
					// Something is said at the right moment, and cannot be told.
					opts.Executor.(*scripted).steps["other"][0].write = func(w io.Writer) {
						time.Sleep(hit)
						_, _ = io.WriteString(w, "x")
					}
					opts.Sink = fanout.Tee(sink, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
						if e.Kind == fanout.Output {
							return errors.New("disk full")
						}
						return nil
					}))
				}

				s, err := fanout.Run(ctx, plan, opts)
				if (err != nil) != (tt.limit == "sink") {
					t.Errorf("got error %v", err)
				}
				r := sink.results["target"]
				if r.Outcome != tt.want || r.Report.Started != tt.started {
					t.Errorf("got %s, started %v, want %s, %v", r.Outcome, r.Report.Started, tt.want, tt.started)
				}
				var op fanout.Op
				if r.Report.Failure != nil {
					op = r.Report.Failure.Op
				}
				if op != tt.op {
					t.Errorf("got op %q, want %q", op, tt.op)
				}
				if s.Stopped != tt.stopped {
					t.Errorf("got stopped by %s, want %s", s.Stopped, tt.stopped)
				}
				if s.Hosts != 2 || !sink.has("end") {
					t.Errorf("the run did not come to its end: %v", sink.lines)
				}
			})
		})
	}
}

func TestRetries(t *testing.T) {
	down := step{fail: &fanout.Failure{Op: fanout.OpDial, Message: "refused"}}
	tests := []struct {
		name     string
		steps    []step
		retries  int
		on       []fanout.Outcome
		want     fanout.Outcome
		attempts int
	}{
		{"second attempt works", []step{down, {}}, 1, []fanout.Outcome{fanout.Unreachable}, fanout.OK, 2},
		{"no retries", []step{down, {}}, 0, []fanout.Outcome{fanout.Unreachable}, fanout.Unreachable, 1},
		{"all used up", []step{down}, 3, []fanout.Outcome{fanout.Unreachable}, fanout.Unreachable, 4},
		{"final", []step{{fail: &fanout.Failure{Op: fanout.OpLogin, Final: true}}, {}}, 3, fanout.Outcomes(), fanout.Unreachable, 1},
		{"refused after the login", []step{{fail: &fanout.Failure{Op: fanout.OpExec, Refused: true}}, {}}, 3, []fanout.Outcome{fanout.Unreachable}, fanout.Failed, 1},
		{"refused after the login, and failures are asked for", []step{{fail: &fanout.Failure{Op: fanout.OpExec, Refused: true}}, {}}, 3, []fanout.Outcome{fanout.Failed}, fanout.OK, 2},
		{"failed is not asked for", []step{{exit: fanout.Exit{Code: 1}}, {}}, 3, []fanout.Outcome{fanout.Unreachable}, fanout.Failed, 1},
		{"failed is asked for", []step{{exit: fanout.Exit{Code: 1}}, {}}, 3, []fanout.Outcome{fanout.Failed}, fanout.OK, 2},
		{"lost is not safe", []step{{lose: &fanout.Failure{Op: fanout.OpConnection}}, {}}, 3, []fanout.Outcome{fanout.Unreachable}, fanout.Lost, 1},
		{"ok is never tried again", []step{{}}, 3, fanout.Outcomes(), fanout.OK, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := planOf("a")
				plan.Targets[0].Limits.Retries = tt.retries
				plan.Policy.Retry = fanout.Retry{On: tt.on, Delay: time.Second}
				x := &scripted{steps: map[string][]step{"a": tt.steps}}
				var got tape
				s := mustRun(t, t.Context(), plan, fanout.Options{Executor: x, Sink: &got})
				r := got.results["a"]
				if r.Outcome != tt.want || r.Attempts != tt.attempts {
					t.Errorf("got %s after %d attempts, want %s after %d", r.Outcome, r.Attempts, tt.want, tt.attempts)
				}
				if len(x.released) != 1 {
					t.Errorf("released %d times", len(x.released))
				}
				waits := tt.attempts - 1
				longest := time.Duration(1<<waits-1) * time.Second
				if took := s.Ended.Sub(s.Started); took > longest || took < longest/2 {
					t.Errorf("waited %v in all, want between %v and %v", took, longest/2, longest)
				}
			})
		})
	}
}

func TestRetryHoldsNoWorkerAndNoGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a", "b")
		plan.Policy.Fanout = 1
		plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Unreachable}, Delay: time.Minute}
		for i := range plan.Targets {
			plan.Targets[i].Limits.Retries = 1
			plan.Targets[i].Gates = []fanout.Gate{{Name: "db", Parallel: 1}}
		}
		var got tape
		mustRun(t, t.Context(), plan, fanout.Options{Sink: &got, Executor: &scripted{steps: map[string][]step{
			"a": {{fail: &fanout.Failure{Op: fanout.OpDial}}, {}},
		}}})
		wantLines(t, got.lines, `
			run
			a retrying after 1: unreachable
			b started 1 at b:22
			b ok
			a started 2 at a:22
			a ok
			end`)
	})
}

func TestBatchesAreBarriers(t *testing.T) {
	tests := []struct {
		name  string
		sizes string
		want  string // the second in which each of ten targets starts
	}{
		{"none", "", "0 0 0 0 0 0 0 0 0 0"},
		{"one at a time", "1", "0 1 2 3 4 5 6 7 8 9"},
		{"canary, then percent", "1,20%,100%", "0 1 1 2 2 2 2 2 2 2"},
		{"the last repeats", "1,4", "0 1 1 1 1 2 2 2 2 3"},
		{"percent rounds up", "1%,25%", "0 1 1 1 2 2 2 3 3 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &scripted{steps: map[string][]step{}}
				for _, name := range numbered(10) {
					x.steps[name] = []step{{run: time.Second}}
				}
				plan := planOf(numbered(10)...)
				for _, s := range strings.FieldsFunc(tt.sizes, func(r rune) bool { return r == ',' }) {
					share, err := fanout.ParseShare(s)
					if err != nil {
						t.Fatal(err)
					}
					plan.Policy.Batches = append(plan.Policy.Batches, share)
				}
				starts := make([]string, 10)
				begin := time.Now()
				mustRun(t, t.Context(), plan, fanout.Options{Executor: x, Sink: fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
					if e.Kind == fanout.TargetStarted {
						starts[e.Target.Index] = fmt.Sprint(int(time.Since(begin).Seconds()))
					}
					return nil
				})})
				if got := strings.Join(starts, " "); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestPauseBetweenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a", "b", "c")
		plan.Policy.Batches = []fanout.Share{{Value: 1}}
		plan.Policy.Pause = time.Minute
		s := mustRun(t, t.Context(), plan, fanout.Options{Executor: &scripted{}})
		if took := s.Ended.Sub(s.Started); took != 2*time.Minute {
			t.Errorf("took %v, want two pauses of a minute", took)
		}
	})
}

func TestARetryKeepsItsBatchOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a", "b")
		plan.Policy.Batches = []fanout.Share{{Value: 1}}
		plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Unreachable}, Delay: time.Minute}
		plan.Targets[0].Limits.Retries = 1
		var got tape
		mustRun(t, t.Context(), plan, fanout.Options{Sink: &got, Executor: &scripted{steps: map[string][]step{
			"a": {{fail: &fanout.Failure{Op: fanout.OpDial}}, {}},
		}}})
		wantLines(t, got.lines, `
			run
			a retrying after 1: unreachable
			a started 2 at a:22
			a ok
			batch
			b started 1 at b:22
			b ok
			end`)
	})
}

func TestFailureBudget(t *testing.T) {
	tests := []struct {
		name    string
		maxFail string
		fail    []int // which of ten targets fail; they run one after the other
		tried   int
		stopped fanout.Stopped
	}{
		{"none tolerated", "0", []int{3}, 4, fanout.StoppedBudget},
		{"one tolerated", "1", []int{0, 3}, 4, fanout.StoppedBudget},
		{"within", "2", []int{0, 3}, 10, fanout.StoppedNone},
		{"percent", "20%", []int{0, 1, 2}, 3, fanout.StoppedBudget},
		{"percent rounds down", "19%", []int{0, 1}, 2, fanout.StoppedBudget},
		{"spent by the last", "0", []int{9}, 10, fanout.StoppedNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := numbered(10)
				x := &scripted{steps: map[string][]step{}}
				for _, i := range tt.fail {
					x.steps[names[i]] = []step{{exit: fanout.Exit{Code: 1}}}
				}
				plan := planOf(names...)
				plan.Policy.Fanout = 1
				share, err := fanout.ParseShare(tt.maxFail)
				if err != nil {
					t.Fatal(err)
				}
				plan.Policy.MaxFail = &share
				s := mustRun(t, t.Context(), plan, fanout.Options{Executor: x})
				if tried := 10 - s.Counts[fanout.Skipped]; tried != tt.tried || s.Stopped != tt.stopped {
					t.Errorf("got %d tried, stopped by %s, want %d, %s", tried, s.Stopped, tt.tried, tt.stopped)
				}
				if tt.stopped == fanout.StoppedBudget && s.SpentBy != names[tt.tried-1] {
					t.Errorf("spent by %q, want %q", s.SpentBy, names[tt.tried-1])
				}
			})
		})
	}
}

// TestGates runs targets that share gates in every combination, and checks that
// no gate is ever overfull and none of the workers is idle without need.
func TestGates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf(numbered(60)...)
		plan.Policy.Fanout = 10
		limits := []fanout.Gate{{Name: "db", Parallel: 1}, {Name: "rack", Parallel: 3}, {Name: "zone", Parallel: 4}}
		x := &scripted{steps: map[string][]step{}}
		for i := range plan.Targets {
			for b, g := range limits {
				if i>>b&1 == 1 {
					plan.Targets[i].Gates = append(plan.Targets[i].Gates, g)
				}
			}
			x.steps[plan.Targets[i].Name] = []step{{run: time.Second}}
		}
		inside := map[string]int{}
		var got tape
		count := func(t fanout.Target, by int) error {
			for _, g := range t.Gates {
				if inside[g.Name] += by; inside[g.Name] > g.Parallel {
					return fmt.Errorf("%d inside gate %s", inside[g.Name], g.Name)
				}
			}
			return nil
		}
		s := mustRun(t, t.Context(), plan, fanout.Options{Executor: x, Sink: fanout.Tee(&got, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			switch e.Kind {
			case fanout.TargetStarted:
				return count(*e.Target, 1)
			case fanout.TargetFinished:
				return count(*e.Target, -1)
			}
			return nil
		}))})
		if s.Counts[fanout.OK] != 60 {
			t.Fatalf("got %d ok, want 60: %v", s.Counts[fanout.OK], got.lines)
		}
		// 30 of the targets pass the gate that takes one at a time.
		if took := s.Ended.Sub(s.Started); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("took %v, want 30 s: the narrowest gate decides", took)
		}
	})
}

func TestJournalComesBeforeTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{fail: map[string]error{"b": errors.New("disk full")}}
		var got tape
		mustRun(t, t.Context(), planOf("a", "b"), fanout.Options{Executor: &scripted{}, Sink: &got, Journal: j})
		slices.Sort(j.marks)
		if want := []string{"a 1 a:22", "b 1 b:22"}; !slices.Equal(j.marks, want) {
			t.Errorf("got marks %v, want %v", j.marks, want)
		}
		if got.has("b started 1 at b:22") {
			t.Error("b was started though its mark was not durable")
		}
		if r := got.results["b"]; r.Outcome != fanout.Unreachable || r.Report.Failure.Op != fanout.OpLocal {
			t.Errorf("got %+v", r)
		}
	})
}

type journal struct {
	fail map[string]error

	mu    sync.Mutex // guards marks
	marks []string
}

func (j *journal) Starting(_ context.Context, t fanout.Target, attempt int, address string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.marks = append(j.marks, fmt.Sprintf("%s %d %s", t.Name, attempt, address))
	return j.fail[t.Name]
}

// TestByteBudget stalls a reader, and checks that hosts that write wait for it,
// that the others do not, and that the bytes are never more than allowed.
func TestByteBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, flood = 100 << 10, 1 << 20
		plan := planOf("flood1", "flood2", "quiet")
		var held atomic.Int64
		var releases []func()
		stalled := true
		var got tape
		sink := fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			if e.Kind != fanout.Output {
				return nil
			}
			release := e.Hold()
			if n := held.Add(int64(len(e.Data))); n > budget {
				return fmt.Errorf("%d bytes held", n)
			}
			drop := func() { held.Add(-int64(len(e.Data))); release() }
			if stalled {
				releases = append(releases, drop)
			} else {
				drop()
			}
			return nil
		})
		write := func(w io.Writer) { _, _ = w.Write(make([]byte, flood)) }
		var s fanout.Summary
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s = mustRun(t, t.Context(), plan, fanout.Options{
				Executor:     &scripted{steps: map[string][]step{"flood1": {{write: write}}, "flood2": {{write: write}}}},
				Sink:         fanout.Tee(&got, sink),
				OutputBudget: budget,
			})
		}()
		synctest.Wait()
		if !got.has("quiet ok") || got.has("flood1 ok") || got.has("flood2 ok") {
			t.Errorf("while the reader stalls: %v", got.lines)
		}
		stalled = false
		for _, f := range releases {
			f()
		}
		<-ended
		if s.Counts[fanout.OK] != 3 {
			t.Errorf("got %+v", s)
		}
		if len(got.output["flood1"]) != flood || len(got.output["flood2"]) != flood {
			t.Errorf("got %d and %d bytes, want %d", len(got.output["flood1"]), len(got.output["flood2"]), flood)
		}
	})
}

// TestHeldOutputStays: what a sink holds is not overwritten by what comes later,
// although the memory of what was let go is used again.
func TestHeldOutputStays(t *testing.T) {
	const piece, pieces = 32 << 10, 200
	type kept struct {
		data    []byte
		want    byte
		release func()
	}
	var queue []kept
	check := func(k kept) {
		if n := bytes.Count(k.data, []byte{k.want}); n != len(k.data) {
			t.Errorf("got %d bytes of %d that are not %d", len(k.data)-n, len(k.data), k.want)
		}
		k.release()
	}
	sink := fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind != fanout.Output {
			return nil
		}
		queue = append(queue, kept{e.Data, e.Data[0], e.Hold()})
		if len(queue) == 8 {
			for _, k := range queue[:7] {
				check(k)
			}
			queue = queue[7:]
		}
		return nil
	})
	write := func(w io.Writer) {
		for i := range pieces {
			_, _ = w.Write(bytes.Repeat([]byte{byte(1 + i)}, piece-i%3*1000))
		}
	}
	mustRun(t, t.Context(), planOf("a", "b"), fanout.Options{
		Executor: &scripted{steps: map[string][]step{"a": {{write: write}}, "b": {{write: write}}}},
		Sink:     sink,
	})
	for _, k := range queue {
		check(k)
	}
}

// TestByteBudgetCountsWhatAPieceCosts: a host that sends a byte at a time does
// not fill more memory than one that sends a lot at once.
func TestByteBudgetCountsWhatAPieceCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		pieces := 0
		time.AfterFunc(time.Minute, func() { cancel(fanout.ErrSignal) })
		mustRun(t, ctx, planOf("drip"), fanout.Options{
			Executor: &scripted{steps: map[string][]step{"drip": {{write: func(w io.Writer) {
				for range 10_000 {
					if _, err := w.Write([]byte("x")); err != nil {
						return
					}
				}
			}}}}},
			Sink: fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
				if e.Kind == fanout.Output {
					e.Hold() // a reader that never comes
					pieces++
				}
				return nil
			}),
			OutputBudget: 64 << 10,
		})
		if pieces < 10 || pieces > 200 {
			t.Errorf("got %d pieces of a byte into a budget of 64 KiB, want about 128", pieces)
		}
	})
}

// TestStalledReaderDoesNotStopTheEnd: a run whose reader never comes back is
// still ended by an operator, and told to its end to the other sinks.
func TestStalledReaderDoesNotStopTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(fanout.ErrSignal) })
		var got tape
		stuck := fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			if e.Kind == fanout.Output {
				e.Hold() // and never let go
			}
			return nil
		})
		s := mustRun(t, ctx, planOf("flood", "quiet"), fanout.Options{
			Executor: &scripted{steps: map[string][]step{"flood": {{
				write: func(w io.Writer) { _, _ = w.Write(make([]byte, 1<<20)) },
				run:   time.Second,
			}}}},
			Sink:         fanout.Tee(&got, stuck),
			OutputBudget: 64 << 10,
		})
		if s.Stopped != fanout.StoppedSignal || s.Counts[fanout.OK] != 1 || s.Counts[fanout.Canceled] != 1 || !got.has("end") {
			t.Errorf("got %+v, %v", s, got.lines)
		}
	})
}

func TestASinkThatFailsIsNotCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		broken := errors.New("no space left")
		var got tape
		s, err := fanout.Run(t.Context(), planOf("a"), fanout.Options{
			Executor: &scripted{},
			Sink: fanout.Tee(fanout.SinkFunc(func(context.Context, fanout.Event) error {
				calls++
				return broken
			}), nil, &got),
		})
		if !errors.Is(err, broken) || calls != 1 || s.Stopped != fanout.StoppedSink || !got.has("end") {
			t.Errorf("got error %v, %d calls, stopped by %s, %v", err, calls, s.Stopped, got.lines)
		}
	})
}

// TestLateOutputIsDropped: an executor that breaks its word and writes after
// it has returned does not put output behind the end of a target.
func TestLateOutputIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late io.Writer
		x := &scripted{steps: map[string][]step{
			"a": {{write: func(w io.Writer) { late = w }}},
			"b": {{run: time.Minute, exit: fanout.Exit{}}},
		}}
		var got tape
		time.AfterFunc(time.Second, func() {
			if _, err := io.WriteString(late, "too late"); err == nil {
				t.Error("no error for a late write")
			}
		})
		mustRun(t, t.Context(), planOf("a", "b"), fanout.Options{Executor: x, Sink: &got})
		if got.output["a"] != "" {
			t.Errorf("got %q", got.output["a"])
		}
	})
}
