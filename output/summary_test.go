package output

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
)

// summaryOf runs a story through a Summary and returns what it prints.
func summaryOf(tb testing.TB, opts Options, hosts []string, tell func(*story)) string {
	tb.Helper()
	stdout, stderr := render(tb, opts, openSummary, func(sink fanout.Sink) {
		s := newStory(tb, sink, hosts...)
		s.begin()
		tell(s)
		s.end()
	})
	if stdout != "" {
		tb.Errorf("stdout: got %q, want nothing", stdout)
	}
	return stderr
}

// TestSummaryWithoutEnd: a run that was cut off, or is still running, has no
// duration.
func TestSummaryWithoutEnd(t *testing.T) {
	for want, opts := range map[string]Options{
		"run 7: 1 lost of 2 so far, still running\n": {}, "run 7: 1 lost of 2, cut off\n": {CutOff: true},
		"run 7: 1 lost of 2, waiting for a daemon\n": {Queued: true},
	} {
		_, got := render(t, opts, openSummary, func(sink fanout.Sink) {
			summary := fanout.Summary{Hosts: 2, Started: time.Now()}
			summary.Counts[fanout.Lost] = 1
			if err := sink.Handle(t.Context(), fanout.Event{Kind: fanout.RunFinished, RunID: 7, Summary: &summary}); err != nil {
				t.Fatal(err)
			}
		})
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSummaryFirstLine(t *testing.T) {
	tests := []struct {
		name string
		tell func(*story)
		want string
	}{
		{"all ok", func(s *story) {
			s.finish("a", exited(0))
			s.finish("b", exited(0))
		}, "run 142: 2 ok of 2 in 300ms\n"},
		{"no history", func(s *story) {
			s.runID = 0
			s.finish("a", exited(0))
			s.finish("b", exited(0))
		}, "run: 2 ok of 2 in 300ms\n"},
		{"budget", func(s *story) {
			s.summary.Stopped, s.summary.SpentBy = fanout.StoppedBudget, "a"
			s.finish("a", exited(1))
			s.skip("b")
		}, "run 142: 1 failed, 1 skipped of 2 in 300ms, stopped by the failure budget at a\n"},
		{"deadline", func(s *story) {
			s.summary.Stopped = fanout.StoppedDeadline
			s.finish("a", stopped(fanout.OpDeadline, fanout.RemoteEnded))
			s.skip("b")
		}, "run 142: 1 timeout, 1 skipped of 2 in 300ms, stopped by the deadline\n"},
		{"signal", func(s *story) {
			s.summary.Stopped = fanout.StoppedSignal
			s.finish("a", stopped(fanout.OpCanceled, fanout.RemoteEnded))
			s.skip("b")
		}, "run 142: 1 canceled, 1 skipped of 2 in 300ms, stopped by a signal\n"},
		{"no hosts", func(*story) {}, "run 142: no hosts in 100ms\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := summaryOf(t, Options{}, []string{"a", "b"}, tt.tell)
			got, _, _ := strings.Cut(text, "\n")
			if got+"\n" != tt.want {
				t.Errorf("got %q, want %q", got+"\n", tt.want)
			}
		})
	}
}

func TestSummarySaysWhatIsNotWhole(t *testing.T) {
	held := exited(0)
	held.OutputComplete = false
	text := summaryOf(t, Options{Of: 5}, []string{"a", "b"}, func(s *story) {
		s.finish("a", held)
		s.start("b")
		s.retry("b", unreachable(fanout.OpDial, "connection refused"))
		s.start("b")
		s.finish("b", unreachable(fanout.OpDial, "connection refused"))
	})
	for _, want := range []string{
		" of 2 chosen from 5 in ",
		"  unreachable (dial: connection refused, 2 attempts): [b]\n",
		"open on [a]\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want it to contain %q", text, want)
		}
	}
}

// TestOutputOfAStoppedRun: that the rest of an output did not come is not put down to
// a process on the host if the run was stopped in the meantime.
func TestOutputOfAStoppedRun(t *testing.T) {
	part := exited(0)
	part.OutputComplete = false
	for stopped, want := range map[fanout.Stopped]string{
		fanout.StoppedBudget: "open on [a]\n",
		fanout.StoppedSink:   "the run was stopped before all of it had come from [a]\n",
		fanout.StoppedKill:   "the run was stopped before all of it had come from [a]\n",
	} {
		text := summaryOf(t, Options{}, []string{"a"}, func(s *story) {
			s.finish("a", part)
			s.summary.Stopped = stopped
		})
		if !strings.Contains(text, want) {
			t.Errorf("%v: got %q, want it to contain %q", stopped, text, want)
		}
	}
}

