package ssh

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// patience bounds what must happen at some time; no test waits for it to pass.
const patience = time.Minute

// A bench is a fleet and a client that may log in to it.
type bench struct {
	*Client
	fleet   *fleet.Fleet
	opts    Options
	targets []fanout.Target
}

// userKey returns a key and the file that holds it.
func userKey(tb testing.TB) (fleet.Key, string) {
	tb.Helper()
	k := fleet.NewKey()
	path := filepath.Join(tb.TempDir(), "id_ed25519")
	if err := k.WriteFile(path, ""); err != nil {
		tb.Fatal(err)
	}
	return k, path
}

// newBench starts hosts and a client for them; change may alter its options.
func newBench(tb testing.TB, hosts []fleet.Host, change func(*Options)) *bench {
	tb.Helper()
	k, path := userKey(tb)
	f, err := fleet.Start(fleet.Options{
		Hosts:      hosts,
		Authorized: []gossh.PublicKey{k.PublicKey()},
		Exec:       fleet.Canned(answer),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	known := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(known, f.KnownHosts(), 0o600); err != nil {
		tb.Fatal(err)
	}
	b := &bench{fleet: f}
	b.opts = Options{KnownHosts: []string{known}, KillAfter: 50 * time.Millisecond, Drain: patience}
	for i, h := range hosts {
		address, port := f.Endpoint(h.Name)
		b.opts.Endpoints = append(b.opts.Endpoints, Endpoint{
			Address: address, Port: port, User: "tester", Identities: []string{path}, IdentitiesOnly: true,
		})
		b.targets = append(b.targets, fanout.Target{
			Index: i, Name: h.Name, Limits: fanout.Limits{ConnectTimeout: patience},
		})
	}
	if change != nil {
		change(&b.opts)
	}
	b.Client = newClient(tb, b.opts)
	return b
}

func newClient(tb testing.TB, opts Options) *Client {
	tb.Helper()
	c, err := New(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// answer is what canned hosts say: the command on stdout and the host's name
// on stderr; "exit N" ends with N.
func answer(host, command string) ([]byte, []byte, uint32) {
	var code uint32
	if rest, ok := strings.CutPrefix(command, "exit "); ok {
		for _, d := range rest {
			code = code*10 + uint32(d-'0')
		}
	}
	return []byte(command + "\n"), []byte(host + "\n"), code
}

// A record is an attempt as its caller saw it.
type record struct {
	fanout.Report
	stdout, stderr sink
	starts         int
	address        string
}

// A sink is a buffer that is safe to read while it is written to.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// exec runs command on target i.
func (b *bench) exec(ctx context.Context, i int, command string) *record {
	return execOn(ctx, b.Client, b.targets[i], command)
}

func execOn(ctx context.Context, c *Client, t fanout.Target, command string) *record {
	task := fanout.Task{Action: fanout.Ping{}}
	if command != "" {
		task.Action = fanout.Command(command)
	}
	return taskOn(ctx, c, t, task)
}

// task carries a task out on target i.
func (b *bench) task(ctx context.Context, i int, task fanout.Task) *record {
	return taskOn(ctx, b.Client, b.targets[i], task)
}

func taskOn(ctx context.Context, c *Client, t fanout.Target, task fanout.Task) *record {
	r := &record{}
	a := fanout.Attempt{N: 1, Target: t, Starting: func(_ context.Context, address string) error {
		r.starts++
		r.address = address
		return nil
	}}
	r.Report = c.Exec(ctx, a, task, &r.stdout, &r.stderr)
	return r
}

// wantOp checks that the attempt failed at op.
func (r *record) wantOp(tb testing.TB, op fanout.Op, started bool) {
	tb.Helper()
	if r.Failure == nil {
		tb.Fatalf("got exit %+v and no failure, want op %s", r.Exit, op)
	}
	if r.Failure.Op != op || r.Started != started || r.Exit != nil {
		tb.Fatalf("got op %s, started %v, exit %+v (%s), want op %s, started %v, no exit",
			r.Failure.Op, r.Started, r.Exit, r.Failure.Message, op, started)
	}
	if want := 1; started && r.starts != want {
		tb.Errorf("got Starting called %d times, want %d", r.starts, want)
	}
}

// wantExit checks that the command ran to its end.
func (r *record) wantExit(tb testing.TB, want fanout.Exit) {
	tb.Helper()
	if r.Failure != nil {
		tb.Fatalf("got failure %+v, want exit %+v", *r.Failure, want)
	}
	if r.Exit == nil || *r.Exit != want || !r.Started || r.starts != 1 {
		tb.Fatalf("got exit %+v, started %v, %d starts, want exit %+v, started, 1 start", r.Exit, r.Started, r.starts, want)
	}
}

// forget ends the connection that target i holds, so that it dials again.
func (b *bench) forget(i int) {
	b.mu.Lock()
	n := b.held[i]
	b.mu.Unlock()
	if n != nil {
		b.drop(b.targets[i], n)
	}
}

// eventually waits until ok, which must come true.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: still not so after %v", what, patience)
		}
	}
}
