package ssh

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// jumpBench is a bench whose hosts are all reached through the first of them,
// which is not a target; options are changed last.
func jumpBench(tb testing.TB, hosts []fleet.Host, change func(*Options)) *bench {
	tb.Helper()
	b := newBench(tb, hosts, func(o *Options) {
		gate := o.Endpoints[0]
		gate.Alias = hosts[0].Name
		o.Endpoints = o.Endpoints[1:]
		for i := range o.Endpoints {
			o.Endpoints[i].Jumps = []Endpoint{gate}
		}
		if change != nil {
			change(o)
		}
	})
	b.targets = b.targets[1:]
	for i := range b.targets {
		b.targets[i].Index = i
	}
	return b
}

// behindGate is a bastion and n hosts.
func behindGate(n int) []fleet.Host {
	hosts := []fleet.Host{{Name: "gate", Forward: true}}
	for i := range n {
		hosts = append(hosts, fleet.Host{Name: fmt.Sprintf("h%04d", i)})
	}
	return hosts
}

// connsOf counts the connections that the fleet has seen at a host, and those
// of them that stand.
func (b *bench) connsOf(host string) (all, standing int) {
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

func TestJumpSharesOneLogin(t *testing.T) {
	b := jumpBench(t, behindGate(20), nil)
	var wg sync.WaitGroup
	for i := range b.targets {
		wg.Go(func() {
			r := b.exec(t.Context(), i, "x")
			r.wantExit(t, fanout.Exit{})
			if got, want := r.stderr.String(), b.targets[i].Name+"\n"; got != want {
				t.Errorf("got the answer of %q, want %q", got, want)
			}
			address := b.opts.Endpoints[i].Address
			if !strings.HasPrefix(r.Address, address+":") {
				t.Errorf("got address %s, want that of the host, %s", r.Address, address)
			}
		})
	}
	wg.Wait()
	if all, standing := b.connsOf("gate"); all != 1 || standing != 1 {
		t.Errorf("got %d connections to the bastion, %d of them stand, want one that does", all, standing)
	}
	for i := range b.targets {
		b.Release(b.targets[i])
	}
	eventually(t, "the bastion is left after the last release", func() bool { _, standing := b.connsOf("gate"); return standing == 0 })
}

// TestJumpCrowd: as many logins at the bastion as its targets need.
func TestJumpCrowd(t *testing.T) {
	const n = 2*maxInUse + 1
	b := jumpBench(t, behindGate(n), nil)
	var wg sync.WaitGroup
	for i := range b.targets {
		wg.Go(func() { b.exec(t.Context(), i, "x").wantExit(t, fanout.Exit{}) })
	}
	wg.Wait()
	if all, _ := b.connsOf("gate"); all != 3 {
		t.Errorf("got %d connections to the bastion for %d hosts, want 3", all, n)
	}
}

func TestJumpChain(t *testing.T) {
	hosts := behindGate(2)
	hosts[1].Forward = true
	b := jumpBench(t, hosts, func(o *Options) {
		inner := o.Endpoints[0]
		inner.Jumps, inner.Alias = nil, "inner"
		o.Endpoints[1].Jumps = append(o.Endpoints[1].Jumps[:1:1], inner)
	})
	b.exec(t.Context(), 1, "x").wantExit(t, fanout.Exit{})
	for _, host := range []string{"gate", "h0000", "h0001"} {
		if all, _ := b.connsOf(host); all != 1 {
			t.Errorf("got %d connections to %s, want 1", all, host)
		}
	}
	b.fleet.SetFaults("h0000", fleet.Faults{RejectAuth: true})
	b.fleet.Cut("h0000", fleet.Reset)
	eventually(t, "the loss is noticed", func() bool { return !b.held[1].alive() })
	r := b.exec(t.Context(), 1, "x")
	r.wantOp(t, fanout.OpJump, false)
	if got, want := r.Failure.Message, "at inner: login: refused for tester"; !strings.HasPrefix(got, want) || !r.Failure.Final {
		t.Errorf("got %+v, want a final failure that begins %q", *r.Failure, want)
	}
}

// TestJumpFailures: the message says which hop failed and why, in the same
// words for all that are behind it.
func TestJumpFailures(t *testing.T) {
	tests := []struct {
		name    string
		gate    fleet.Faults
		hosts   func(h []fleet.Host)
		options func(o *Options)
		want    string
		final   bool
	}{
		{name: "key refused", gate: fleet.Faults{RejectAuth: true}, want: "at gate: login: refused for tester: tried ", final: true},
		{name: "another host key", gate: fleet.Faults{WrongHostKey: true}, want: "at gate: hostkey: HOST KEY CHANGED", final: true},
		{name: "unknown host key", options: func(o *Options) { o.KnownHosts = nil }, want: "at gate: hostkey: the host key ", final: true},
		{name: "down", hosts: func(h []fleet.Host) { h[0].Down = true }, want: "at gate: dial: connection refused"},
		{name: "stalls", gate: fleet.Faults{Stall: fleet.StepKexInit}, want: "login timed out after 1s at gate while exchanging keys"},
		{name: "busy", gate: fleet.Faults{Throttle: "Exceeded MaxStartups\r\n"}, want: "login timed out after 1s at gate while waiting for the SSH banner (the host hung up before its SSH banner, "},
		{
			name:  "forwards nothing",
			hosts: func(h []fleet.Host) { h[0].Forward = false }, final: true,
			want: "via gate: it does not allow the connection (check AllowTcpForwarding and PermitOpen there): ",
		},
		{
			name: "target down", want: "via gate: connection refused",
			hosts: func(h []fleet.Host) { h[1].Down, h[2].Down = true, true },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts := behindGate(2)
			hosts[0].Faults = tt.gate
			if tt.hosts != nil {
				tt.hosts(hosts)
			}
			b := jumpBench(t, hosts, tt.options)
			var said []string
			for i := range b.targets {
				b.targets[i].Limits.ConnectTimeout = time.Second
				r := b.exec(t.Context(), i, "x")
				r.wantOp(t, fanout.OpJump, false)
				if !strings.HasPrefix(r.Failure.Message, tt.want) || r.Failure.Final != tt.final {
					t.Errorf("got %+v, want a failure that begins %q, final %v", *r.Failure, tt.want, tt.final)
				}
				said = append(said, r.Failure.Message)
			}
			if tt.name != "busy" && said[0] != said[1] { // that one counts
				t.Errorf("got %q and %q, want the same words", said[0], said[1])
			}
			if all, _ := b.connsOf("gate"); tt.final && tt.name != "forwards nothing" && all != 1 {
				t.Errorf("got %d logins at the bastion, want one", all)
			}
		})
	}
}

