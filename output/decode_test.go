package output

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/sanitize"
)

// ownCauses is a run with what differs from host to host, and ends of all kinds.
func ownCauses(tb testing.TB, sink fanout.Sink) {
	s := newStory(tb, sink, "a", "b", "core", "tired", "left")
	s.begin()
	for _, h := range []string{"a", "b"} {
		r := unreachable(fanout.OpHostKey, "the host key has changed")
		r.Failure.Detail, r.Failure.Hint = "it is on line 1 of "+h, "compare it with the one you know"
		s.finish(h, r)
	}
	s.start("core")
	s.finish("core", fanout.Report{Exit: &fanout.Exit{Signal: "SEGV", Core: true}, Started: true})
	s.start("tired")
	s.out("tired", "first\n")
	s.retry("tired", fanout.Report{Exit: &fanout.Exit{Signal: "TERM", Core: true}, Started: true})
	s.start("tired")
	s.out("tired", strings.Repeat("long line ", 20_000)+"\nsecond")
	s.err("tired", "half a line")
	s.finish("tired", exited(7))
	s.skip("left")
	s.summary.Stopped, s.summary.SpentBy = fanout.StoppedBudget, "tired"
	s.end()
}

// linesOf is a story as it is sent elsewhere.
func linesOf(tb testing.TB, tell func(testing.TB, fanout.Sink)) string {
	tb.Helper()
	lines, _ := render(tb, Options{}, openJSON, func(s fanout.Sink) { tell(tb, s) })
	return lines
}

// decode tells a sink of what lines say.
func decode(tb testing.TB, lines string, hosts []string, sink fanout.Sink) {
	tb.Helper()
	d := event.NewDecoder(hosts)
	for line := range strings.Lines(lines) {
		e, err := d.Decode([]byte(line))
		if err != nil {
			tb.Fatalf("%s: %v", line, err)
		}
		if err := sink.Handle(tb.Context(), e); err != nil {
			tb.Fatal(err)
		}
	}
	if code := d.ExitCode(); code == nil || *code != 3 && *code != 0 {
		tb.Errorf("got exit code %v", code)
	}
}

// Who gets the lines of a run from elsewhere shows it as the run itself is shown, byte
// by byte.
func TestDecoded(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "junit.xml")
	openJUnit := func(Options) closingSink { return NewJUnit(junit) }
	modes := map[string]struct {
		opts Options
		open func(Options) closingSink
	}{
		"stream":  {Options{}, openStream},
		"colour":  {Options{StdoutColor: true, StderrColor: true}, openStream},
		"fold":    {Options{}, openFold},
		"diff":    {Options{Diff: true}, openFold},
		"host":    {Options{}, openBlocks},
		"json":    {Options{}, openJSON},
		"summary": {Options{}, openSummary},
		"junit":   {Options{}, openJUnit},
	}
	for name, tell := range map[string]func(testing.TB, fanout.Sink){
		"everyday": everyday, "hostile": hostile, "binary": binary, "drifted": drifted, "own causes": ownCauses,
	} {
		var hosts []string
		tell(t, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			if e.Plan != nil {
				for _, t := range e.Plan.Targets {
					hosts = append(hosts, t.Name)
				}
			}
			return nil
		}))
		lines := linesOf(t, tell)
		for mode, m := range modes {
			shown := func(tell func(fanout.Sink)) string {
				stdout, stderr := render(t, m.opts, m.open, tell)
				report, _ := os.ReadFile(junit) // only of junit
				return stdout + "\n== stderr\n" + stderr + string(report)
			}
			want := shown(func(s fanout.Sink) { tell(t, s) })
			if got := shown(func(s fanout.Sink) { decode(t, lines, hosts, s) }); got != want {
				t.Errorf("%s, %s:\ngot  %q\nwant %q", name, mode, got, want)
			}
		}
	}
}

// FuzzDecode: a line of ours is written as it was read, and no other does harm.
func FuzzDecode(f *testing.F) {
	ours := map[string]bool{}
	for _, tell := range []func(testing.TB, fanout.Sink){everyday, hostile, binary, ownCauses} {
		for line := range strings.Lines(linesOf(f, tell)) {
			if !strings.Contains(line, `"partial"`) { // which only the lines before it tell
				f.Add([]byte(line))
				ours[line] = true
			}
		}
	}
	f.Add([]byte(`{"type":"host_finished","host":"web01","attempts":-1}`))
	f.Add([]byte(`{"type":"run_started","hosts":99999999999}`))
	f.Add([]byte(`{"type":"run_finished","counts":null}`))
	start := `{"schema":1,"type":"run_started","time":"2026-03-04T05:06:07.108Z","run":142,"source":"cli","command":"uptime","selector":"web","hosts":1}` + "\n"
	f.Fuzz(func(t *testing.T, line []byte) {
		once, ok := again(t, start, line)
		if !ok {
			return
		}
		twice, ok := again(t, start, once)
		if !ok || !bytes.Equal(once, twice) {
			t.Errorf("got %s, then %s", once, twice)
		}
		if ours[string(line)] && string(once) != string(line) {
			t.Errorf("got  %s\nwant %s", once, line)
		}
	})
}

// again decodes a line, and encodes what it says; false if it is none.
func again(t *testing.T, start string, line []byte) ([]byte, bool) {
	t.Helper()
	d := event.NewDecoder(nil)
	if !bytes.Contains(line, []byte("run_started")) {
		if _, err := d.Decode([]byte(start)); err != nil {
			t.Fatal(err)
		}
	}
	e, err := d.Decode(line)
	if err != nil {
		if errors.Is(err, event.ErrUnknown) {
			return nil, false
		}
		if text := err.Error(); text != sanitize.Visible(text) {
			t.Errorf("an error has %q", text)
		}
		return nil, false
	}
	var form any
	switch e.Kind {
	case fanout.RunStarted:
		form = event.NewRunStarted(e)
	case fanout.TargetStarted:
		form = event.NewHostStarted(e)
	case fanout.Output:
		o := event.NewOutput(e, e.Stream)
		o.OmittedBytes = e.Omitted
		o.SetData(e.Data)
		form = o
	case fanout.TargetRetrying:
		form = event.NewHostRetrying(e)
	case fanout.TargetFinished:
		form = event.NewHostFinished(e)
	case fanout.RunFinished:
		var code func(fanout.Summary) int
		if c := d.ExitCode(); c != nil {
			code = func(fanout.Summary) int { return *c }
		}
		form = event.NewRunFinished(e, code)
	}
	var out bytes.Buffer
	if err := WriteJSON(&out, form); err != nil {
		return nil, false // a time that cannot be written
	}
	return out.Bytes(), true
}
