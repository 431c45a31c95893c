package output

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"tutti/fanout"
)

// epoch is when every test run begins.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

// A screen gathers what reaches a stream; it may be read while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A closingSink is any sink of this package.
type closingSink interface {
	fanout.Sink
	Close() error
}

// A story is a run passed to a sink, event by event.
type story struct {
	tb      testing.TB
	sink    fanout.Sink
	plan    *fanout.Plan
	runID   int64
	now     time.Time
	attempt map[string]int
	summary fanout.Summary
}

func newStory(tb testing.TB, sink fanout.Sink, hosts ...string) *story {
	tb.Helper()
	plan := &fanout.Plan{Source: "cli", Selector: "web", Task: fanout.Task{Action: fanout.Command("uptime")}}
	for i, name := range hosts {
		plan.Targets = append(plan.Targets, fanout.Target{
			Index: i, Name: name, Limits: fanout.Limits{Timeout: 10 * time.Second},
		})
	}
	s := &story{tb: tb, sink: sink, plan: plan, runID: 142, now: epoch, attempt: make(map[string]int)}
	s.summary.Started = epoch
	return s
}

func (s *story) target(host string) *fanout.Target {
	s.tb.Helper()
	for i := range s.plan.Targets {
		if s.plan.Targets[i].Name == host {
			return &s.plan.Targets[i]
		}
	}
	s.tb.Fatalf("no host %q in the story", host)
	return nil
}

// tell passes e on, 100 ms after the event before it.
func (s *story) tell(e fanout.Event) {
	s.tb.Helper()
	s.now = s.now.Add(100 * time.Millisecond)
	e.Time, e.RunID = s.now, s.runID
	if err := s.sink.Handle(context.Background(), e); err != nil {
		s.tb.Fatalf("Handle(kind %d): %v", e.Kind, err)
	}
}

func (s *story) begin() {
	s.tb.Helper()
	s.tell(fanout.Event{Kind: fanout.RunStarted, Plan: s.plan})
}

func (s *story) connect(host string) {
	s.tb.Helper()
	s.tell(fanout.Event{Kind: fanout.TargetConnecting, Target: s.target(host), Attempt: s.attempt[host] + 1})
}

func (s *story) start(host string) {
	s.tb.Helper()
	s.attempt[host]++
	s.tell(fanout.Event{
		Kind: fanout.TargetStarted, Target: s.target(host), Attempt: s.attempt[host], Address: host + ":22",
	})
}

// say lets host write text, in memory that is not valid for longer.
func (s *story) say(host string, stream fanout.Stream, text string) {
	s.tb.Helper()
	data := []byte(text)
	s.tell(fanout.Event{
		Kind: fanout.Output, Target: s.target(host), Attempt: s.attempt[host], Stream: stream, Data: data,
	})
}

func (s *story) out(host, text string) { s.tb.Helper(); s.say(host, fanout.Stdout, text) }

func (s *story) err(host, text string) { s.tb.Helper(); s.say(host, fanout.Stderr, text) }

func (s *story) omit(host string, n int64) {
	s.tb.Helper()
	s.tell(fanout.Event{
		Kind: fanout.Output, Target: s.target(host), Attempt: s.attempt[host], Stream: fanout.Stdout, Omitted: n,
	})
}

func (s *story) retry(host string, report fanout.Report) {
	s.tb.Helper()
	s.tell(fanout.Event{
		Kind: fanout.TargetRetrying, Target: s.target(host), Attempt: s.attempt[host], Delay: 1500 * time.Millisecond,
		Result: s.result(host, report),
	})
}

func (s *story) result(host string, report fanout.Report) *fanout.Result {
	return &fanout.Result{
		Target: *s.target(host), Outcome: report.Outcome(), Report: report, Attempts: s.attempt[host],
	}
}

func (s *story) finish(host string, report fanout.Report) {
	s.tb.Helper()
	s.finishAs(host, s.result(host, report))
}

