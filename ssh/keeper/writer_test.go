package keeper

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/ssh"
)

// A blocker is a writer whose first Write ends when it is let.
type blocker struct {
	entered, let chan struct{}
	once         sync.Once
	mu           sync.Mutex // guards writes
	writes       int
}

func newBlocker() *blocker { return &blocker{entered: make(chan struct{}), let: make(chan struct{})} }

func (b *blocker) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.writes++
	b.mu.Unlock()
	b.once.Do(func() { close(b.entered) })
	<-b.let
	return len(p), nil
}

func (b *blocker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writes
}

// TestSlowWriterSlowsTheHost: what waits for a writer stays at the host.
func TestSlowWriterSlowsTheHost(t *testing.T) {
	const flood = 16 << 20
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Flood: flood}}, {Name: "other"}}, nil)
	e := b.dial(t)
	defer func() { _ = e.Close() }()
	slow := newBlocker()
	done := make(chan fanout.Report, 1)
	go func() {
		done <- e.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, taskOf("x"), slow, io.Discard)
	}()
	<-slow.entered
	if r := b.execOn(t.Context(), e, 1, taskOf("exit 3")); r.Exit == nil || r.Exit.Code != 3 {
		t.Errorf("the other host: got %+v", r.Report)
	}
	if sent := b.fleet.Log()[0].Stdout; sent >= flood {
		t.Errorf("the host has sent %d bytes, and nobody has read them", sent)
	}
	close(slow.let)
	if r := <-done; r.Exit == nil || !r.OutputComplete {
		t.Errorf("got %+v, failure %+v", r, r.Failure)
	}
}

// TestStuckWriterIsLeftBehind: a Write that never ends does not keep Exec from returning
// when the run is stopped, and nothing is written after that.
func TestStuckWriterIsLeftBehind(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Flood: fleet.Forever}}}, nil)
	e := b.dial(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stuck := newBlocker()
	done := make(chan fanout.Report, 1)
	go func() {
		done <- e.Exec(ctx, fanout.Attempt{N: 1, Target: b.targets[0]}, taskOf("x"), stuck, io.Discard)
	}()
	<-stuck.entered
	cancel(fanout.ErrSignal)
	r := <-done
	if r.Failure == nil || r.Failure.Op != fanout.OpCanceled || !r.Started {
		t.Errorf("got %+v, failure %+v, want canceled after the start", r, r.Failure)
	}
	before := stuck.count()
	close(stuck.let)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if got := stuck.count(); got != before {
		t.Errorf("got %d more Writes after Exec had returned, want none", got-before)
	}
}

// TestCallersShareAKeeper: two callers at once have their own output and leave their
// connections to whoever comes.
func TestCallersShareAKeeper(t *testing.T) {
	const callers, hosts = 4, 10
	var all []fleet.Host
	for i := range hosts {
		all = append(all, fleet.Host{Name: "h" + string(rune('a'+i))})
	}
	b := newBench(t, all, nil)
	stay := b.dial(t) // so that the keeper stays
	defer func() { _ = stay.Close() }()
	for range 2 {
		var wg sync.WaitGroup
		for n := range callers {
			wg.Go(func() {
				e := b.dial(t)
				defer func() { _ = e.Close() }()
				var each sync.WaitGroup
				for i := range b.targets {
					each.Go(func() {
						command := strings.Repeat(string(rune('a'+n)), 1000)
						if r := b.execOn(t.Context(), e, i, taskOf(command)); r.stdout.String() != command+"\n" || r.stderr.String() != all[i].Name+"\n" {
							t.Errorf("caller %d, host %d: got %+v, %.20q, %q", n, i, r.Report, r.stdout.String(), r.stderr.String())
						}
						e.Release(b.targets[i])
					})
				}
				each.Wait()
			})
		}
		wg.Wait()
	}
	for _, h := range all {
		if n, _ := b.logins(h.Name); n > callers {
			t.Errorf("%s: got %d logins for %d callers, twice", h.Name, n, callers)
		}
	}
}

// TestSecretsDoNotReachTheKeeper: a task with a secret is the client's own.
func TestSecretsDoNotReachTheKeeper(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	e := b.dial(t)
	defer func() { _ = e.Close() }()
	secret := taskOf("x")
	secret.Env = []fanout.Variable{{Name: "A", Secret: fanout.Secret("s3cret")}}
	sudo := taskOf("x")
	sudo.Sudo = &fanout.Sudo{User: "root", Password: fanout.Secret("s3cret")}
	for _, task := range []fanout.Task{secret, sudo} {
		if e.order(fanout.Attempt{Target: b.targets[0]}, task) != nil {
			t.Errorf("%v: the keeper gets it", task)
		}
	}
	b.opts.Password = fanout.Secret("s3cret")
	if ssh.NewLender(b.client(t)).Lendable(0) {
		t.Error("a login with a password is the keeper's")
	}
	b.opts.Password, b.opts.Endpoints[0].ProxyCommand = nil, "nc %h %p"
	if ssh.NewLender(b.client(t)).Lendable(0) {
		t.Error("a proxy command is the keeper's")
	}
}

// TestBastionStays: the login at a bastion is kept, and those behind it are signed for by
// the caller.
func TestBastionStays(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}, {Name: "gate", Forward: true}}, func(o *ssh.Options) {
		o.Endpoints[0].Jumps = []ssh.Endpoint{o.Endpoints[1]}
	})
	for range 2 {
		if r := b.round(t, 0, "exit 3"); r.Exit == nil || r.Exit.Code != 3 {
			t.Errorf("got %+v, failure %+v", r.Report, r.Failure)
		}
	}
	if all, _ := b.logins("gate"); all != 1 {
		t.Errorf("got %d logins at the bastion, want 1", all)
	}
}
