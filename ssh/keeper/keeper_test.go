package keeper

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/ssh"
)

// patience bounds what must happen at some time; no test waits for it to pass.
const patience = time.Minute

// A bench is a fleet, a keeper in this process, and what a caller needs for both.
type bench struct {
	fleet   *fleet.Fleet
	dir     string
	opts    ssh.Options
	targets []fanout.Target
	ended   chan struct{} // closed when the keeper has ended
}

// newBench starts hosts that answer as answer says, and a keeper; change may alter the
// options of clients.
func newBench(tb testing.TB, hosts []fleet.Host, change func(*ssh.Options)) *bench {
	tb.Helper()
	b := newFleet(tb, hosts, change)
	b.startKeeper(tb)
	return b
}

func newFleet(tb testing.TB, hosts []fleet.Host, change func(*ssh.Options)) *bench {
	tb.Helper()
	k := fleet.NewKey()
	path := filepath.Join(tb.TempDir(), "id_ed25519")
	if err := k.WriteFile(path, ""); err != nil {
		tb.Fatal(err)
	}
	f, err := fleet.Start(fleet.Options{Hosts: hosts, Authorized: []gossh.PublicKey{k.PublicKey()}, Exec: fleet.Canned(answer)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	known := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(known, f.KnownHosts(), 0o600); err != nil {
		tb.Fatal(err)
	}
	b := &bench{fleet: f, dir: privateDir(tb), ended: make(chan struct{})}
	b.opts = ssh.Options{KnownHosts: []string{known}, KillAfter: 50 * time.Millisecond, Drain: patience}
	for i, h := range hosts {
		address, port := f.Endpoint(h.Name)
		b.opts.Endpoints = append(b.opts.Endpoints, ssh.Endpoint{
			Address: address, Port: port, User: "tester", Identities: []string{path}, IdentitiesOnly: true, Persist: time.Hour,
		})
		b.targets = append(b.targets, fanout.Target{Index: i, Name: h.Name, Limits: fanout.Limits{ConnectTimeout: patience}})
	}
	if change != nil {
		change(&b.opts)
	}
	return b
}

// privateDir is a directory whose path is short enough for a socket.
func privateDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "keeper") //nolint:usetesting // whose path is too long on some systems
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startKeeper starts a keeper, which ends with the test and not before, however slow the
// machine is.
func (b *bench) startKeeper(tb testing.TB) {
	tb.Helper()
	l, err := listen(b.dir)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan struct{})
	b.ended = ended
	go func() {
		defer close(ended)
		if err := serve(ctx, l, b.dir, "v", time.Hour); err != nil {
			tb.Error(err)
		}
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
	})
}

// answer is what canned hosts say: the command on stdout and the host's name on stderr;
// "exit N" ends with N.
func answer(host, command string) ([]byte, []byte, uint32) {
	var code uint32
	if len(command) == len("exit N") && command[:5] == "exit " {
		code = uint32(command[5] - '0')
	}
	return []byte(command + "\n"), []byte(host + "\n"), code
}

// client is a new client for all targets.
func (b *bench) client(tb testing.TB) *ssh.Client {
	tb.Helper()
	c, err := ssh.New(tb.Context(), b.opts)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// dial is a new caller.
func (b *bench) dial(tb testing.TB) *Executor {
	tb.Helper()
	c := b.client(tb)
	e, err := Dial(tb.Context(), c, b.indexes(), b.options())
	if err != nil {
		_ = c.Close()
		tb.Fatal(err)
	}
	return e
}

func (b *bench) indexes() []int {
	all := make([]int, len(b.targets))
	for i := range all {
		all[i] = i
	}
	return all
}

func (b *bench) options() Options {
	return Options{Directory: b.dir, Version: "v", KnownHosts: b.opts.KnownHosts, KillAfter: b.opts.KillAfter, Drain: b.opts.Drain, patience: patience}
}

// An executor is a client or an Executor.
type executor interface {
	fanout.Executor
	Close() error
}

// A record is an attempt as its caller saw it.
type record struct {
	fanout.Report
	stdout, stderr sink
	starts         int
	address        string
}

// execOn runs a command on target i by e.
func (b *bench) execOn(ctx context.Context, e executor, i int, task fanout.Task) *record {
	r := &record{}
	a := fanout.Attempt{RunID: 7, N: 1, Target: b.targets[i], Starting: func(_ context.Context, address string) error {
		r.starts++
		r.address = address
		return nil
	}}
	r.Report = e.Exec(ctx, a, task, &r.stdout, &r.stderr)
	return r
}

// round runs one task on target i with a caller of its own.
func (b *bench) round(tb testing.TB, i int, command string) *record {
	tb.Helper()
	e := b.dial(tb)
	r := b.execOn(tb.Context(), e, i, taskOf(command))
	for _, t := range b.targets {
		e.Release(t)
	}
	if err := e.Close(); err != nil {
		tb.Error(err)
	}
	return r
}

func taskOf(command string) fanout.Task {
	if command == "" {
		return fanout.Task{Action: fanout.Ping{}}
	}
	return fanout.Task{Action: fanout.Command(command)}
}

// A sink is a buffer that is safe to read while it is written to.
type sink struct {
	lost bool // nothing is kept

	mu  sync.Mutex
	buf []byte
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lost {
		s.buf = append(s.buf, p...)
	}
	return len(p), nil
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.buf)
}

