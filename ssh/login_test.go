package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/sanitize"
)

func TestStalledLoginIsBounded(t *testing.T) {
	tests := []struct {
		step fleet.Step
		want string
	}{
		{fleet.StepAccept, "SSH banner"},
		{fleet.StepHalfVersion, "SSH banner"},
		{fleet.StepVersion, "exchanging keys"},
		{fleet.StepKexInit, "exchanging keys"},
		{fleet.StepService, "authenticating"},
		{fleet.StepAuth, "authenticating"},
		{fleet.StepSign, "authenticating"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.step), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: tt.step}}}, nil)
			target := b.targets[0]
			target.Limits.ConnectTimeout = time.Second
			r := execOn(t.Context(), b.Client, target, "x")
			r.wantOp(t, fanout.OpLogin, false)
			if !strings.Contains(r.Failure.Message, tt.want) || r.Failure.Final || r.starts != 0 {
				t.Errorf("got %+v after %d starts, want a failure that names the %s and may be retried", *r.Failure, r.starts, tt.want)
			}
		})
		t.Run(fmt.Sprint(tt.step)+" canceled", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			stall := fleet.Faults{Stall: tt.step, Struck: func() { cancel(fanout.ErrDeadline) }}
			b := newBench(t, []fleet.Host{{Name: "h", Faults: stall}}, nil)
			b.exec(ctx, 0, "x").wantOp(t, fanout.OpDeadline, false)
		})
	}
}

func TestDialFailures(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "up"}, {Name: "down", Down: true}}, func(o *Options) {
		o.Endpoints[0].Address = "no-such-host.invalid"
	})
	tests := []struct {
		target int
		op     fanout.Op
		want   string
	}{
		{0, fanout.OpResolve, "no-such-host.invalid"},
		{1, fanout.OpDial, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(string(tt.op), func(t *testing.T) {
			r := b.exec(t.Context(), tt.target, "x")
			r.wantOp(t, tt.op, false)
			if !strings.Contains(r.Failure.Message, tt.want) || r.Failure.Final {
				t.Errorf("got %+v, want a failure that says %q and may be retried", *r.Failure, tt.want)
			}
		})
	}
}

func TestThrottledLoginIsRepeated(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Throttle: "Exceeded MaxStartups\r\n", ThrottleFirst: 3}}}, nil)
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	if got, want := len(b.fleet.Conns()), 4; got != want {
		t.Errorf("got %d connections, want %d", got, want)
	}
}

func TestThrottledForEverIsUnreachable(t *testing.T) {
	tests := []struct {
		name string
		text string
	}{
		{"old text", "Exceeded MaxStartups\r\n"},
		{"new text", "Not allowed at this time\r\n"},
		{"hostile text", "go\x1b[2Jaway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Throttle: tt.text}}}, nil)
			target := b.targets[0]
			target.Limits.ConnectTimeout = 3 * time.Second
			r := execOn(t.Context(), b.Client, target, "x")
			r.wantOp(t, fanout.OpLogin, false)
			want := sanitize.Line(tt.text, maxGreeting)
			if !strings.Contains(r.Failure.Message, want) || strings.Contains(r.Failure.Message, "\x1b") || r.Failure.Final {
				t.Errorf("got %+v, want a failure that says %q and may be retried", *r.Failure, want)
			}
			if n := len(b.fleet.Conns()); n < 2 {
				t.Errorf("got %d connections, want more than one", n)
			}
		})
	}
}

// TestResetLoginIsRepeated has a host that resets its first connections, some of them
// before the client has seen that there is one.
func TestResetLoginIsRepeated(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	e := &b.opts.Endpoints[0]
	go resetThenForward(l, 5, hostPort(e.Address, e.Port))
	e.Port, e.Address, e.HostKeys = l.Addr().(*net.TCPAddr).Port, "127.0.0.1", hostkeys.Off
	execOn(t.Context(), newClient(t, b.opts), b.targets[0], "x").wantExit(t, fanout.Exit{})
}

// resetThenForward resets the first connections to l, and joins the others to
// address.
func resetThenForward(l net.Listener, resets int, address string) {
	for n := 0; ; n++ {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if n < resets {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
			continue
		}
		host, err := net.Dial("tcp", address)
		if err != nil {
			_ = c.Close()
			return
		}
		go func() { _, _ = io.Copy(host, c); _ = host.Close() }()
		go func() { _, _ = io.Copy(c, host); _ = c.Close() }()
	}
}

func TestPreambleIsSkipped(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Preamble: "hello\r\nthere\r\n"}}}, nil)
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
}

