package output

import (
	"fmt"
	"strings"
	"testing"

	"tutti/api/event"
	"tutti/fanout"
)

// A twice is hosts that say something in two runs, to a Comparison.
type twice struct {
	tb testing.TB
	c  *Comparison
	// output is that of the hosts to come.
	output string
}

// told is the output of a host and its result. One without a report was not included.
type told struct {
	out, err string
	report   *fanout.Report
}

func toldOK(out string) told { return told{out: out, report: new(exited(0))} }

// host adds one host to the Comparison.
func (w *twice) host(name string, runs [2]told) {
	w.tb.Helper()
	pair := HostPair{Host: name, Output: w.output}
	results := [2]**fanout.Result{&pair.Before, &pair.After}
	for i, sink := range []fanout.Sink{w.c.Before(), w.c.After()} {
		if runs[i].report == nil {
			continue
		}
		s := newStory(w.tb, sink, name)
		s.begin()
		s.start(name)
		s.out(name, runs[i].out)
		s.err(name, runs[i].err)
		s.finish(name, *runs[i].report)
		s.end()
		r := s.result(name, *runs[i].report)
		r.StdoutBytes, r.StderrBytes = int64(len(runs[i].out)), int64(len(runs[i].err))
		*results[i] = r
	}
	w.add(pair)
}

func (w *twice) add(pair HostPair) {
	w.tb.Helper()
	if err := w.c.Add(pair); err != nil {
		w.tb.Fatal(err)
	}
}

// upgrade is two runs with every kind of change.
func upgrade(tb testing.TB, c *Comparison) {
	tb.Helper()
	w := &twice{tb: tb, c: c}
	for _, name := range []string{"web01", "web02", "web03"} {
		w.host(name, [2]told{toldOK("Linux\n4.1.9\n"), toldOK("Linux\n4.2.0\n")})
	}
	for _, name := range []string{"db1", "db2"} {
		w.host(name, [2]told{toldOK("same\n"), toldOK("same\n")})
	}
	ok := exited(0)
	w.add(HostPair{
		Host: "db3", Before: &fanout.Result{Report: ok}, After: &fanout.Result{Report: ok}, SameOutput: true,
	})
	failed := new(exited(7))
	w.host("cache1", [2]told{toldOK("fine\n"), {out: "fine\n", err: "no space\n", report: failed}})
	w.host("cache2", [2]told{toldOK("x"), {out: "x", report: failed}})
	w.host("blob", [2]told{toldOK("\x00\x01"), toldOK("\x00\x01\x02")})
	w.host("big", [2]told{toldOK(""), toldOK(strings.Repeat("\n", maxDiffLines+1))})
	w.host("down", [2]told{toldOK("up\n"), {report: new(unreachable(fanout.OpDial, "connection refused"))}})
	w.host("port", [2]told{
		{report: new(stopped(fanout.OpConnection, fanout.RemoteUnknown))},
		{report: new(fanout.Report{Started: true, Failure: &fanout.Failure{Op: fanout.OpConnection, Message: "read from :45678"}})},
	})
	part := &fanout.Result{Report: ok, OmittedBytes: 70_000}
	w.add(HostPair{Host: "long", Before: part, After: part})
	w.host("old1", [2]told{toldOK("bye\n"), {}})
	w.host("new1", [2]told{{}, toldOK("hello\n")})
	w.host("evil", [2]told{toldOK("a\r\n"), toldOK("a\n\x1b[2J\u202e\n")})
}

// compared shows the changes of two runs with show.
func compared(tb testing.TB, opts Options, show func(*Comparison) error) string {
	tb.Helper()
	var out, errs screen
	opts.Stdout, opts.Stderr, opts.Fold = NewWriter(&out), NewWriter(&errs), foldDigits
	c := NewComparison(opts, 141, 142)
	upgrade(tb, c)
	if err := show(c); err != nil {
		tb.Fatal(err)
	}
	if err := c.Close(); err != nil {
		tb.Fatal(err)
	}
	closeWriters(tb, opts.Stdout, opts.Stderr)
	if c.pool.used != 0 || c.pool.live != 0 {
		tb.Errorf("%d bytes and %d blocks are still in use", c.pool.used, c.pool.live)
	}
	if errs.String() != "" {
		tb.Errorf("got %q on stderr, want nothing", errs.String())
	}
	return out.String()
}

func TestComparisonGolden(t *testing.T) {
	golden(t, "comparison", compared(t, Options{}, (*Comparison).Print))
	golden(t, "comparison-terminal", compared(t, Options{StdoutTerminal: true, StdoutColor: true}, (*Comparison).Print))
	golden(t, "comparison-json", compared(t, Options{}, (*Comparison).PrintJSON))
}

