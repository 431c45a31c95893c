package fleet

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// await waits for a channel to be closed or to deliver.
func await[T any](tb testing.TB, what string, ch <-chan T) T {
	tb.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		tb.Fatalf("%s: not within %v", what, patience)
		panic("not reached")
	}
}

// tap counts what arrives at a client. The library cannot close it: what the
// client no longer wants to read has arrived all the same.
type tap struct {
	net.Conn
	mu   sync.Mutex // guards what follows
	read int64
}

func (t *tap) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.Conn.Read(p)
	t.read += int64(n)
	return n, err
}

func (t *tap) Close() error { return nil }

// total reads to the end and returns how many bytes arrived in all.
func (t *tap) total() int64 {
	_, _ = io.Copy(io.Discard, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read
}

// talk is a session channel as the wire has it.
type talk struct {
	tb testing.TB
	gossh.Channel
	requests <-chan *gossh.Request
}

func (b *bench) talk(client *gossh.Client) *talk {
	b.tb.Helper()
	ch, reqs, err := client.OpenChannel("session", nil)
	if err != nil {
		b.tb.Fatalf("open session: %v", err)
	}
	return &talk{tb: b.tb, Channel: ch, requests: reqs}
}

// exec asks for a command and returns the answer.
func (t *talk) exec(command string) bool {
	t.tb.Helper()
	ok, err := t.SendRequest("exec", true, gossh.Marshal(struct{ Command string }{command}))
	if err != nil {
		t.tb.Fatalf("exec: %v", err)
	}
	return ok
}

func (t *talk) signal(name string) bool {
	t.tb.Helper()
	ok, err := t.SendRequest("signal", true, gossh.Marshal(struct{ Name string }{name}))
	if err != nil {
		t.tb.Fatalf("signal %s: %v", name, err)
	}
	return ok
}

// end waits for the message about the end.
func (t *talk) end() (kind string, payload []byte) {
	t.tb.Helper()
	r := await(t.tb, "exit message", t.requests)
	if r == nil {
		return "", nil
	}
	return r.Type, r.Payload
}

// all reads both streams to their end.
func (t *talk) all() (stdout, stderr string) {
	t.tb.Helper()
	var out, errs []byte
	var wg sync.WaitGroup
	wg.Go(func() { out, _ = io.ReadAll(t) })
	wg.Go(func() { errs, _ = io.ReadAll(t.Stderr()) })
	wg.Wait()
	return string(out), string(errs)
}

func TestRefuse(t *testing.T) {
	b := one(t, Host{Faults: Faults{Refuse: true}})
	nc, err := net.Dial("tcp", b.address("a"))
	if err == nil { // the reset may also come while connecting
		defer func() { _ = nc.Close() }()
		_, err = nc.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestDown(t *testing.T) {
	for _, separate := range []bool{false, true} {
		b := start(t, Options{separate: separate, Exec: echo, Hosts: []Host{{Name: "up"}, {Name: "down", Down: true}}})
		if _, err := net.Dial("tcp", b.address("down")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("separate %v: got %v, want %v", separate, err, syscall.ECONNREFUSED)
		}
		if got := b.run("up", "x").stdout; got != "up: x\n" {
			t.Errorf("separate %v: got %q from the host that is up", separate, got)
		}
	}
}

func TestThrottle(t *testing.T) {
	b := one(t, Host{Faults: Faults{Throttle: "Exceeded MaxStartups\r\n", ThrottleFirst: 2}})
	for i := range 2 {
		got, err := io.ReadAll(b.tcp("a"))
		if string(got) != "Exceeded MaxStartups\r\n" || err != nil {
			t.Errorf("connection %d: got %q, %v", i+1, got, err)
		}
	}
	if got := b.run("a", "x"); got.stdout != "a: x\n" {
		t.Errorf("third connection: got %q, %v", got.stdout, got.err)
	}
	b.SetFaults("a", Faults{Throttle: "Not allowed at this time\r\n"})
	if got, _ := io.ReadAll(b.tcp("a")); string(got) != "Not allowed at this time\r\n" {
		t.Errorf("after SetFaults: got %q", got)
	}
}

func TestMaxStartups(t *testing.T) {
	struck := make(chan struct{}, 1)
	b := one(t, Host{Faults: Faults{
		MaxStartups: 1, Throttle: "Exceeded MaxStartups\r\n",
		Stall: StepVersion, Struck: func() { struck <- struct{}{} },
	}})
	first := b.tcp("a")
	await(t, "first connection", struck)
	if got, _ := io.ReadAll(b.tcp("a")); string(got) != "Exceeded MaxStartups\r\n" {
		t.Errorf("second connection: got %q", got)
	}
	b.SetFaults("a", Faults{MaxStartups: 1})
	_ = first.Close()
	settle(t, "connections", 0, b.standing)
	for i := range 3 {
		if got := b.run("a", "x").stdout; got != "a: x\n" {
			t.Errorf("login %d: got %q", i, got)
		}
	}
}

// standing is how many connections the fleet has.
func (b *bench) standing() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

func TestAlgorithms(t *testing.T) {
	b := one(t, Host{Crypto: gossh.Config{KeyExchanges: []string{gossh.InsecureKeyExchangeDH14SHA1}}})
	cfg := b.config()
	cfg.KeyExchanges = gossh.SupportedAlgorithms().KeyExchanges
	_, err := b.handshake(b.tcp("a"), cfg)
	if _, ok := errors.AsType[*gossh.AlgorithmNegotiationError](err); !ok {
		t.Errorf("got %v, want no algorithm in common", err)
	}
}

func TestHostCertificate(t *testing.T) {
	ca, key := NewKey(), NewKey()
	cert := &gossh.Certificate{
		Key: key.PublicKey(), CertType: gossh.HostCert,
		ValidPrincipals: []string{"127.7.7.7"}, ValidBefore: gossh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	b := one(t, Host{Addr: "127.7.7.7", HostKey: signer})
	if got := b.run("a", "x").stdout; got != "a: x\n" {
		t.Errorf("got %q", got)
	}
}

func TestHostKeyTypes(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	more, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	b := one(t, Host{MoreHostKeys: []gossh.Signer{more}})
	for _, kind := range []string{gossh.KeyAlgoED25519, gossh.KeyAlgoECDSA256} {
		cfg := b.config()
		cfg.HostKeyAlgorithms = []string{kind}
		if _, err := b.handshake(b.tcp("a"), cfg); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestStallsAtEveryStepOfALogin(t *testing.T) {
	version := int64(len(serverVersion) + len("\r\n"))
	tests := []struct {
		name     string
		step     Step
		min, max int64 // bytes the server may have written
		offers   int
	}{
		{name: "accept", step: StepAccept},
		{name: "half version", step: StepHalfVersion, min: version / 2, max: version / 2},
		{name: "version", step: StepVersion, min: version, max: version},
		{name: "kexinit", step: StepKexInit, min: version + 300, max: version + 3000},
		{name: "service", step: StepService, min: version + 500, max: version + 5000},
		{name: "auth", step: StepAuth, min: version + 500, max: version + 5000, offers: 1},
		{name: "sign", step: StepSign, min: version + 500, max: version + 5000, offers: 1},
	}
	last := int64(-1)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			struck := make(chan struct{}, 1)
			b := one(t, Host{Faults: Faults{Stall: test.step, Struck: func() { struck <- struct{}{} }}})
			nc := b.tcp("a")
			failed := make(chan error, 1)
			cfg := b.config()
			go func() {
				_, err := b.handshake(nc, cfg)
				failed <- err
			}()
			await(t, "stall", struck)
			_ = nc.SetDeadline(time.Unix(1, 0)) // the client gives up
			// The library closes the connection at the first error; which of its
			// goroutines tells, the one that read or the one that wrote, is chance.
			if err := await(t, "handshake", failed); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want %v or %v", err, os.ErrDeadlineExceeded, net.ErrClosed)
			}
			record := b.Conns()[0]
			if record.Written < test.min || record.Written > test.max || record.Written <= last {
				t.Errorf("got %d bytes written, want %d to %d and more than %d", record.Written, test.min, test.max, last)
			}
			last = record.Written
			_ = nc.Close()
			settle(t, "connections", 0, b.standing)
			if record.Offers != test.offers || record.User != "" {
				t.Errorf("got %d offers and user %q, want %d and no user", record.Offers, record.User, test.offers)
			}
		})
	}
}

func TestStallOpen(t *testing.T) {
	struck := make(chan struct{}, 1)
	b := one(t, Host{Faults: Faults{Stall: StepOpen, Struck: func() { struck <- struct{}{} }}})
	client := b.mustDial("a")
	failed := make(chan error, 1)
	go func() {
		_, _, err := client.OpenChannel("session", nil)
		failed <- err
	}()
	await(t, "stall", struck)
	if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("keepalive: got %v, want an answer", err)
	}
	select {
	case err := <-failed:
		t.Errorf("open: got %v, want no answer", err)
	default:
	}
	_ = client.Close()
	if err := await(t, "open", failed); err == nil {
		t.Error("open: got nil after the connection closed")
	}
}

func TestStallExec(t *testing.T) {
	struck := make(chan struct{}, 1)
	b := one(t, Host{Faults: Faults{Stall: StepExec, Struck: func() { struck <- struct{}{} }}})
	client := b.mustDial("a")
	ch := b.talk(client)
	failed := make(chan error, 1)
	go func() {
		_, err := ch.SendRequest("exec", true, gossh.Marshal(struct{ Command string }{"x"}))
		failed <- err
	}()
	await(t, "stall", struck)
	_ = client.Close()
	if err := await(t, "exec", failed); err == nil {
		t.Error("exec: got an answer, want none")
	}
	if r := b.Log()[0]; r.Command != "x" || !r.Started.IsZero() {
		t.Errorf("got command %q started at %v, want x and never", r.Command, r.Started)
	}
}

func TestRejectAuth(t *testing.T) {
	b := one(t, Host{Faults: Faults{RejectAuth: true}})
	if _, err := b.dial("a"); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("got %v, want a refused login", err)
	}
	if got := b.Conns()[0]; got.Offers != 1 || got.User != "" {
		t.Errorf("got %d offers and user %q, want 1 and no user", got.Offers, got.User)
	}
}

