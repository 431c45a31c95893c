package ssh

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// obey ends at one of signals.
func obey(signals ...string) fleet.Handler {
	return fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		for {
			select {
			case got := <-s.Signals:
				for _, want := range signals {
					if got == want {
						return fleet.Exit{Signal: got}
					}
				}
			case <-s.Done:
				return fleet.Exit{}
			}
		}
	})
}

// swept is h at a host that answers a sweep with a word; without one it repeats
// what it was sent.
func swept(h fleet.Handler, word string) fleet.Handler {
	sum := regexp.MustCompile(`answer=\$\(\((\d+)\+(\d+)\)\)`)
	octal := regexp.MustCompile(`\\0([0-7]{3})`)
	return fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		text := octal.ReplaceAllStringFunc(s.Command, func(c string) string {
			n, _ := strconv.ParseUint(c[2:], 8, 8) // it is octal
			return string(rune(n))
		})
		m := sum.FindStringSubmatch(text)
		if m == nil {
			return h.Run(s)
		}
		a, _ := strconv.Atoi(m[1]) // they are numbers
		b, _ := strconv.Atoi(m[2])
		if word == "" {
			_, _ = fmt.Fprintf(s.Stdout, "%s\n%s+%s none\n", text, m[1], m[2])
			return fleet.Exit{}
		}
		_, _ = fmt.Fprintf(s.Stdout, "welcome\n%d %s\n", a+b, word)
		return fleet.Exit{}
	})
}

func TestLadderEndsTheCommand(t *testing.T) {
	tests := []struct {
		name    string
		handler fleet.Handler
		faults  fleet.Faults
		remote  string
		signals []string
	}{
		{"TERM is enough", swept(obey("TERM"), "none"), fleet.Faults{}, fanout.RemoteEnded, []string{"TERM"}},
		{"KILL is needed", swept(obey("KILL"), "none"), fleet.Faults{}, fanout.RemoteEnded, []string{"TERM", "KILL"}},
		{"something is left", swept(obey("TERM"), "left"), fleet.Faults{}, fanout.RemoteUnknown, []string{"TERM"}},
		{"no sweep is possible", swept(obey("TERM"), ""), fleet.Faults{}, fanout.RemoteUnknown, []string{"TERM"}},
		{"refused and proved", swept(obey(), "none"), fleet.Faults{RejectSignals: true}, fanout.RemoteEnded, []string{"TERM"}},
		{"refused", swept(obey("TERM"), ""), fleet.Faults{RejectSignals: true}, fanout.RemoteUnknown, []string{"TERM"}},
		{"ignored", swept(obey("TERM"), ""), fleet.Faults{IgnoreSignals: true}, fanout.RemoteUnknown, []string{"TERM", "KILL"}},
	}
	causes := []struct {
		name  string
		cause error
		op    fanout.Op
	}{
		{"timeout", nil, fanout.OpTimeout},
		{"signal", fanout.ErrSignal, fanout.OpCanceled},
		{"deadline", fmt.Errorf("run 7: %w", fanout.ErrDeadline), fanout.OpDeadline},
	}
	for _, tt := range tests {
		for _, cause := range causes {
			t.Run(tt.name+"/"+cause.name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, []fleet.Host{{Name: "h", Exec: tt.handler, Faults: tt.faults}}, func(o *Options) {
					if len(tt.signals) == 1 {
						o.KillAfter = time.Hour // TERM may take its time
					}
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if cause.cause == nil {
					b.targets[0].Limits.Timeout = 50 * time.Millisecond
				} else {
					go func() {
						eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
						cancel(cause.cause)
					}()
				}
				r := b.exec(ctx, 0, "x")
				r.wantOp(t, cause.op, true)
				if got := r.Failure.Remote; got != tt.remote {
					t.Errorf("got remote %q, want %q", got, tt.remote)
				}
				if got := b.fleet.Log()[0].Signals; fmt.Sprint(got) != fmt.Sprint(tt.signals) {
					t.Errorf("got signals %v, want %v", got, tt.signals)
				}
			})
		}
	}
}

// TestLadderIsShortWhenStopped: however long a command may take to obey,
// stopping the run does not wait for it.
func TestLadderIsShortWhenStopped(t *testing.T) {
	tests := []struct {
		name    string
		timeout time.Duration // 0: the run is stopped while the command runs
		want    fanout.Op
	}{
		{"running", 0, fanout.OpCanceled},
		{"being stopped", 50 * time.Millisecond, fanout.OpTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, []fleet.Host{{Name: "h", Exec: swept(obey("KILL"), "none")}}, func(o *Options) { o.KillAfter = time.Hour })
			b.targets[0].Limits.Timeout = tt.timeout
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan *record, 1)
			go func() { done <- b.exec(ctx, 0, "x") }()
			eventually(t, "under way", func() bool {
				l := b.fleet.Log()
				return len(l) == 1 && !l[0].Started.IsZero() && (tt.timeout == 0 || len(l[0].Signals) > 0)
			})
			cancel(fanout.ErrSignal)
			select {
			case r := <-done:
				r.wantOp(t, tt.want, true)
				if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
					t.Errorf("got remote %q, want %q", got, want)
				}
			case <-time.After(patience):
				t.Fatal("Exec has not returned")
			}
		})
	}
}