// TestStalledLoginThroughJumpIsBounded is TestStalledLoginIsBounded beyond a bastion, whose
// channels know no deadlines.
func TestStalledLoginThroughJumpIsBounded(t *testing.T) {
	steps := []struct {
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
	for _, tt := range steps {
		t.Run(fmt.Sprint(tt.step), func(t *testing.T) {
			t.Parallel()
			hosts := behindGate(2)
			hosts[1].Faults.Stall = tt.step
			b := jumpBench(t, hosts, nil)
			b.targets[0].Limits.ConnectTimeout = time.Second
			r := b.exec(t.Context(), 0, "x")
			r.wantOp(t, fanout.OpLogin, false)
			if !strings.Contains(r.Failure.Message, tt.want) || r.Failure.Final {
				t.Errorf("got %+v, want a failure that names the %s and may be retried", *r.Failure, tt.want)
			}
			b.exec(t.Context(), 1, "x").wantExit(t, fanout.Exit{}) // the bastion is as it was
			if all, _ := b.connsOf("gate"); all != 1 {
				t.Errorf("got %d connections to the bastion, want 1", all)
			}
		})
		t.Run(fmt.Sprint(tt.step)+" canceled", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			hosts := behindGate(1)
			hosts[1].Faults = fleet.Faults{Stall: tt.step, Struck: func() { cancel(fanout.ErrDeadline) }}
			jumpBench(t, hosts, nil).exec(ctx, 0, "x").wantOp(t, fanout.OpDeadline, false)
		})
	}
}

// TestJumpMuteBastion: a bastion that falls silent with everything in flight
// delays no host for longer than its limit.
func TestJumpMuteBastion(t *testing.T) {
	hosts := behindGate(2)
	hosts[1].Exec = obey()
	b := jumpBench(t, hosts, nil)
	b.targets[0].Limits.Timeout = 300 * time.Millisecond
	if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
		t.Fatal(r.Failure.Message)
	}
	b.fleet.Cut("gate", fleet.Silence)
	b.targets[0].Limits.ConnectTimeout = time.Second
	b.targets[1].Limits.ConnectTimeout = time.Second
	b.exec(t.Context(), 0, "x").wantOp(t, fanout.OpJump, false)
	r := b.exec(t.Context(), 1, "x")
	r.wantOp(t, fanout.OpJump, false)
	if want := "login timed out after 1s while gate was connecting"; r.Failure.Message != want {
		t.Errorf("got %q, want %q", r.Failure.Message, want)
	}
}