func TestWrongHostKey(t *testing.T) {
	b := one(t, Host{Faults: Faults{WrongHostKey: true}})
	_, err := b.dial("a")
	if mismatch, ok := errors.AsType[*knownhosts.KeyError](err); !ok || len(mismatch.Want) != 1 {
		t.Errorf("got %v, want a host key that is not the known one", err)
	}
}

func TestBannerAndPreamble(t *testing.T) {
	const text = "no \x1b[31mtrespassing\n"
	want := text + strings.Repeat("!", 1<<20)
	b := one(t, Host{Faults: Faults{Banner: want, Preamble: "hello\r\n"}})
	if line, err := bufio.NewReader(b.tcp("a")).ReadString('\n'); line != "hello\r\n" {
		t.Errorf("first line: got %q, %v", line, err)
	}
	cfg := b.config()
	var banner string
	cfg.BannerCallback = func(text string) error { banner += text; return nil }
	if _, err := b.handshake(b.tcp("a"), cfg); err != nil {
		t.Fatal(err)
	}
	if banner != want {
		t.Errorf("got %d bytes beginning with %.30q, want %d with %.30q", len(banner), banner, len(want), want)
	}
}

func TestLatency(t *testing.T) {
	b := start(t, Options{
		Latency: 4 * time.Millisecond,
		Exec:    Canned(func(string, string) ([]byte, []byte, uint32) { return flooding, nil, 0 }),
		Hosts:   []Host{{Name: "a", Faults: Faults{Jitter: 3 * time.Millisecond, PacketSize: 1000}}},
	})
	if got := b.run("a", "x"); got.stdout != string(flooding) || got.err != nil {
		t.Errorf("got %d bytes and %v, want all %d in order", len(got.stdout), got.err, len(flooding))
	}
	b.SetFaults("a", Faults{Cut: &Cut{After: 100, How: Finish}})
	nc := b.tcp("a")
	_, _ = nc.Write([]byte("SSH-2.0-test\r\n"))
	if got, err := io.ReadAll(nc); len(got) != 100 || err != nil {
		t.Errorf("cut: got %d bytes and %v, want 100", len(got), err)
	}
}

func TestJitter(t *testing.T) {
	b := one(t, Host{Faults: Faults{Jitter: time.Millisecond}})
	b.mustDial("a")
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		if c.wire.delay == nil || c.wire.delay.out.jitter != time.Millisecond {
			t.Errorf("got %+v, want a delay with jitter", c.wire.delay)
		}
	}
}

func TestAcceptDelay(t *testing.T) {
	b := one(t, Host{Faults: Faults{AcceptDelay: Forever}})
	nc := b.tcp("a")
	settle(t, "connections to come", 0, func() int { return 1 - b.standing() })
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got, _ := io.ReadAll(nc); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestRekey(t *testing.T) {
	b := one(t, Host{
		Crypto: gossh.Config{RekeyThreshold: 64 << 10},
		Faults: Faults{Flood: 4 << 20},
	})
	if got := b.run("a", "x"); len(got.stdout) != len("a: x\n")+4<<20 || status(got.err) != 3 {
		t.Errorf("got %d bytes and %v", len(got.stdout), got.err)
	}
}
