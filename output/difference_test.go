package output

import (
	"strings"
	"testing"

	"tutti/fanout"
)

// TestDiffStandard checks which group the others are compared with.
func TestDiffStandard(t *testing.T) {
	tests := []struct {
		name string
		tell func(*story)
		want string
	}{
		{"the largest", func(s *story) {
			for _, h := range []string{"a", "b", "c"} {
				s.out(h, "x\n")
				s.finish(h, exited(0))
			}
			s.out("d", "y\n")
			s.finish("d", exited(0))
		}, "[d] (1)  ok\n--- [a..c] (3)\n+++ [d] (1)\n@@ -1 +1 @@\n-x\n+y\n\n[a..c] (3)  ok\nx\n"},
		{"not of those that never began", func(s *story) {
			for _, h := range []string{"a", "b"} {
				s.finish(h, unreachable(fanout.OpDial, "refused"))
			}
			s.out("c", "x\n")
			s.finish("c", exited(0))
			s.skip("d")
		}, "[c] (1)  ok\nx\n\n[d] (1)  skipped\n[a b] (2)  unreachable: dial: refused\n"},
		{"none began", func(s *story) {
			s.finish("a", unreachable(fanout.OpDial, "refused"))
		}, "[a] (1)  unreachable: dial: refused\n"},
		{"silent ones", func(s *story) {
			s.finish("a", exited(0))
			s.finish("b", exited(0))
			s.finish("c", exited(1))
		}, "[c] (1)  failed, exit 1\n[a b] (2)  ok\n"},
		{"nothing against something", func(s *story) {
			for _, h := range []string{"a", "b"} {
				s.out(h, "x\n")
				s.finish(h, exited(0))
			}
			s.finish("c", exited(0))
		}, "[c] (1)  ok\n--- [a b] (2)\n+++ [c] (1)\n@@ -1 +0,0 @@\n-x\n\n[a b] (2)  ok\nx\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr := render(t, Options{Diff: true}, openFold, func(sink fanout.Sink) {
				s := newStory(t, sink, "a", "b", "c", "d")
				s.begin()
				tt.tell(s)
				s.end()
			})
			if stdout != tt.want || stderr != "" {
				t.Errorf("got %q and %q on stderr, want %q", stdout, stderr, tt.want)
			}
		})
	}
}

// TestDiffGivesBack compares outputs that are not in memory, one of them too
// long to be compared, and checks that all of it is given back.
func TestDiffGivesBack(t *testing.T) {
	line := strings.Repeat("x", 1023) + "\n"
	var sink *Fold
	stdout, _ := render(t, Options{Diff: true}, func(o Options) closingSink {
		sink = NewFold(o)
		sink.kept.pool.limit = 64 << 10
		return sink
	}, func(fanout.Sink) {
		s := newStory(t, sink, "a", "b", "c", "d")
		s.begin()
		for _, h := range []string{"a", "b", "c", "d"} {
			s.out(h, strings.Repeat(line, 300))
		}
		s.out("c", "more\n")
		s.out("d", strings.Repeat(line, 8000))
		for _, h := range []string{"a", "b", "c", "d"} {
			s.finish(h, exited(0))
		}
		s.end()
	})
	for _, want := range []string{
		"+++ [c] (1)\n@@ -298,3 +298,4 @@\n " + line,
		"+more\n",
		"[d] (1)  ok\n\\ too long to compare: 8300 KiB here, 300 KiB from [a b] (2)\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %.80q in %d bytes", want, len(stdout))
		}
	}
	if p := sink.kept.pool; p.used != 0 || p.live != 0 || p.file != nil {
		t.Errorf("got %d bytes, %d blocks and file %v in use, want nothing", p.used, p.live, p.file)
	}
}

// TestFoldBatches checks that each batch is folded by itself, and printed at
// its end.
func TestFoldBatches(t *testing.T) {
	var sink *Fold
	stdout, _ := render(t, Options{}, func(o Options) closingSink {
		sink = NewFold(o)
		return sink
	}, func(fanout.Sink) {
		s := newStory(t, sink, "a", "b", "c")
		s.begin()
		s.out("a", "x\n")
		s.finish("a", exited(0))
		s.tell(fanout.Event{Kind: fanout.BatchFinished})
		if len(sink.groups) > 0 {
			t.Errorf("got %d groups kept after the end of their batch, want none", len(sink.groups))
		}
		for _, h := range []string{"b", "c"} {
			s.out(h, "x\n")
			s.finish(h, exited(0))
		}
		s.end()
	})
	if want := "[a] (1)  ok\nx\n\n[b c] (2)  ok\nx\n"; stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}
