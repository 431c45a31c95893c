package output

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"tutti/fanout"
)

func detailed(detail string) fanout.Report {
	return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpHostKey, Message: "unknown", Detail: detail}}
}

// TestFoldGroups checks what makes two hosts differ.
func TestFoldGroups(t *testing.T) {
	signal := fanout.Report{Exit: &fanout.Exit{Signal: "KILL"}, Started: true}
	tests := []struct {
		name   string
		tell   func(*story)
		stdout string
	}{
		{"the same", func(s *story) {
			s.out("a", "x")
			s.out("b", "x")
			s.finish("a", exited(0))
			s.finish("b", exited(0))
		}, "a+b (2)  ok\nx\n"},
		{"another cut", func(s *story) {
			s.out("a", "xy")
			s.out("b", "x")
			s.out("b", "y")
			s.finish("b", exited(0))
			s.finish("a", exited(0))
		}, "a+b (2)  ok\nxy\n"},
		{"other bytes", func(s *story) {
			s.out("a", "x")
			s.out("b", "x\n")
			s.finish("b", exited(0))
			s.finish("a", exited(0))
		}, "a (1)  ok\nx\n\nb (1)  ok\nx\n"},
		{"another stream", func(s *story) {
			s.out("a", "x")
			s.err("b", "x")
			s.finish("a", exited(0))
			s.finish("b", exited(0))
		}, "a (1)  ok\nx\n\nb (1)  ok\n"},
		{"another code", func(s *story) {
			s.finish("a", exited(1))
			s.finish("b", exited(2))
		}, "a (1)  failed, exit 1\nb (1)  failed, exit 2\n"},
		{"a signal", func(s *story) {
			s.finish("a", exited(9))
			s.finish("b", signal)
		}, "a (1)  failed, exit 9\nb (1)  failed, signal KILL\n"},
		{"another reason", func(s *story) {
			s.finish("a", unreachable(fanout.OpDial, "no route"))
			s.finish("b", unreachable(fanout.OpDial, "refused"))
		}, "a (1)  unreachable: dial: no route\nb (1)  unreachable: dial: refused\n"},
		{"other details", func(s *story) {
			s.finish("a", detailed("key 1"))
			s.finish("b", detailed("key 2"))
		}, "a+b (2)  unreachable: hostkey: unknown\n"},
		{"alone with a detail", func(s *story) {
			s.finish("a", detailed("key 1"))
			s.finish("b", unreachable(fanout.OpHostKey, "revoked"))
		}, "a (1)  unreachable: hostkey: unknown: key 1\nb (1)  unreachable: hostkey: revoked\n"},
		{"the last attempt", func(s *story) {
			s.out("a", "first")
			s.err("a", "first")
			s.retry("a", stopped(fanout.OpConnection, fanout.RemoteEnded))
			s.out("a", "x")
			s.out("b", "x")
			s.finish("a", exited(0))
			s.finish("b", exited(0))
		}, "a+b (2)  ok\nx\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := Options{Fold: func(names []string) string { return strings.Join(names, "+") }}
			stdout, _ := render(t, opts, openFold, func(sink fanout.Sink) {
				s := newStory(t, sink, "a", "b")
				s.begin()
				tt.tell(s)
				s.end()
			})
			if stdout != tt.stdout {
				t.Errorf("got %q, want %q", stdout, tt.stdout)
			}
		})
	}
}

// TestFoldSmallestFirst also counts how often names are folded: once for each
// group, however many hosts there are.
func TestFoldSmallestFirst(t *testing.T) {
	folds := 0
	opts := Options{Fold: func(names []string) string { folds++; return names[0] }}
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("h%03d", i))
	}
	stdout, _ := render(t, opts, openFold, func(sink fanout.Sink) {
		s := newStory(t, sink, names...)
		s.begin()
		for i, h := range names {
			switch {
			case i == 500:
				s.out(h, "odd\n")
			case i%10 == 0:
				s.out(h, "some\n")
			default:
				s.out(h, "most\n")
			}
			s.finish(h, exited(0))
		}
		s.end()
	})
	want := "h500 (1)  ok\nodd\n\nh000 (99)  ok\nsome\n\nh001 (900)  ok\nmost\n"
	if stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
	if folds != 3 {
		t.Errorf("got %d foldings, want 3", folds)
	}
}

// TestFoldLarge folds outputs that do not fit into memory.
func TestFoldLarge(t *testing.T) {
	big := strings.Repeat(strings.Repeat("x", 1023)+"\n", 300)
	var sink *Fold
	stdout, _ := render(t, Options{}, func(o Options) closingSink {
		sink = NewFold(o)
		sink.kept.pool.limit = 128 << 10
		return sink
	}, func(fanout.Sink) {
		s := newStory(t, sink, "a", "b", "c")
		s.begin()
		for _, h := range []string{"a", "b", "c"} {
			s.out(h, big)
		}
		s.out("c", "more\n")
		for _, h := range []string{"a", "b", "c"} {
			s.finish(h, exited(0))
		}
		s.end()
	})
	want := "[c] (1)  ok\n" + big + "more\n\n[a b] (2)  ok\n" + big
	if stdout != want {
		t.Errorf("got %d bytes, want %d, or they differ", len(stdout), len(want))
	}
}

func BenchmarkFold10000(b *testing.B) {
	const hosts = 10_000
	targets := make([]fanout.Target, hosts)
	texts := make([][]byte, hosts)
	for i := range targets {
		targets[i] = fanout.Target{Index: i, Name: fmt.Sprintf("n%05d", i)}
		texts[i] = fmt.Appendf(nil, "all of them differ: %d\n", i)
	}
	ctx := context.Background()
	for b.Loop() {
		w := NewWriter(io.Discard)
		sink := NewFold(Options{Stdout: w, Stderr: w})
		for i := range targets {
			t := &targets[i]
			events := []fanout.Event{
				{Kind: fanout.Output, Target: t, Data: texts[i]},
				{Kind: fanout.TargetFinished, Target: t, Result: &fanout.Result{Target: *t}},
			}
			for _, e := range events {
				if err := sink.Handle(ctx, e); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := sink.Handle(ctx, fanout.Event{Kind: fanout.RunFinished}); err != nil {
			b.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			b.Fatal(err)
		}
		closeWriters(b, w)
	}
}
