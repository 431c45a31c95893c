package ssh

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// poolBench is a bench whose connections outlive its clients, at most so many.
func poolBench(tb testing.TB, hosts []fleet.Host, most int, change func(*Options)) *bench {
	tb.Helper()
	k := NewIdlePool(time.Hour, most)
	k.probeTime = patience
	b := newBench(tb, hosts, func(o *Options) {
		o.IdlePool = k
		if change != nil {
			change(o)
		}
	})
	keepUntilEnd(tb, k)
	_ = b.Close() // each round has a client of its own
	return b
}

// keepUntilEnd closes k with the test, after the clients that it is made for
// from now on.
func keepUntilEnd(tb testing.TB, k *IdlePool) {
	tb.Helper()
	tb.Cleanup(func() {
		if err := k.Close(); err != nil {
			tb.Error(err)
		}
	})
}

// round runs a command on target i with a client of its own, and no other.
func round(tb testing.TB, b *bench, opts Options, i int, command string) *record {
	tb.Helper()
	c, err := New(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	r := execOn(tb.Context(), c, b.targets[i], command)
	for _, t := range b.targets {
		c.Release(t)
	}
	if err := c.Close(); err != nil {
		tb.Error(err)
	}
	return r
}

func (k *IdlePool) len() int { return k.Len() }

func TestIdlePoolOutlivesClient(t *testing.T) {
	b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
	first := round(t, b, b.opts, 0, "x")
	first.wantExit(t, fanout.Exit{})
	second := round(t, b, b.opts, 0, "exit 7")
	second.wantExit(t, fanout.Exit{Code: 7})
	if first.Login <= 0 || second.Login != 0 || second.Dial != 0 {
		t.Errorf("got login %v, then dial %v and login %v, want only the first", first.Login, second.Dial, second.Login)
	}
	if second.Address != first.Address || second.address != first.Address {
		t.Errorf("got address %q and %q, want %q again", second.Address, second.address, first.Address)
	}
	if got := len(b.fleet.Conns()); got != 1 {
		t.Errorf("got %d connections for two clients, want 1", got)
	}
	if got := b.opts.IdlePool.len(); got != 1 {
		t.Errorf("got %d idle connections, want 1", got)
	}
	if err := b.opts.IdlePool.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the connection is closed", func() bool { _, standing := b.connsOf("h"); return standing == 0 })
	round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
	if got := b.opts.IdlePool.len(); got != 0 {
		t.Errorf("got %d idle connections after Close, want none", got)
	}
}

// TestIdlePoolIdentity: a connection is passed on only where a login would be the
// same in all that matters.
func TestIdlePoolIdentity(t *testing.T) {
	other, otherFile := userKey(t)
	tests := []struct {
		name   string
		change func(*testing.T, *Options)
		logins int
	}{
		{"nothing", func(*testing.T, *Options) {}, 1},
		{"user", func(_ *testing.T, o *Options) { o.Endpoints[0].User = "another" }, 2},
		{"key", func(_ *testing.T, o *Options) { o.Endpoints[0].Identities = []string{otherFile} }, 2},
		{"key in the same file", func(t *testing.T, o *Options) {
			file := o.Endpoints[0].Identities[0]
			if err := errors.Join(os.Remove(file), other.WriteFile(file, "")); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"a key more by default", func(_ *testing.T, o *Options) {
			o.DefaultIdentities = append(o.DefaultIdentities, o.Endpoints[0].Identities[0], otherFile)
			o.Endpoints[0].Identities = nil
		}, 2},
		{"host key mode", func(_ *testing.T, o *Options) { o.Endpoints[0].HostKeys = hostkeys.AcceptNew }, 2},
		{"name", func(_ *testing.T, o *Options) { o.Endpoints[0].Alias = "alias" }, 2},
		{"known hosts", func(t *testing.T, o *Options) {
			data, err := os.ReadFile(o.KnownHosts[0])
			if err != nil {
				t.Fatal(err)
			}
			o.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
			if err := os.WriteFile(o.KnownHosts[0], data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"ciphers", func(_ *testing.T, o *Options) { o.Endpoints[0].Ciphers = "aes256-ctr" }, 2},
		{"password", func(_ *testing.T, o *Options) { o.Password = fanout.Secret("s") }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
			round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
			opts := b.opts
			opts.Endpoints = append([]Endpoint{}, b.opts.Endpoints...)
			tt.change(t, &opts)
			round(t, b, opts, 0, "x") // with a key of its own it is refused
			if got, _ := b.connsOf("h"); got != tt.logins {
				t.Errorf("got %d connections, want %d", got, tt.logins)
			}
		})
	}
}

// TestIdlePoolHostKey: an idle connection is worth no more than a login by what
// known_hosts says now.
func TestIdlePoolHostKey(t *testing.T) {
	tests := []struct {
		name  string
		lines func(known string) string
	}{
		{"forgotten", func(string) string { return "" }},
		{"revoked", func(known string) string { return known + "@revoked " + known }},
		{"another", func(known string) string {
			name, _, _ := strings.Cut(known, " ")
			return name + " " + string(fleet.NewKey().AuthorizedKey())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
			round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
			file := b.opts.KnownHosts[0]
			known, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(tt.lines(string(known))), 0o600); err != nil {
				t.Fatal(err)
			}
			r := round(t, b, b.opts, 0, "x")
			r.wantOp(t, fanout.OpHostKey, false)
			if got := b.opts.IdlePool.len(); got != 0 {
				t.Errorf("got %d idle connections, want none", got)
			}
		})
	}
}

// TestIdlePoolDead: what an idle connection has died of is not the next client's
// trouble.
func TestIdlePoolDead(t *testing.T) {
	for name, how := range map[string]fleet.CutMode{"finish": fleet.Finish, "reset": fleet.Reset, "silence": fleet.Silence} {
		t.Run(name, func(t *testing.T) {
			b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
			b.opts.IdlePool.probeAfter, b.opts.IdlePool.probeTime = 0, 10*time.Millisecond
			round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
			b.fleet.Cut("h", how)
			r := round(t, b, b.opts, 0, "exit 3")
			r.wantExit(t, fanout.Exit{Code: 3})
			if got, _ := b.connsOf("h"); got != 2 {
				t.Errorf("got %d logins, want 2", got)
			}
		})
	}
}

// TestIdlePoolProbed: a host that answers keeps its connection.
func TestIdlePoolProbed(t *testing.T) {
	b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
	b.opts.IdlePool.probeAfter = 0
	for range 3 {
		round(t, b, b.opts, 0, "").wantNothingRun(t)
	}
	if got, _ := b.connsOf("h"); got != 1 {
		t.Errorf("got %d logins, want 1", got)
	}
}

// wantNothingRun checks that there was a login, and no command.
func (r *record) wantNothingRun(tb testing.TB) {
	tb.Helper()
	if r.Failure != nil || r.Started || r.starts != 0 || r.Outcome() != fanout.OK {
		tb.Fatalf("got %+v after %d starts, want a login and nothing else", r.Report, r.starts)
	}
}

// TestIdlePoolSilent: a host that falls silent loses its connection, though no client
// uses it.
func TestIdlePoolSilent(t *testing.T) {
	b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, nil)
	b.opts.IdlePool.interval = 30 * time.Millisecond
	round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
	b.fleet.Cut("h", fleet.Silence)
	eventually(t, "the connection is given up", func() bool { return b.opts.IdlePool.len() == 0 })
}

// TestIdlePoolAge: a connection is closed when it has got old, not before.
func TestIdlePoolAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		keep := NewIdlePool(100*tripTime, 1)
		keep.interval = tripTime
		opts := Options{IdlePool: keep, Endpoints: []Endpoint{{Address: "h", User: "u", HostKeys: hostkeys.Off, KeepaliveInterval: -1}}}
		c, err := New(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		c.loginLagged(t, fleet.NewKey(), &wg)
		n := c.held[0]
		c.Release(fanout.Target{})
		time.Sleep(90*tripTime - n.age())
		synctest.Wait()
		if !n.alive() || keep.len() != 1 {
			t.Errorf("got %d idle connections before their time, want one that is alive", keep.len())
		}
		time.Sleep(20 * tripTime)
		synctest.Wait()
		if n.alive() || keep.len() != 0 {
			t.Errorf("got %d idle connections after their time, want none", keep.len())
		}
		if err := errors.Join(c.Close(), keep.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// TestIdlePoolMost: the connection that has been idle the longest makes room.
func TestIdlePoolMost(t *testing.T) {
	b := poolBench(t, []fleet.Host{{Name: "a"}, {Name: "b"}, {Name: "c"}}, 2, nil)
	for i := range b.targets {
		round(t, b, b.opts, i, "x").wantExit(t, fanout.Exit{})
	}
	eventually(t, "the first is closed", func() bool { _, standing := b.connsOf("a"); return standing == 0 })
	for i, name := range []string{"b", "c"} {
		round(t, b, b.opts, 1+i, "x").wantExit(t, fanout.Exit{})
		if got, _ := b.connsOf(name); got != 1 {
			t.Errorf("%s: got %d logins, want 1", name, got)
		}
	}
	made := 0
	for b.opts.IdlePool.makeRoom() {
		made++
	}
	if made != 2 {
		t.Errorf("got %d connections that made room for others, want 2", made)
	}
}

// TestIdlePoolBastion: the login at a bastion is pooled, those behind it are not.
func TestIdlePoolBastion(t *testing.T) {
	k := NewIdlePool(time.Hour, 4)
	k.probeTime = patience
	b := jumpBench(t, behindGate(3), func(o *Options) { o.IdlePool = k })
	keepUntilEnd(t, k)
	_ = b.Close() // each round has a client of its own
	for range 2 {
		for i := range b.targets {
			round(t, b, b.opts, i, "x").wantExit(t, fanout.Exit{})
		}
	}
	if all, standing := b.connsOf("gate"); all != 1 || standing != 1 {
		t.Errorf("got %d logins at the bastion, %d of them stand, want one that does", all, standing)
	}
	if all, _ := b.connsOf("h0000"); all != 2 {
		t.Errorf("got %d logins behind it, want one for each client", all)
	}
	if got := k.len(); got != 1 {
		t.Errorf("got %d idle connections, want that to the bastion", got)
	}
}

// TestIdlePoolOneAtATime: clients that work at the same time share nothing.
func TestIdlePoolOneAtATime(t *testing.T) {
	const clients, rounds = 6, 8
	var now, most atomic.Int32
	arrived := make(chan struct{})
	var once sync.Once
	exec := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		if n := now.Add(1); n == clients {
			once.Do(func() { close(arrived) })
		}
		defer now.Add(-1)
		if s.Command == "meet" {
			<-arrived
			most.Store(clients)
		}
		return fleet.Exit{}
	})
	b := poolBench(t, []fleet.Host{{Name: "h", Exec: exec}}, clients, nil)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			round(t, b, b.opts, 0, "meet").wantExit(t, fanout.Exit{})
			for range rounds {
				round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
			}
		})
	}
	wg.Wait()
	if most.Load() != clients {
		t.Error("the clients did not work at the same time")
	}
	if all, standing := b.connsOf("h"); all != clients || standing != clients {
		t.Errorf("got %d logins, %d of them stand, want %d that do", all, standing, clients)
	}
}

// TestIdlePoolProxyCommand: a program that connects lives as long as its connection.
func TestIdlePoolProxyCommand(t *testing.T) {
	use := func(t *testing.T) {
		b := poolBench(t, []fleet.Host{{Name: "h"}}, 4, byProgram(t, "RELAY"))
		round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
		round(t, b, b.opts, 0, "x").wantExit(t, fanout.Exit{})
		if all, _ := b.connsOf("h"); all != 1 {
			t.Errorf("got %d logins, want 1", all)
		}
	}
	t.Run("first", use) // which opens what the runtime needs for good
	goroutines, files := runtime.NumGoroutine(), openFiles()
	t.Run("again", use)
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the files are closed", func() bool { return openFiles() <= files })
}
