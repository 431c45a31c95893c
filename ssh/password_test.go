package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// passwordBench is a bench whose hosts take password, and our keys only if they
// are asked to; the client has the one it is given.
func passwordBench(t *testing.T, n int, ask bool, password, given string) *bench {
	t.Helper()
	hosts := make([]fleet.Host, n)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: fmt.Sprintf("h%d", i), Password: password, AskPassword: ask}
	}
	return newBench(t, hosts, func(o *Options) {
		_, stranger := userKey(t)
		for i := range o.Endpoints {
			o.Endpoints[i].Identities = []string{stranger}
		}
		o.Password = fanout.Secret(given)
	})
}

// passes is how many passwords the hosts were given.
func (b *bench) passes() int {
	n := 0
	for _, c := range b.fleet.Conns() {
		n += c.Passes
	}
	return n
}

func TestPassword(t *testing.T) {
	for _, ask := range []bool{false, true} {
		b := passwordBench(t, 12, ask, sesame, sesame)
		var wg sync.WaitGroup
		for i := range b.targets {
			wg.Go(func() {
				if r := b.exec(t.Context(), i, "x"); r.Failure != nil {
					t.Errorf("ask %v, host %d: got %+v, want success", ask, i, *r.Failure)
				}
			})
		}
		wg.Wait()
		if got, want := b.passes(), len(b.targets); got != want {
			t.Errorf("ask %v: got %d passwords, want %d", ask, got, want)
		}
	}
}

// TestPasswordRefused: one host gets a wrong password, and no other does.
func TestPasswordRefused(t *testing.T) {
	for _, ask := range []bool{false, true} {
		const wrong = "canary-password"
		b := passwordBench(t, 12, ask, sesame, wrong)
		var mu sync.Mutex
		said := map[string]int{}
		var wg sync.WaitGroup
		for i := range b.targets {
			wg.Go(func() {
				r := b.exec(t.Context(), i, "x")
				mu.Lock()
				defer mu.Unlock()
				if r.Failure == nil || r.Failure.Op != fanout.OpLogin || !r.Failure.Final || r.Started {
					t.Errorf("ask %v, host %d: got %+v, want a final failure of the login", ask, i, r.Report)
					return
				}
				switch m := r.Failure.Message; {
				case strings.Contains(m, wrong):
					t.Errorf("the message holds the password: %s", m)
				case strings.Contains(m, "password rejected"):
					said["refused"]++
				case strings.Contains(m, "password not tried: h"):
					said["withheld"]++
				default:
					t.Errorf("got message %q", m)
				}
			})
		}
		wg.Wait()
		if got := b.passes(); got != 1 || said["refused"] != 1 || said["withheld"] != 11 {
			t.Errorf("ask %v: got %d passwords and %v, want one host that refuses and eleven that are spared", ask, got, said)
		}
	}
}

// TestPasswordNotAsked: without one the cause says that one would do, and keys go
// first.
func TestPasswordNotAsked(t *testing.T) {
	b := passwordBench(t, 1, false, sesame, "")
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if want := CauseKeysOrPassword; r.Failure.Cause != want {
		t.Errorf("got cause %q, want %q", r.Failure.Cause, want)
	}
	keyed := newBench(t, []fleet.Host{{Name: "h", Password: sesame}}, func(o *Options) { o.Password = fanout.Secret(sesame) })
	keyed.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	if got := keyed.passes(); got != 0 {
		t.Errorf("got %d passwords given to a host that takes the key, want 0", got)
	}
}

// TestPasswordAndImpostors: a host that may be any gets no password.
func TestPasswordAndImpostors(t *testing.T) {
	b := passwordBench(t, 1, false, sesame, sesame)
	opts := b.opts
	opts.Endpoints = []Endpoint{b.opts.Endpoints[0]}
	opts.Endpoints[0].HostKeys = hostkeys.Off
	r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
	r.wantOp(t, fanout.OpLogin, false)
	if got := b.passes(); got != 0 || !strings.Contains(r.Failure.Message, "unverified key") {
		t.Errorf("got %d passwords and %q, want none and the reason", got, r.Failure.Message)
	}
}

// TestPasswordAndSilentHost: a host that has the password and says nothing costs the
// others none of their own time, however long it is waited for.
func TestPasswordAndSilentHost(t *testing.T) {
	for _, ask := range []bool{false, true} {
		b := passwordBench(t, 4, ask, sesame, sesame)
		b.fleet.SetFaults("h0", fleet.Faults{Stall: fleet.StepPassword})
		for i := range b.targets {
			b.targets[i].Limits.ConnectTimeout = 3 * time.Second
		}
		b.targets[0].Limits.ConnectTimeout = 4 * time.Second
		var wg sync.WaitGroup
		wg.Go(func() {
			r := b.exec(t.Context(), 0, "x")
			if r.Failure == nil || r.Failure.Op != fanout.OpLogin || !strings.Contains(r.Failure.Message, "login timed out after 4s") {
				t.Errorf("ask %v: got %+v, want a login that takes too long", ask, r.Report)
			}
		})
		eventually(t, "it has the password", func() bool { return b.passes() == 1 })
		for i := 1; i < 4; i++ {
			wg.Go(func() {
				if r := b.exec(t.Context(), i, "x"); r.Failure != nil {
					t.Errorf("ask %v, host %d: got %+v, want success", ask, i, *r.Failure)
				}
			})
		}
		wg.Wait()
	}
}

// TestAllowance: what is waited for others does not count.
func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, a := allow(t.Context(), 10*time.Second)
		defer a.cancel(nil)
		if d, ok := ctx.Deadline(); !ok || d.Sub(began) != 10*time.Second+allowedMore {
			t.Errorf("got deadline %v, %v", d, ok)
		}
		time.Sleep(4 * time.Second)
		a.pause()
		time.Sleep(time.Hour)
		if ctx.Err() != nil || a.over() {
			t.Error("it has run out while it was paused")
		}
		a.resume()
		<-ctx.Done()
		if got := time.Since(began); got != time.Hour+10*time.Second || !a.over() || !errors.Is(context.Cause(ctx), errConnectTimeout) {
			t.Errorf("got an end after %v, %v", got, context.Cause(ctx))
		}
		free, b := allow(t.Context(), 0)
		time.Sleep(time.Hour)
		if _, ok := free.Deadline(); ok || free.Err() != nil {
			t.Error("no limit has ended")
		}
		b.cancel(nil)
		if !errors.Is(context.Cause(free), context.Canceled) || b.over() {
			t.Errorf("got %v", context.Cause(free))
		}
	})
}

// TestPasswordIsWiped: nothing of it is left in the client.
func TestPasswordIsWiped(t *testing.T) {
	password := fanout.Secret(sesame)
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Password = password })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Trim(string(password), "\x00") != "" {
		t.Error("the password is still there after Close")
	}
}
