package ssh

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
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
				case strings.Contains(m, "the password was refused"):
					said["refused"]++
				case strings.Contains(m, "the password is not tried here: h"):
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

// TestPasswordNotAsked: without one the message says how to give one, and keys
// go first.
func TestPasswordNotAsked(t *testing.T) {
	b := passwordBench(t, 1, false, sesame, "")
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if !strings.Contains(r.Failure.Message, "--ask-pass") {
		t.Errorf("got %q, want it to name --ask-pass", r.Failure.Message)
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
	opts.Endpoints[0].HostKeys = Off
	r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
	r.wantOp(t, fanout.OpLogin, false)
	if got := b.passes(); got != 0 || !strings.Contains(r.Failure.Message, "not checked") {
		t.Errorf("got %d passwords and %q, want none and the reason", got, r.Failure.Message)
	}
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
