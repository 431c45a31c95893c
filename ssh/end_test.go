package ssh

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// TestCutAnywhereIsNeverOK cuts the connection at every byte of a session: success
// must mean that all output has arrived.
func TestCutAnywhereIsNeverOK(t *testing.T) {
	for _, how := range []fleet.CutMode{fleet.Finish, fleet.Reset} {
		t.Run(fmt.Sprint(how), func(t *testing.T) { cutAnywhere(t, how) })
	}
}

func cutAnywhere(t *testing.T, how fleet.CutMode) {
	const workers = 16
	command := strings.Repeat("x", 300)
	end := wireLength(t, command)
	hosts := make([]fleet.Host, workers)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: fmt.Sprintf("h%d", i)}
	}
	b := newBench(t, hosts, nil)
	var complete, lost int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := int64(w); n <= end+8; n += workers {
				b.fleet.SetFaults(hosts[w].Name, fleet.Faults{Cut: &fleet.Cut{After: n, FromExec: true, How: how}})
				r := b.exec(t.Context(), w, command)
				all := r.stdout.String() == command+"\n" && r.stderr.String() == hosts[w].Name+"\n"
				mu.Lock()
				switch {
				case r.Exit != nil && !all:
					t.Errorf("cut after %d bytes: got exit %+v with %d bytes of output", n, *r.Exit, len(r.stdout.String()))
				case r.Exit != nil:
					complete++
				case r.Failure.Op == fanout.OpConnection && r.Started:
					lost++
				default:
					t.Errorf("cut after %d bytes: got %+v, want op %s", n, *r.Failure, fanout.OpConnection)
				}
				mu.Unlock()
				b.forget(w)
			}
		})
	}
	wg.Wait()
	if complete == 0 || lost < int(end)/2 {
		t.Errorf("got %d complete and %d lost of %d, want some of the first and many of the second", complete, lost, end)
	}
}

// wireLength is how many bytes a host sends from the exec request to the end.
func wireLength(t *testing.T, command string) int64 {
	t.Helper()
	b := newBench(t, []fleet.Host{{Name: "h0"}}, nil)
	if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
		t.Fatal(r.Failure.Message)
	}
	before := b.fleet.Conns()[0].Written
	b.exec(t.Context(), 0, command).wantExit(t, fanout.Exit{})
	return b.fleet.Conns()[0].Written - before
}

// TestHangUpAfterTheCloseLosesNothing: a host that hangs up as soon as it has said everything
// has still said everything.
func TestHangUpAfterTheCloseLosesNothing(t *testing.T) {
	const workers, runs = 8, 50
	hosts := make([]fleet.Host, workers)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: fmt.Sprintf("h%d", i), Faults: fleet.Faults{HangUp: fleet.HangUpAfterClose}}
	}
	b := newBench(t, hosts, nil)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range runs {
				r := b.exec(t.Context(), w, "all")
				if r.Exit == nil || !r.OutputComplete || r.stdout.String() != "all\n" {
					t.Errorf("got %+v, failure %+v, stdout %q, want a complete run", r.Report, r.Failure, r.stdout.String())
				}
				b.forget(w) // the next command must not race with the hanging up
			}
		})
	}
	wg.Wait()
}

func TestHangUpAfterTheStatusIsLost(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{HangUp: fleet.HangUpAfterExit}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpConnection, true)
	if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
		t.Errorf("got remote %q, want %q: the status came", got, want)
	}
}

// shortDrain is for hosts that keep a channel open.
func shortDrain(o *Options) { o.Drain = 50 * time.Millisecond }

func TestChannelHeldOpenIsDrained(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Hold: fleet.Forever}}}, shortDrain)
	r := b.exec(t.Context(), 0, "exit 3")
	r.wantExit(t, fanout.Exit{Code: 3})
	if r.OutputComplete || r.stdout.String() != "exit 3\n" {
		t.Errorf("got complete %v, stdout %q, want incomplete with what had come", r.OutputComplete, r.stdout.String())
	}
}

func TestEndlessTalkAfterTheEndIsCut(t *testing.T) {
	talk := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		s.Exit(fleet.Exit{})
		for {
			if _, err := s.Stdout.Write([]byte("more\n")); err != nil {
				return fleet.Exit{}
			}
		}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: talk}}, shortDrain)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if r.OutputComplete {
		t.Error("got complete output, want incomplete")
	}
}

func TestNoStatusIsAFailure(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{NoExit: true}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpNoStatus, true)
	if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
	if got, want := r.stdout.String(), "x\n"; got != want {
		t.Errorf("got stdout %q, want %q", got, want)
	}
}

func TestSignalsAreReported(t *testing.T) {
	tests := []struct {
		name       string
		sent       fleet.Exit
		signal     string
		textPrefix string
	}{
		{"TERM", fleet.Exit{Signal: "TERM"}, "TERM", ""},
		{"core", fleet.Exit{Signal: "SEGV", Core: true, Msg: "dumped"}, "SEGV", "dumped"},
		{"foreign", fleet.Exit{Signal: "SIG@openssh.com"}, "SIG@openssh.com", ""},
		{"escape", fleet.Exit{Signal: "KILL", Msg: "\x1b[31mred\u202e"}, "KILL", "^[[31mred\\u202e"},
		{"junk", fleet.Exit{Signal: strings.Repeat("A", 60_000)}, strings.Repeat("A", maxSignal), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Exit: &tt.sent}}}, nil)
			r := b.exec(t.Context(), 0, "x")
			r.wantExit(t, fanout.Exit{Signal: tt.signal, Core: tt.sent.Core, Message: tt.textPrefix})
			if got, want := r.Outcome(), fanout.Failed; got != want {
				t.Errorf("got outcome %v, want %v", got, want)
			}
		})
	}
}

func TestStatusesAreReported(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    uint32
		op      fanout.Op
	}{
		{"256", []byte{0, 0, 1, 0}, 256, ""},
		{"largest", []byte{255, 255, 255, 255}, 4294967295, ""},
		{"short", []byte{0, 0, 0}, 0, fanout.OpNoStatus},
		{"long", []byte{0, 0, 0, 0, 0}, 0, fanout.OpNoStatus},
		{"empty", []byte{}, 0, fanout.OpNoStatus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{RawStatus: tt.payload}}}, nil)
			r := b.exec(t.Context(), 0, "x")
			if tt.op != "" {
				r.wantOp(t, tt.op, true)
				return
			}
			r.wantExit(t, fanout.Exit{Code: tt.want})
		})
	}
}
