package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// TestP01CutAnywhere cuts the connection at every byte of a session: success
// must mean that all output has arrived.
func TestP01CutAnywhere(t *testing.T) {
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

// TestP01HangUpFirst: a host that hangs up as soon as it has said everything
// has still said everything.
func TestP01HangUpFirst(t *testing.T) {
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

func TestP01StatusThenHangUp(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{HangUp: fleet.HangUpAfterExit}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpConnection, true)
	if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
		t.Errorf("got remote %q, want %q: the status came", got, want)
	}
}

func TestP02ChannelHeldOpen(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Hold: fleet.Forever}}}, nil)
	r := b.exec(t.Context(), 0, "exit 3")
	r.wantExit(t, fanout.Exit{Code: 3})
	if r.OutputComplete || r.stdout.String() != "exit 3\n" {
		t.Errorf("got complete %v, stdout %q, want incomplete with what had come", r.OutputComplete, r.stdout.String())
	}
}

func TestP02EndlessTalkAfterTheEnd(t *testing.T) {
	talk := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		s.Exit(fleet.Exit{})
		for {
			if _, err := s.Stdout.Write([]byte("more\n")); err != nil {
				return fleet.Exit{}
			}
		}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: talk}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if r.OutputComplete {
		t.Error("got complete output, want incomplete")
	}
}

func TestP03NoStatus(t *testing.T) {
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

func TestP04Signals(t *testing.T) {
	tests := []struct {
		name       string
		sent       fleet.Exit
		signal     string
		textPrefix string
	}{
		{"TERM", fleet.Exit{Signal: "TERM"}, "TERM", ""},
		{"core", fleet.Exit{Signal: "SEGV", Core: true, Msg: "dumped"}, "SEGV", "dumped"},
		{"foreign", fleet.Exit{Signal: "SIG@openssh.com"}, "SIG@openssh.com", ""},
		{"escape", fleet.Exit{Signal: "KILL", Msg: "\x1b[31mred\u202e"}, "KILL", "<1B>[31mred<202E>"},
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

func TestP05Statuses(t *testing.T) {
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

func TestP07Refusals(t *testing.T) {
	tests := []struct {
		name   string
		faults fleet.Faults
		op     fanout.Op
	}{
		{"open", fleet.Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.ConnectionFailed, Message: "open failed"}}, fanout.OpSession},
		{"exec", fleet.Faults{RejectExec: true}, fanout.OpExec},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: tt.faults}}, nil)
			r := b.exec(t.Context(), 0, "secret-canary")
			r.wantOp(t, tt.op, false)
			if strings.Contains(r.Failure.Message, "canary") {
				t.Errorf("the message holds the command: %s", r.Failure.Message)
			}
			if got, want := r.Outcome(), fanout.Unreachable; got != want {
				t.Errorf("got outcome %v, want %v", got, want)
			}
		})
	}
}

func TestP07OpenNeverAnswered(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: fleet.StepOpen}}}, nil)
	if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
		t.Fatal(r.Failure.Message)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	b.fleet.SetFaults("h", fleet.Faults{Stall: fleet.StepOpen, Struck: func() { cancel(fanout.ErrSignal) }})
	b.exec(ctx, 0, "x").wantOp(t, fanout.OpCanceled, false)

	b.targets[0].Limits.ConnectTimeout = 100 * time.Millisecond
	b.fleet.SetFaults("h", fleet.Faults{Stall: fleet.StepOpen})
	b.exec(t.Context(), 0, "x").wantOp(t, fanout.OpSession, false)
}

func TestP07ExecNeverAnswered(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: fleet.StepExec}}}, nil)
	b.targets[0].Limits.Timeout = 50 * time.Millisecond
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpTimeout, true)
	if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
}

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

func TestP08Ladder(t *testing.T) {
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
		{"nobody looks", swept(obey("TERM"), ""), fleet.Faults{}, fanout.RemoteUnknown, []string{"TERM"}},
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
				b := newBench(t, []fleet.Host{{Name: "h", Exec: tt.handler, Faults: tt.faults}}, nil)
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

// TestP08LadderIsShortWhenStopped: however long a command may take to obey,
// stopping the run does not wait for it.
func TestP08LadderIsShortWhenStopped(t *testing.T) {
	tests := []struct {
		name    string
		timeout time.Duration // 0: the run is stopped while the command runs
		want    fanout.Op
	}{
		{"running", 0, fanout.OpCanceled},
		{"being ended", 50 * time.Millisecond, fanout.OpTimeout},
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

// TestP01Garbled flips a byte on the way from the host: that is no read error,
// and yet the output behind it is lost.
func TestP01Garbled(t *testing.T) {
	const workers, step = 8, 9
	command := strings.Repeat("x", 300)
	end := wireLength(t, command)
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	lost := 0
	for w := range int64(workers) {
		wg.Go(func() {
			for n := w; n < end; n += workers * step {
				g := newGarbler(t, b.opts.Endpoints[0])
				opts := b.opts
				opts.Endpoints = []Endpoint{{Address: "127.0.0.1", Port: g.port(), User: "u", Identities: b.opts.Endpoints[0].Identities, HostKeys: Off}}
				c := newClient(t, opts)
				target := fanout.Target{Name: "h", Limits: fanout.Limits{ConnectTimeout: patience}}
				if r := execOn(t.Context(), c, target, ""); r.Failure != nil {
					t.Errorf("login: %s", r.Failure.Message)
					return
				}
				g.at.Store(g.passed.Load() + n)
				// A garbled length may make the library wait for ever.
				target.Limits = fanout.Limits{ConnectTimeout: 200 * time.Millisecond, Timeout: 200 * time.Millisecond}
				r := execOn(t.Context(), c, target, command)
				all := r.stdout.String() == command+"\n" && r.stderr.String() == "h\n"
				if r.Exit != nil && !all {
					t.Errorf("garbled at %d: got exit %+v with %d bytes of output", n, *r.Exit, len(r.stdout.String()))
				}
				if r.Exit == nil && r.Failure.Op == fanout.OpConnection {
					mu.Lock()
					lost++
					mu.Unlock()
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	if lost == 0 {
		t.Error("got no lost connection, want some")
	}
}

// A garbler is a proxy for one connection that flips one byte on the way to
// the client.
type garbler struct {
	net.Listener
	passed atomic.Int64
	at     atomic.Int64 // the byte to flip
}

func newGarbler(tb testing.TB, to Endpoint) *garbler {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	g := &garbler{Listener: l}
	g.at.Store(-1)
	var wg sync.WaitGroup
	tb.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		client, err := l.Accept()
		_ = l.Close() // dialling again is refused
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		server, err := net.Dial("tcp", hostPort(to.Address, to.Port))
		if err != nil {
			tb.Error(err)
			return
		}
		wg.Go(func() {
			_, _ = io.Copy(server, client) // until one of them closes
			_ = server.Close()
		})
		_, _ = io.Copy(client, g.garble(server)) // likewise
	})
	return g
}

func (g *garbler) port() int { return g.Addr().(*net.TCPAddr).Port }

func (g *garbler) garble(from io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := from.Read(p)
		before := g.passed.Add(int64(n)) - int64(n)
		if at := g.at.Load() - before; at >= 0 && at < int64(n) {
			p[at] ^= 0x40
		}
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