// TestJumpLostAndBack: the loss of a bastion ends what ran through it, and
// nothing else; what comes after goes through a new login.
func TestJumpLostAndBack(t *testing.T) {
	hosts := behindGate(2)
	hosts[1].Exec = obey()
	b := jumpBench(t, hosts, nil)
	done := make(chan *record, 1)
	go func() { done <- b.exec(t.Context(), 0, "x") }()
	eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
	b.fleet.Cut("gate", fleet.Reset)
	r := <-done
	r.wantOp(t, fanout.OpConnection, true)
	if !strings.Contains(r.Failure.Message, "to the bastion gate was lost") || r.Outcome() != fanout.Lost {
		t.Errorf("got %v, %q, want lost, and the bastion named", r.Outcome(), r.Failure.Message)
	}
	b.exec(t.Context(), 1, "x").wantExit(t, fanout.Exit{})
	if all, _ := b.connsOf("gate"); all != 2 {
		t.Errorf("got %d connections to the bastion, want 2", all)
	}
}

// TestSilentBastionEndsWhatRunsBehindIt: the silence of a bastion is noticed, and ends what runs
// behind it.
func TestSilentBastionEndsWhatRunsBehindIt(t *testing.T) {
	hosts := behindGate(1)
	hosts[1].Exec = obey()
	b := jumpBench(t, hosts, nil)
	b.interval = 60 * time.Millisecond
	done := make(chan *record, 1)
	go func() { done <- b.exec(t.Context(), 0, "x") }()
	eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
	b.fleet.Cut("gate", fleet.Silence)
	r := <-done
	if got, want := r.Outcome(), fanout.Lost; got != want || r.Failure.Op != fanout.OpKeepalive && r.Failure.Op != fanout.OpConnection {
		t.Errorf("got %v, %+v, want %v by keepalive, or by the connection that it ended", got, r.Failure, want)
	}
}

// TestJumpWaitersLeave: a login that no target waits for any more is cancelled,
// and the next that comes is not failed by it.
func TestJumpWaitersLeave(t *testing.T) {
	hosts := behindGate(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	hosts[0].Faults = fleet.Faults{Stall: fleet.StepKexInit, Struck: func() { cancel(fanout.ErrSignal) }}
	b := jumpBench(t, hosts, nil)
	b.exec(ctx, 0, "x").wantStopped(t)
	b.fleet.SetFaults("gate", fleet.Faults{})
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
}

// TestJumpLostInLogin: a target that has not started is taken there again when
// its bastion comes back.
func TestJumpLostInLogin(t *testing.T) {
	hosts := behindGate(1)
	var b *bench
	var once sync.Once
	ready := make(chan struct{})
	hosts[1].Faults = fleet.Faults{Stall: fleet.StepAuth, Struck: func() {
		once.Do(func() {
			<-ready
			b.fleet.SetFaults("h0000", fleet.Faults{})
			b.fleet.Cut("gate", fleet.Finish)
		})
	}}
	b = jumpBench(t, hosts, nil)
	close(ready)
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	if all, _ := b.connsOf("gate"); all != 2 {
		t.Errorf("got %d connections to the bastion, want 2", all)
	}
}

// TestCutOfBastionIsNeverOK cuts the bastion at many places of a session beyond it:
// the outcome is ok only if all output arrived.
func TestCutOfBastionIsNeverOK(t *testing.T) {
	const text = "all of it\n"
	whole := func() int64 { // what the bastion writes until the command has ended
		b := jumpBench(t, behindGate(1), nil)
		b.exec(t.Context(), 0, strings.TrimSpace(text)).wantExit(t, fanout.Exit{})
		return b.fleet.Conns()[0].Written
	}()
	var oks, losses atomic.Int64
	for after := int64(100); after < whole+200; after += 61 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			hosts := behindGate(1)
			var f atomic.Pointer[fleet.Fleet]
			hosts[0].Faults = fleet.Faults{
				Cut:    &fleet.Cut{After: after, How: fleet.CutMode(after % 2)},
				Struck: func() { f.Load().SetFaults("gate", fleet.Faults{}) },
			}
			b := jumpBench(t, hosts, nil)
			f.Store(b.fleet)
			r := b.exec(t.Context(), 0, strings.TrimSpace(text))
			switch {
			case r.Exit != nil:
				oks.Add(1)
				if r.stdout.String() != text {
					t.Errorf("got ok with output %q, want %q", r.stdout.String(), text)
				}
			case r.Started:
				losses.Add(1)
			case r.Failure.Op != fanout.OpJump || !strings.HasPrefix(r.Failure.Message, "at gate: login: failed"):
				// A login is begun once, also at a bastion; one that stood is
				// replaced.
				t.Errorf("got not started: %+v, want another try", *r.Failure)
			case len(b.fleet.Log()) > 0:
				t.Errorf("got not started: %+v, but the host has a session", *r.Failure)
			}
		})
	}
	t.Cleanup(func() {
		if oks.Load() == 0 || losses.Load() == 0 {
			t.Errorf("got %d complete and %d lost, want some of each", oks.Load(), losses.Load())
		}
	})
}

