package ssh

import (
	"path/filepath"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// TestNoProbes: who only wants to know a host's key, or whether it can be
// reached, logs in, by key and once: servers count those who leave before.
func TestNoProbes(t *testing.T) {
	hosts := make([]fleet.Host, 10)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: "h" + string(rune('0'+i))}
	}
	b := newBench(t, hosts, func(o *Options) {
		o.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
		for i := range o.Endpoints {
			o.Endpoints[i].HostKeys = hostkeys.Off
		}
	})
	var wg sync.WaitGroup
	for i := range b.targets {
		wg.Go(func() {
			if r := b.task(t.Context(), i, fanout.Task{}); r.Failure != nil {
				t.Errorf("host %d: got %+v, want a login", i, *r.Failure)
			}
			b.Release(b.targets[i])
		})
	}
	wg.Wait()
	if err := b.Trust(t.Context(), b.targets); err != nil {
		t.Error(err)
	}
	conns := b.fleet.Conns()
	for _, c := range conns {
		if c.LoggedIn.IsZero() || c.Offers != 1 || c.Sessions != 0 {
			t.Errorf("%s: got %+v, want one key offered, a login and no session", c.Host, c)
		}
	}
	if got, want := len(conns), len(hosts); got != want {
		t.Errorf("got %d connections, want %d", got, want)
	}
}
