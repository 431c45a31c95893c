package output

import (
	"strings"
	"testing"
	"time"

	"tutti/fanout"
)

// tellResults is a run in which each host ends in another way.
func tellResults(tb testing.TB, sink fanout.Sink) {
	s := newStory(tb, sink, "web2", "web10", "db", "gone")
	s.begin()
	for _, h := range []string{"web2", "web10", "db"} {
		s.start(h)
	}
	s.out("web10", "\n  \nfirst ")
	s.err("web10", "a warning\n")
	s.out("web10", "attempt\nmore\n")
	s.retry("web10", exited(1))
	s.start("web10")
	s.out("web10", "\nup 3 ")
	s.out("web10", "days\x1b[2J\nmore\n")
	s.err("db", "\xffno such table\n")
	s.finish("web10", exited(0))
	s.finish("db", exited(42))
	s.finish("web2", fanout.Report{Exit: &fanout.Exit{Signal: "TERM"}, Started: true})
	s.skip("gone")
	s.end()
}

// TestResults: a row has the last attempt's first line that is not empty, of stdout
// before stderr, and never a control character.
func TestResults(t *testing.T) {
	tests := []struct {
		name  string
		opts  Options
		order Order
		hosts string
	}{
		{"by host", Options{}, ByHost, "web2 web10 db gone"},
		{"by outcome", Options{}, ByOutcome, "web2 db gone web10"},
		{"not ok", Options{Quiet: true}, ByHost, "web2 db gone"},
	}
	rows := map[string]string{
		"web2": "failed TERM", "web10": "ok 0 up 3 days", "db": "failed 42 �no such table", "gone": "skipped",
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, _ := render(t, tt.opts, func(o Options) closingSink {
				return NewResults(o, tt.order, func() int { return 0 })
			}, func(sink fanout.Sink) { tellResults(t, sink) })
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if got, want := strings.Join(strings.Fields(lines[0]), " "), "HOST OUTCOME EXIT TIME OUTPUT"; got != want {
				t.Errorf("got the heading %q, want %q", got, want)
			}
			var hosts []string
			for _, line := range lines[1:] {
				words := strings.Fields(line)
				hosts = append(hosts, words[0])
				if strings.ContainsRune(line, 0x1b) {
					t.Errorf("the terminal would obey %q", line)
				}
				for _, word := range strings.Fields(rows[words[0]]) {
					if !strings.Contains(line, word) {
						t.Errorf("got %q, want %q in it", line, word)
					}
				}
			}
			if got := strings.Join(hosts, " "); got != tt.hosts {
				t.Errorf("got the hosts %q, want %q", got, tt.hosts)
			}
		})
	}
}

// TestResultsSlowestFirst: a table by time begins with the host that took longest, from
// its first attempt to its last end.
func TestResultsSlowestFirst(t *testing.T) {
	stdout, _ := render(t, Options{}, func(o Options) closingSink { return NewResults(o, ByTime, func() int { return 0 }) }, func(sink fanout.Sink) {
		s := newStory(t, sink, "quick", "slow")
		s.begin()
		for i, h := range []string{"quick", "slow"} {
			s.start(h)
			r := s.result(h, exited(0))
			r.BegunAt, r.EndedAt = epoch, epoch.Add(time.Duration(i+1)*time.Second)
			s.tell(fanout.Event{Kind: fanout.TargetFinished, Target: s.target(h), Attempt: 1, Result: r})
		}
		s.end()
	})
	if slow, quick := strings.Index(stdout, "slow"), strings.Index(stdout, "quick"); slow < 0 || quick < slow {
		t.Errorf("got\n%s\nwant slow first", stdout)
	}
}