func (s *story) finishAs(host string, r *fanout.Result) {
	s.tb.Helper()
	s.summary.Add(*r)
	s.tell(fanout.Event{Kind: fanout.TargetFinished, Target: s.target(host), Attempt: s.attempt[host], Result: r})
}

func (s *story) skip(host string) {
	s.tb.Helper()
	s.finishAs(host, &fanout.Result{Target: *s.target(host), Outcome: fanout.Skipped})
}

func (s *story) end() {
	s.tb.Helper()
	s.summary.Ended = s.now
	summary := s.summary
	s.tell(fanout.Event{Kind: fanout.RunFinished, Summary: &summary})
}

// The usual reports.

func exited(code uint32) fanout.Report {
	return fanout.Report{
		Exit: &fanout.Exit{Code: code}, Started: true, OutputComplete: true, Address: "10.0.0.1:22",
		Resolve: time.Millisecond, Dial: 2 * time.Millisecond, Login: 30 * time.Millisecond,
		Command: 250 * time.Millisecond,
	}
}

func unreachable(op fanout.Op, message string) fanout.Report {
	return fanout.Report{Failure: &fanout.Failure{Op: op, Message: message}, Address: "10.0.0.2:22"}
}

func stopped(op fanout.Op, remote string) fanout.Report {
	return fanout.Report{Failure: &fanout.Failure{Op: op, Message: "the host fell silent", Remote: remote}, Started: true}
}

// closeWriters flushes ws with a bound that only a hang reaches.
func closeWriters(tb testing.TB, ws ...*Writer) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, w := range ws {
		if err := w.Close(ctx); err != nil {
			tb.Fatalf("Writer.Close: %v", err)
		}
	}
}

// render runs a story through the sink that open makes, and returns what
// reached the two streams.
func render(tb testing.TB, opts Options, open func(Options) closingSink, tell func(fanout.Sink)) (stdout, stderr string) {
	tb.Helper()
	var out, errs screen
	opts.Stdout, opts.Stderr = NewWriter(&out), NewWriter(&errs)
	if opts.Fold == nil {
		opts.Fold = foldDigits
	}
	sink := open(opts)
	tell(sink)
	if err := sink.Close(); err != nil {
		tb.Fatalf("Close: %v", err)
	}
	closeWriters(tb, opts.Stdout, opts.Stderr)
	return out.String(), errs.String()
}

// foldDigits is a folding that a reader can check: first..last of what follows
// in the list.
func foldDigits(names []string) string {
	if len(names) < 3 {
		return fmt.Sprint(names)
	}
	return fmt.Sprintf("[%s..%s]", names[0], names[len(names)-1])
}

func openStream(o Options) closingSink { return NewStream(o) }
func openBlocks(o Options) closingSink { return NewBlocks(o) }
func openFold(o Options) closingSink   { return NewFold(o) }
func openJSON(o Options) closingSink {
	return NewJSON(o.Stdout, func(s fanout.Summary) int {
		if s.Counts[fanout.OK] == s.Hosts {
			return 0
		}
		return 3
	})
}

// A summarySink prints its summary when it is closed.
type summarySink struct{ *Summary }

func (s summarySink) Close() error { return s.Print() }

func openSummary(o Options) closingSink { return summarySink{NewSummary(o)} }

// checkSafe fails if a terminal would obey something in s.
func checkSafe(tb testing.TB, s string) {
	tb.Helper()
	if !utf8.ValidString(s) {
		tb.Fatalf("not UTF-8: %q", s)
	}
	const obeyed = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" +
		"\u00ad\u034f\u115f\u1160\u3164\u200b\u200c\u200d\u2060\u2064\ufeff\ufe0f\U000e0001\U000e0100"
	for _, r := range s {
		if (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r <= 0x9f) || strings.ContainsRune(obeyed, r) {
			tb.Fatalf("%U is left in %q", r, s)
		}
	}
}
