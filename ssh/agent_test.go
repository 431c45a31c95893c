package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// A fakeAgent is an agent whose answers can be tampered with.
type fakeAgent struct {
	agent.Agent
	socket string
	conns  atomic.Int32
	signs  atomic.Int32
	onSign func(data []byte) error // before each signature
}

// Sign counts, and fails where the test says so.
func (a *fakeAgent) Sign(key gossh.PublicKey, data []byte) (*gossh.Signature, error) {
	if a.signs.Add(1); a.onSign != nil {
		if err := a.onSign(data); err != nil {
			return nil, err
		}
	}
	return a.Agent.Sign(key, data)
}

// newAgent serves an agent with n new keys and returns their public halves.
func newAgent(tb testing.TB, n int) (*fakeAgent, []gossh.PublicKey) {
	tb.Helper()
	dir, err := os.MkdirTemp("", "agent") //nolint:usetesting // a socket's path must be short
	if err != nil {
		tb.Fatal(err)
	}
	a := &fakeAgent{Agent: agent.NewKeyring(), socket: filepath.Join(dir, "s")}
	var public []gossh.PublicKey
	for i := range n {
		pub, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		if err := a.Add(agent.AddedKey{PrivateKey: private, Comment: fmt.Sprintf("key%d", i)}); err != nil {
			tb.Fatal(err)
		}
		p, err := gossh.NewPublicKey(pub)
		if err != nil {
			tb.Fatal(err)
		}
		public = append(public, p)
	}
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	tb.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
		_ = os.RemoveAll(dir)
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.conns.Add(1)
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				_ = agent.ServeAgent(a, c) // ends with the connection
			})
		}
	})
	return a, public
}

// agentBench is a bench whose hosts let public in, and whose client has only
// the agent's keys.
func agentBench(tb testing.TB, hosts int, a *fakeAgent, public gossh.PublicKey) *bench {
	tb.Helper()
	var list []fleet.Host
	for i := range hosts {
		list = append(list, fleet.Host{Name: fmt.Sprintf("h%d", i)})
	}
	f, err := fleet.Start(fleet.Options{Hosts: list, Authorized: []gossh.PublicKey{public}, Exec: fleet.Canned(answer)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	b := &bench{fleet: f, opts: Options{AgentSocket: a.socket}}
	for i, h := range list {
		address, port := f.Endpoint(h.Name)
		b.opts.Endpoints = append(b.opts.Endpoints, Endpoint{Address: address, Port: port, User: "u", HostKeys: hostkeys.Off})
		b.targets = append(b.targets, fanout.Target{Index: i, Name: h.Name, Limits: fanout.Limits{ConnectTimeout: patience}})
	}
	b.Client = newClient(tb, b.opts)
	return b
}

func TestAgentServesManyHosts(t *testing.T) {
	const hosts = 30
	a, public := newAgent(t, 2)
	var seen sync.Map
	a.onSign = func(data []byte) error { // once for each login
		if _, again := seen.LoadOrStore(string(data), true); !again {
			return errors.New("busy")
		}
		return nil
	}
	b := agentBench(t, hosts, a, public[1])
	var wg sync.WaitGroup
	for i := range hosts {
		wg.Go(func() {
			if r := b.exec(t.Context(), i, "x"); r.Failure != nil {
				t.Errorf("host %d: got %+v, want success: a refusal is tried again", i, *r.Failure)
			}
		})
	}
	wg.Wait()
}

func TestAgentRefusalNamesTheKey(t *testing.T) {
	a, public := newAgent(t, 1)
	a.onSign = func([]byte) error { return errors.New("never") }
	b := agentBench(t, 1, a, public[0])
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if !r.Failure.Final || !strings.Contains(r.Failure.Message, "could not sign") || !strings.Contains(r.Failure.Message, "key0") {
		t.Errorf("got %+v, want a final failure that names the key that could not sign", *r.Failure)
	}
	if got, want := a.signs.Load(), int32(2); got != want {
		t.Errorf("got %d requests, want %d", got, want)
	}
}

// TestNextKeyIsTriedWhenOneCannotSign: when a key cannot sign, the next one is tried.
func TestNextKeyIsTriedWhenOneCannotSign(t *testing.T) {
	a, public := newAgent(t, 1)
	a.onSign = func([]byte) error { return errors.New("never") }
	b := agentBench(t, 1, a, public[0])
	spare, path := userKey(t)
	f, err := fleet.Start(fleet.Options{
		Hosts:      []fleet.Host{{Name: "h"}},
		Authorized: []gossh.PublicKey{public[0], spare.PublicKey()}, Exec: fleet.Canned(answer),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	opts := b.opts
	address, port := f.Endpoint("h")
	pub := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(pub, gossh.MarshalAuthorizedKey(public[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	opts.Endpoints = []Endpoint{{Address: address, Port: port, User: "u", HostKeys: hostkeys.Off, Identities: []string{pub, path}}}
	execOn(t.Context(), newClient(t, opts), b.targets[0], "x").wantExit(t, fanout.Exit{})
}

// TestStopDoesNotWaitForAgent: the end of the run does not wait for the agent.
func TestStopDoesNotWaitForAgent(t *testing.T) {
	a, public := newAgent(t, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	let := make(chan struct{})
	t.Cleanup(func() { close(let) })
	a.onSign = func([]byte) error {
		cancel(fanout.ErrSignal)
		<-let
		return io.ErrUnexpectedEOF
	}
	b := agentBench(t, 1, a, public[0])
	b.exec(ctx, 0, "x").wantOp(t, fanout.OpCanceled, false)
}

func TestAgentConnectionsAreFew(t *testing.T) {
	a, public := newAgent(t, 1)
	b := agentBench(t, 12, a, public[0])
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() { _ = b.exec(t.Context(), i, "x") })
	}
	wg.Wait()
	if got := a.conns.Load(); got > agentConns {
		t.Errorf("got %d connections to the agent, want at most %d", got, agentConns)
	}
}

// TestAgentHoldsEncryptedKey: a locked file whose key the agent holds needs no
// passphrase.
func TestAgentHoldsEncryptedKey(t *testing.T) {
	a, public := newAgent(t, 1)
	pub := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(pub, gossh.MarshalAuthorizedKey(public[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{AgentSocket: a.socket, Endpoints: []Endpoint{{
		Address: "h", User: "u", Identities: []string{pub}, IdentitiesOnly: true,
	}}})
	if got := len(c.endpoints[0].keys); got != 1 {
		t.Fatalf("got %d keys, want the agent's one", got)
	}
	if got, want := c.endpoints[0].keys[0].name, pub; got != want {
		t.Errorf("got key name %q, want the file's %q", got, want)
	}
}

func TestAgentMissing(t *testing.T) {
	var warnings []string
	_, path := userKey(t)
	c := newClient(t, Options{
		AgentSocket: filepath.Join(t.TempDir(), "none"),
		Endpoints:   []Endpoint{{Address: "h", User: "u", Identities: []string{path}}},
		Warn:        func(w string) { warnings = append(warnings, w) },
	})
	if len(warnings) != 1 || len(c.endpoints[0].keys) != 1 {
		t.Errorf("got warnings %q and %d keys, want one of each", warnings, len(c.endpoints[0].keys))
	}
}