// TestLoginsBehindABastionHaveLimitsOfTheirOwn: a bastion's own logins are limited, those of the hosts
// behind it are not, each of which has a limit of its own.
func TestLoginsBehindABastionHaveLimitsOfTheirOwn(t *testing.T) {
	const n = 3 * maxLogins
	var now atomic.Int64
	all := make(chan struct{})
	hosts := behindGate(n)
	for i := range n {
		hosts[i+1].Faults = fleet.Faults{Stall: fleet.StepVersion, Struck: func() {
			if now.Add(1) == n {
				close(all)
			}
		}}
	}
	b := jumpBench(t, hosts, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { b.exec(ctx, i, "x").wantStopped(t) })
	}
	<-all
	cancel(fanout.ErrSignal)
	wg.Wait()
}

// TestJumpNothingIsLeft counts goroutines and open files after all kinds of
// ends beyond a bastion.
func TestJumpNothingIsLeft(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles()
	t.Run("use", func(t *testing.T) {
		hosts := []fleet.Host{
			{Name: "gate", Forward: true},
			{Name: "ok"},
			{Name: "slow", Exec: obey("KILL")},
			{Name: "refuses", Faults: fleet.Faults{RejectAuth: true}},
			{Name: "stalls", Faults: fleet.Faults{Stall: fleet.StepKexInit}},
			{Name: "mute", Faults: fleet.Faults{Stall: fleet.StepExec}},
			{Name: "cut", Faults: fleet.Faults{Cut: &fleet.Cut{After: 50, FromExec: true, How: fleet.Reset}}},
			{Name: "down", Down: true},
			{Name: "floods", Faults: fleet.Faults{Flood: fleet.Forever}},
		}
		b := jumpBench(t, hosts, shortDrain)
		var wg sync.WaitGroup
		for _, target := range b.targets {
			target.Limits = fanout.Limits{ConnectTimeout: time.Second, Timeout: 100 * time.Millisecond}
			wg.Go(func() { execOn(t.Context(), b.Client, target, "x") })
		}
		wg.Wait()
		for _, r := range b.endpoints[0].via.conns {
			if r.alive() {
				eventually(t, "the places are given back", func() bool {
					b.endpoints[0].via.mu.Lock()
					defer b.endpoints[0].via.mu.Unlock()
					return r.inUse <= 2 // what is kept for the next command
				})
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the files are closed", func() bool { return openFiles() <= files })
}

// TestJumpHangsUpAfterLogin: a bastion that ends each login as soon as it is there
// is logged in to a few times, however much time there is.
func TestJumpHangsUpAfterLogin(t *testing.T) {
	login := func() int64 { // what the bastion writes until then
		b := jumpBench(t, behindGate(1), nil)
		opts := b.opts
		opts.Endpoints = []Endpoint{opts.Endpoints[0].Jumps[0]}
		taskOn(t.Context(), newClient(t, opts), b.targets[0], fanout.Task{})
		return b.fleet.Conns()[0].Written
	}()
	hosts := behindGate(2)
	hosts[0].Faults = fleet.Faults{Cut: &fleet.Cut{After: login, How: fleet.Reset}}
	b := jumpBench(t, hosts, nil)
	for i := range b.targets {
		r := b.exec(t.Context(), i, "x")
		r.wantOp(t, fanout.OpJump, false)
		if all, _ := b.connsOf("gate"); all > (i+1)*(maxUnused+1) {
			t.Fatalf("got %d connections to the bastion, want at most %d", all, (i+1)*(maxUnused+1))
		}
	}
}
