package ssh

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// realJumpBench is a client for n targets on one real sshd that are reached
// through another.
func realJumpBench(tb testing.TB, n int, gate sshdtest.Options) (b *bench, through, at *sshdtest.Server) {
	tb.Helper()
	through = sshdtest.Start(tb, gate)
	b, at = realBench(tb, n, sshdtest.Options{}, func(o *Options) {
		o.KnownHosts = append(o.KnownHosts, through.KnownHosts)
		for i := range o.Endpoints {
			o.Endpoints[i].Jumps = []Endpoint{{
				Address: through.Addr, Port: through.Port, User: through.User, Identities: []string{through.KeyFile}, IdentitiesOnly: true,
				Alias: "gate",
			}}
		}
	})
	return b, through, at
}

// TestSSHDJumpMaxStartupsIsKept: a bastion that takes two logins at a time does
// not mind how many hosts are behind it.
func TestSSHDJumpMaxStartupsIsKept(t *testing.T) {
	const n = 20
	b, gate, _ := realJumpBench(t, n, sshdtest.Options{Config: []string{"MaxStartups 2:100:2"}})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := b.exec(t.Context(), i, "echo x")
			if r.Failure != nil || r.stdout.String() != "x\n" {
				t.Errorf("target %d: got failure %+v, stdout %q, want x", i, r.Failure, r.stdout.String())
			}
		})
	}
	wg.Wait()
	if got := strings.Count(gate.Log(), "Accepted publickey"); got != 1 {
		t.Errorf("got %d logins at the bastion, want 1", got)
	}
}

func TestSSHDJumpFailures(t *testing.T) {
	tests := []struct {
		name   string
		config string
		change func(*bench)
		want   string
		final  bool
	}{
		{name: "forwarding is off", config: "AllowTcpForwarding no", want: "via gate: it does not allow the connection", final: true},
		{name: "not to there", config: "PermitOpen 127.0.0.1:1", want: "via gate: it does not allow the connection", final: true},
		{name: "nothing listens", want: "via gate: connection refused", change: func(b *bench) { b.opts.Endpoints[0].Port = 1 }},
		{name: "no such name", want: "via gate: ", change: func(b *bench) { b.opts.Endpoints[0].Address = "no-such-host.invalid" }},
		{
			name: "user refused", want: "at gate: login: refused for nobody-here: tried ", final: true,
			change: func(b *bench) { b.opts.Endpoints[0].Jumps[0].User = "nobody-here" },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var config []string
			if tt.config != "" {
				config = []string{tt.config}
			}
			b, _, _ := realJumpBench(t, 1, sshdtest.Options{Config: config})
			if tt.change != nil {
				tt.change(b)
				b.Client = newClient(t, b.opts)
			}
			r := b.exec(t.Context(), 0, "true")
			r.wantOp(t, fanout.OpJump, false)
			if !strings.HasPrefix(r.Failure.Message, tt.want) || r.Failure.Final != tt.final {
				t.Errorf("got %+v, want a failure that begins %q, final %v", *r.Failure, tt.want, tt.final)
			}
		})
	}
}

// TestSSHDJumpTimeout: a command beyond a bastion that is out of time is ended
// there.
func TestSSHDJumpTimeout(t *testing.T) {
	b, _, s := realJumpBench(t, 1, sshdtest.Options{})
	b.targets[0].Limits.Timeout = 500 * time.Millisecond
	r := b.exec(t.Context(), 0, "cd "+s.Dir+" && echo $$ > pids; exec sleep 99")
	r.wantOp(t, fanout.OpTimeout, true)
	if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
	for _, pid := range pids(t, s.Dir+"/pids") {
		eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool { return !running(pid) })
	}
}

// TestSSHDJumpFlood: much output comes through a bastion whole.
func TestSSHDJumpFlood(t *testing.T) {
	b, _, _ := realJumpBench(t, 1, sshdtest.Options{})
	r := b.exec(t.Context(), 0, "head -c 8000000 /dev/zero")
	r.wantExit(t, fanout.Exit{})
	if got, want := len(r.stdout.String()), 8_000_000; got != want || !r.OutputComplete {
		t.Errorf("got %d bytes, complete %v, want %d, complete", got, r.OutputComplete, want)
	}
}