// TestSummaryIsShort checks that many reasons, long reasons and many names stay
// readable, and that no host goes missing from the count.
func TestSummaryIsShort(t *testing.T) {
	var hosts []string
	for i := range 600 {
		hosts = append(hosts, fmt.Sprintf("host-number-%d", i*i))
	}
	opts := Options{Fold: func(names []string) string { return strings.Join(names, ",") }}
	text := summaryOf(t, opts, hosts, func(s *story) {
		for i, h := range hosts {
			if i < 550 {
				s.finish(h, exited(1))
				continue
			}
			s.finish(h, unreachable(fanout.OpDial, fmt.Sprintf("%d%s", i, strings.Repeat("x", 2*maxReason))))
		}
	})
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if want := 1 + summaryLines + 1; len(lines) != want {
		t.Fatalf("got %d lines, want %d", len(lines), want)
	}
	for _, line := range lines {
		if len(line) > maxNames+maxReason+100 {
			t.Errorf("got a line of %d bytes: %.100q", len(line), line)
		}
	}
	if got := lines[1]; !strings.HasPrefix(got, "  failed (exit 1): host-number-0,host-number-1,") ||
		!strings.HasSuffix(got, " more") {
		t.Errorf("got %q, want the first hosts and how many more", got)
	}
	if got, want := lines[len(lines)-1], "  ... and 41 more hosts"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSummaryDetails: hosts with the same trouble are reported together, without
// what each has for itself; one that stands alone has its own.
func TestSummaryDetails(t *testing.T) {
	unknown := func(detail string) fanout.Report {
		return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpHostKey, Message: "unknown", Detail: detail, Hint: "trust\x1b[2J it"}}
	}
	got := summaryOf(t, Options{}, []string{"a", "b", "c"}, func(s *story) {
		s.finish("a", unknown("key 1"))
		s.finish("b", unknown("key 2"))
		s.finish("c", fanout.Report{Failure: &fanout.Failure{Op: fanout.OpHostKey, Message: "CHANGED", Detail: "key 3"}})
	})
	_, got, _ = strings.Cut(got, "\n")
	want := "  unreachable (hostkey: unknown): [a b]\n  unreachable (hostkey: CHANGED: key 3): [c]\nhint: trust^[[2J it\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestSummaryHints: the remedies for the most hosts are printed, each once.
func TestSummaryHints(t *testing.T) {
	var hosts []string
	for i := range 10 {
		hosts = append(hosts, fmt.Sprintf("h%d", i))
	}
	got := summaryOf(t, Options{}, hosts, func(s *story) {
		for i, hint := range []string{"one", "three", "none", "two", "three", "four", "four", "two", "three", "three"} {
			if hint == "none" {
				hint = ""
			}
			// Other reasons may have the same remedy.
			f := fanout.Failure{Op: fanout.OpLogin, Message: fmt.Sprint(hint, i%2), Hint: hint}
			s.finish(hosts[i], fanout.Report{Failure: &f})
		}
	})
	var hints []string
	for line := range strings.Lines(got) {
		if hint, ok := strings.CutPrefix(line, "hint: "); ok {
			hints = append(hints, strings.TrimSpace(hint))
		}
	}
	if len(hints) != summaryHints || hints[0] != "three" || strings.Contains(strings.Join(hints, " "), "one") {
		t.Errorf("got hints %q, want the three that help most, the best first", hints)
	}
}

func TestSummaryBeforeTheEnd(t *testing.T) {
	stdout, stderr := render(t, Options{}, openSummary, func(sink fanout.Sink) {
		s := newStory(t, sink, "a")
		s.begin()
		s.finish("a", exited(1))
	})
	if stdout+stderr != "" {
		t.Errorf("got %q, want nothing", stdout+stderr)
	}
}

func TestDescribe(t *testing.T) {
	failure := func(op fanout.Op, message string, started bool) fanout.Report {
		return fanout.Report{Failure: &fanout.Failure{Op: op, Message: message}, Started: started}
	}
	tests := []struct {
		name   string
		report fanout.Report
		want   string
	}{
		{"ok", exited(0), "ok"},
		{"ping", fanout.Report{}, "ok"},
		{"code", exited(255), "failed, exit 255"},
		{"core", fanout.Report{Exit: &fanout.Exit{Signal: "SEGV", Core: true}}, "failed, signal SEGV, core dumped"},
		{"hostile signal", fanout.Report{Exit: &fanout.Exit{Signal: "X\x1b[2J"}}, "failed, signal X^[[2J"},
		{"timeout", failure(fanout.OpTimeout, "timed out after 1m30s", true), "timeout: timed out after 1m30s"},
		{"timeout without a message", failure(fanout.OpTimeout, "", true), "timeout"},
		{"connect timeout", failure(fanout.OpTimeout, "no answer in 10s", false), "unreachable: timeout: no answer in 10s"},
		{"deadline", failure(fanout.OpDeadline, "", true), "timeout: deadline"},
		{"canceled", failure(fanout.OpCanceled, "interrupted", true), "canceled"},
		{"message with its op", failure(fanout.OpDial, "dial: refused", false), "unreachable: dial: refused"},
		{"lines", failure(fanout.OpLogin, "no\n\tway ", false), "unreachable: login: no  way"},
		{"lost", failure(fanout.OpNoStatus, "closed", true), "lost: no_status: closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &fanout.Result{Outcome: tt.report.Outcome(), Report: tt.report}
			if got := describe(r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDurationText(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0ms"},
		{0, "0ms"},
		{999 * time.Millisecond, "999ms"},
		{2450 * time.Millisecond, "2.4s"},
		{59990 * time.Millisecond, "59.9s"},
		{61 * time.Second, "1m01s"},
		{3599 * time.Second, "59m59s"},
		{125 * time.Minute, "2h05m"},
	}
	for _, tt := range tests {
		if got := durationText(tt.d); got != tt.want {
			t.Errorf("durationText(%v): got %q, want %q", tt.d, got, tt.want)
		}
	}
}