func TestRefusedKeyIsFinalAndCounted(t *testing.T) {
	const n = 30
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{RejectAuth: true}}}, func(o *Options) {
		for range n - 1 {
			o.Endpoints = append(o.Endpoints, o.Endpoints[0])
		}
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	untried := 0
	for i := range n {
		target := b.targets[0]
		target.Index = i
		wg.Go(func() {
			r := execOn(t.Context(), b.Client, target, "x")
			if r.Failure == nil || r.Failure.Op != fanout.OpLogin || !r.Failure.Final || r.Started {
				t.Errorf("got %+v, want a final failure of the login", r.Report)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(r.Failure.Message, "not tried") {
				untried++
			}
		})
	}
	wg.Wait()
	logins := len(b.fleet.Conns())
	if most := maxRefusals + maxLogins - 1; logins > most {
		t.Errorf("got %d logins, want at most %d", logins, most)
	}
	if got, want := untried, n-logins; got != want {
		t.Errorf("got %d targets that were not tried, want %d", got, want)
	}
}

func TestLoginsAtOnceAreLimited(t *testing.T) {
	const n = 3 * maxLogins
	var mu sync.Mutex
	var now, most int
	gate := make(chan struct{})
	var once sync.Once
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Stall: fleet.StepVersion, Struck: func() {
		mu.Lock()
		defer mu.Unlock()
		if now++; now > most {
			most = now
		}
		if now == maxLogins {
			once.Do(func() { close(gate) })
		}
	}}}}, func(o *Options) {
		for range n - 1 {
			o.Endpoints = append(o.Endpoints, o.Endpoints[0])
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	for i := range n {
		target := b.targets[0]
		target.Index = i
		wg.Go(func() { execOn(ctx, b.Client, target, "x").wantStopped(t) })
	}
	<-gate
	cancel(fanout.ErrSignal)
	wg.Wait()
	if most != maxLogins {
		t.Errorf("got %d logins under way at once, want %d", most, maxLogins)
	}
}

func (r *record) wantStopped(tb testing.TB) {
	tb.Helper()
	if r.Failure == nil || r.Failure.Op != fanout.OpCanceled || r.Started {
		tb.Errorf("got %+v, want canceled before the start", r.Report)
	}
}

func TestOffersOfKeysAreLimited(t *testing.T) {
	var paths []string
	for range 8 {
		_, path := userKey(t)
		paths = append(paths, path)
	}
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Endpoints[0].Identities = paths })
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if got := b.fleet.Conns()[0].Offers; got != maxOffers {
		t.Errorf("got %d offers, want %d", got, maxOffers)
	}
	for i, path := range paths {
		if got, want := strings.Contains(r.Failure.Message, path), i < maxOffers; got != want {
			t.Errorf("key %d: got named %v, want %v in %q", i, got, want, r.Failure.Message)
		}
	}
}

func TestWeakAlgorithmsAreRefused(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Crypto: gossh.Config{KeyExchanges: []string{gossh.InsecureKeyExchangeDH14SHA1}}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	for _, want := range []string{"diffie-hellman-group14-sha1", "curve25519-sha256"} {
		if !strings.Contains(r.Failure.Message, want) || !r.Failure.Final {
			t.Errorf("got %+v, want a final failure that lists %s", *r.Failure, want)
		}
	}
}

func TestBannerIsToldOnce(t *testing.T) {
	var mu sync.Mutex
	told := map[string]int{}
	b := newBench(t, []fleet.Host{
		{Name: "a", Faults: fleet.Faults{Banner: "one\x1b]0;x\a\ntwo\n"}},
		{Name: "b", Faults: fleet.Faults{Banner: "one\x1b]0;x\a\ntwo\n"}},
		{Name: "c", Faults: fleet.Faults{Banner: "three"}},
	}, func(o *Options) {
		o.Banner = func(_, text string) {
			mu.Lock()
			defer mu.Unlock()
			told[text]++
		}
	})
	for i := range b.targets {
		r := b.exec(t.Context(), i, "x")
		r.wantExit(t, fanout.Exit{})
		if got, want := r.stdout.String(), "x\n"; got != want {
			t.Errorf("got stdout %q, want %q", got, want)
		}
	}
	if len(told) != 2 || told["one^[]0;x^G\ntwo"] != 1 || told["three"] != 1 {
		t.Errorf("got banners %v, want each text once, with nothing to obey", told)
	}
}

// TestNotSSH: a server that talks something else ends the login at once.
func TestNotSSH(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-1.5-old\r\n")
			_ = c.Close()
		}
	}()
	_, path := userKey(t)
	c := newClient(t, Options{Endpoints: []Endpoint{{
		Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "tester", Identities: []string{path},
	}}})
	r := execOn(t.Context(), c, fanout.Target{Limits: fanout.Limits{ConnectTimeout: patience}}, "x")
	r.wantOp(t, fanout.OpLogin, false)
}

// TestMessagesFold: hosts with the same trouble say so in the same words, or
// reports could not fold them.
func TestMessagesFold(t *testing.T) {
	hosts := map[string]fleet.Host{
		"no one listens": {Down: true},
		"key refused":    {Faults: fleet.Faults{RejectAuth: true}},
		"stalls":         {Faults: fleet.Faults{Stall: fleet.StepKexInit}},
		"breaks off":     {Faults: fleet.Faults{Cut: &fleet.Cut{After: 100, How: fleet.Reset}}},
	}
	for name, h := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, other := h, h
			one.Name, other.Name = "one", "other"
			b := newBench(t, []fleet.Host{one, other}, nil)
			var said []string
			for i := range b.targets {
				b.targets[i].Limits.ConnectTimeout = time.Second
				r := b.exec(t.Context(), i, "x")
				if r.Failure == nil || r.Started {
					t.Fatalf("got %+v, want a failure before the start", r.Report)
				}
				said = append(said, r.Failure.Message)
			}
			if said[0] != said[1] || said[0] == "" {
				t.Errorf("got %q and %q, want the same words", said[0], said[1])
			}
		})
	}
}