// logins is how many connections there were to a host, and how many stand.
func (b *bench) logins(host string) (all, standing int) {
	for _, c := range b.fleet.Conns() {
		if c.Host == host {
			all++
			if c.Closed.IsZero() {
				standing++
			}
		}
	}
	return all, standing
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

func TestSecondCommandTakesOver(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	first, second := b.round(t, 0, "x"), b.round(t, 0, "exit 7")
	for i, r := range []*record{first, second} {
		if r.Failure != nil || r.Exit == nil || r.Exit.Code != uint32(7*i) || !r.OutputComplete || r.starts != 1 || r.address != r.Address {
			t.Errorf("command %d: got %+v after %d starts at %q", i+1, r.Report, r.starts, r.address)
		}
	}
	if got := second.stdout.String() + second.stderr.String(); got != "exit 7\nh\n" {
		t.Errorf("got output %q, want that of the host", got)
	}
	if first.Login <= 0 || second.Login != 0 || second.Dial != 0 {
		t.Errorf("got logins of %v and %v, want only the first", first.Login, second.Login)
	}
	if all, standing := b.logins("h"); all != 1 || standing != 1 {
		t.Errorf("got %d logins, %d of them stand, want one that does", all, standing)
	}
	state, err := List(t.Context(), b.dir)
	if err != nil || len(state.Idle) != 1 || state.Running != 0 || state.Process != os.Getpid() {
		t.Fatalf("got state %+v, %v, want one idle connection of this process", state, err)
	}
	if c := state.Idle[0]; c.User != "tester" || c.Port != b.opts.Endpoints[0].Port || c.Until.Sub(c.Since) != time.Hour {
		t.Errorf("got connection %+v", c)
	}
}

func TestPersistIsSinceTheLastUse(t *testing.T) {
	b := newFleet(t, []fleet.Host{{Name: "h"}}, func(o *ssh.Options) { o.Endpoints[0].Persist = 20 * time.Millisecond })
	e := b.dialStarted(t)
	b.execOn(t.Context(), e, 0, taskOf("x"))
	e.Release(b.targets[0])
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the connection has ended", func() bool { _, standing := b.logins("h"); return standing == 0 })
	eventually(t, "a keeper that holds nothing has ended", func() bool {
		_, err := List(t.Context(), b.dir)
		return errors.Is(err, ErrNone)
	})
	if _, err := os.Lstat(filepath.Join(b.dir, socketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no socket", err)
	}
}

// TestDifferentLoginsShareNothing: a connection is taken over only where a login would
// be the same; how long it stays does not matter.
func TestDifferentLoginsShareNothing(t *testing.T) {
	other := fleet.NewKey()
	tests := []struct {
		name   string
		change func(*testing.T, *ssh.Options)
		logins int
	}{
		{"nothing", func(*testing.T, *ssh.Options) {}, 1},
		{"persist", func(_ *testing.T, o *ssh.Options) { o.Endpoints[0].Persist = time.Minute }, 1},
		{"user", func(_ *testing.T, o *ssh.Options) { o.Endpoints[0].User = "another" }, 2},
		{"ciphers", func(_ *testing.T, o *ssh.Options) { o.Endpoints[0].Ciphers = "aes256-ctr" }, 2},
		{"key in the same file", func(t *testing.T, o *ssh.Options) {
			if err := errors.Join(os.Remove(o.Endpoints[0].Identities[0]), other.WriteFile(o.Endpoints[0].Identities[0], "")); err != nil {
				t.Fatal(err)
			}
		}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
			b.round(t, 0, "x")
			tt.change(t, &b.opts)
			b.round(t, 0, "x") // with a key of its own it is refused
			if got, _ := b.logins("h"); got != tt.logins {
				t.Errorf("got %d logins, want %d", got, tt.logins)
			}
		})
	}
}

func TestHostKeyIsJudgedAgain(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	b.round(t, 0, "x")
	known, err := os.ReadFile(b.opts.KnownHosts[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.opts.KnownHosts[0], append(append(known, "@revoked "...), known...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := b.round(t, 0, "x")
	if r.Failure == nil || r.Failure.Op != fanout.OpHostKey || r.Started || r.Failure.Cause != ssh.CauseKeyRevoked {
		t.Errorf("got %+v, want a revoked host key", r.Report)
	}
	if state, err := List(t.Context(), b.dir); err != nil || len(state.Idle) != 0 {
		t.Errorf("got %+v, %v, want no connection", state, err)
	}
}

func TestStopEndsConnections(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "a"}, {Name: "b"}}, nil)
	for i := range b.targets {
		b.round(t, i, "x")
	}
	e := b.opts.Endpoints[0]
	ended, left, err := Stop(t.Context(), b.dir, []Place{{e.Address, e.Port}})
	if err != nil || ended != 1 || len(left.Idle) != 1 || left.Idle[0].Address != b.opts.Endpoints[1].Address {
		t.Fatalf("got %d ended, %+v left, %v, want that of a ended", ended, left, err)
	}
	if ended, left, err = Stop(t.Context(), b.dir, nil); err != nil || ended != 1 || len(left.Idle) != 0 {
		t.Errorf("got %d ended, %+v left, %v, want all ended", ended, left, err)
	}
	<-b.ended
	if _, _, err := Stop(t.Context(), b.dir, nil); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want no keeper", err)
	}
}

func TestOtherVersionIsNotUsed(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	c := b.client(t)
	defer func() { _ = c.Close() }()
	opts := b.options()
	opts.Version = "w"
	if _, err := Dial(t.Context(), c, b.indexes(), opts); !errors.As(err, new(*OtherVersionError)) {
		t.Errorf("got %v, want an OtherVersionError", err)
	}
}