func TestComparisonSummary(t *testing.T) {
	c := NewComparison(Options{}, 141, 142)
	upgrade(t, c)
	want := "runs 141 and 142: the same on 4 hosts, different on 10 hosts, 1 host only in run 141, 1 host only in run 142"
	if got := c.Summary(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	same := &twice{tb: t, c: NewComparison(Options{}, 1, 2)}
	same.host("web01", [2]told{toldOK("x"), toldOK("x")})
	if got, want := same.c.Summary(), "runs 1 and 2: the same on 1 host"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := same.c.Close(); err != nil {
		t.Fatal(err)
	}
}

// What hosts said before the last attempt does not count, and what a host
// without an end said is not taken for another's.
func TestComparisonTakesTheLastAttempt(t *testing.T) {
	c := NewComparison(Options{}, 1, 2)
	s := newStory(t, c.Before(), "web01", "web02")
	s.begin()
	s.start("web01")
	s.out("web01", "first try\n")
	s.retry("web01", stopped(fanout.OpConnection, fanout.RemoteUnknown))
	s.start("web01")
	s.out("web01", "done\n")
	s.finish("web01", exited(0))
	s.start("web02")
	s.out("web02", "half")
	s.end()
	s = newStory(t, c.After(), "web01")
	s.begin()
	s.start("web01")
	s.out("web01", "done\n")
	s.finish("web01", exited(0))
	s.end()
	if n := len(c.sides[0].kept.byTarget); n != 0 {
		t.Errorf("%d hosts are kept after the end of the replay, want none", n)
	}
	ok := &fanout.Result{Report: exited(0)}
	if err := c.Add(HostPair{Host: "web01", Before: ok, After: ok}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Summary(), "runs 1 and 2: the same on 1 host"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// Hosts with the same output as another one need not be fed.
func TestComparisonByOutput(t *testing.T) {
	var out, errs screen
	opts := Options{Stdout: NewWriter(&out), Stderr: NewWriter(&errs)}
	c := NewComparison(opts, 1, 2)
	w := &twice{tb: t, c: c}
	ok, failed := &fanout.Result{Report: exited(0)}, &fanout.Result{Outcome: fanout.Failed, Report: exited(1)}
	w.output = "said"
	w.host("a", [2]told{toldOK("x\n"), toldOK("y\n")})
	w.add(HostPair{Host: "b", Before: ok, After: ok, Output: "said"})
	w.add(HostPair{Host: "c", Before: ok, After: failed, Output: "said"})
	w.output = "same"
	w.host("d", [2]told{toldOK("x\n"), toldOK("x\n")})
	w.add(HostPair{Host: "e", Before: ok, After: ok, Output: "same"})
	if err := c.Print(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	closeWriters(t, opts.Stdout, opts.Stderr)
	const diff = "--- stdout of run 1\n+++ stdout of run 2\n@@ -1 +1 @@\n-x\n+y\n"
	want := "c (1)  ok -> failed, exit 1\n" + diff + "\na,b (2)  ok\n" + diff
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if c.pool.used != 0 {
		t.Errorf("%d bytes are still in use", c.pool.used)
	}
}

// A host on which the command did not start tells nothing of the output of others, though
// there it is known to be the same.
func TestComparisonOfUnstarted(t *testing.T) {
	c := NewComparison(Options{}, 1, 2)
	w := &twice{tb: t, c: c, output: "nothing, then something"}
	w.add(HostPair{Host: "a", Before: &fanout.Result{Outcome: fanout.Unreachable}, After: &fanout.Result{Report: exited(0)}, Output: w.output})
	w.host("b", [2]told{toldOK(""), toldOK("y\n")})
	var got []string
	err := c.Each(func(d event.Diff) error {
		got = append(got, fmt.Sprint(d.Hosts, d.Changed, d.Stdout != nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "[[a] true false [b] true true]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// However much hosts say, memory stays bounded: what does not fit is on disk.
func TestComparisonSpills(t *testing.T) {
	var out, errs screen
	opts := Options{Stdout: NewWriter(&out), Stderr: NewWriter(&errs)}
	c := NewComparison(opts, 1, 2)
	c.pool.limit = 1 << 10
	w := &twice{tb: t, c: c}
	text := func(name string) string { return strings.Repeat(name+"\n", 10_000) }
	for _, name := range []string{"a", "b", "c"} {
		w.host(name, [2]told{toldOK("x\n"), toldOK(text(name))})
	}
	if c.pool.live == 0 {
		t.Error("nothing is on disk")
	}
	if err := c.Print(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	closeWriters(t, opts.Stdout, opts.Stderr)
	for _, name := range []string{"a", "b", "c"} {
		if n := strings.Count(out.String(), "\n+"+name); n != 10_000 {
			t.Errorf("got %d lines of %s, want 10000", n, name)
		}
	}
	if c.pool.file != nil {
		t.Error("the temporary file is still open")
	}
}
