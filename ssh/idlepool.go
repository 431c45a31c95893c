package ssh

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

const (
	// probeAfter is the silence after which an idle connection is asked for a
	// sign of life before it is used, and probeTime how long it has to answer.
	probeAfter = 3 * time.Second
	probeTime  = 3 * time.Second
	// minPause is the shortest time between two looks at all idle connections.
	minPause = 10 * time.Millisecond
)

// An IdlePool holds connections that outlive the Client that made them, until a later
// client needs them. It passes a connection on only to an endpoint with equal login
// settings: the Endpoint, the offered keys and the known_hosts files. Before a
// connection is reused, the host must answer, and known_hosts must still accept its
// key. If the connection turns out to be dead, the client logs in as usual.
//
// Connections through a bastion are not pooled, but connections to the bastion are;
// connections of a Client with a Password are not. A pooled connection stays with its
// host even if DNS moves the name to another address.
//
// An IdlePool is safe for use by many clients at once. The zero value and nil hold
// nothing; see NewIdlePool.
type IdlePool struct {
	maxAge     time.Duration
	most       int
	interval   time.Duration // of keepalives, where an endpoint has none
	probeAfter time.Duration
	probeTime  time.Duration

	wg   sync.WaitGroup // of what ends with a connection, and of the keeper
	stop chan struct{}  // closed by Close

	mu      sync.Mutex // guards what follows
	idle    idleConns
	period  time.Duration // of looks at them; the zero value of a pool takes none
	keeping bool          // the keeper runs
	closed  bool
}

// NewIdlePool holds at most that many idle connections, each until maxAge after its
// login; with maxAge 0, for [Endpoint.Persist] after its last use. Each uses one open file,
// a proxy command one more. The connections that have been idle longest are closed to make
// room for others, and for new connections when the process runs out of open files.
func NewIdlePool(maxAge time.Duration, most int) *IdlePool {
	return &IdlePool{
		maxAge: maxAge, most: most,
		interval: keepaliveInterval, probeAfter: probeAfter, probeTime: probeTime,
		period: math.MaxInt64, stop: make(chan struct{}),
	}
}

// Close closes all connections and waits for the pool's goroutines. Every Client that
// uses k must have been closed.
func (k *IdlePool) Close() error {
	k.mu.Lock()
	idle := k.idle.end(func(*conn) bool { return true })
	if !k.closed && k.stop != nil {
		close(k.stop)
	}
	k.closed = true
	k.mu.Unlock()
	abortAll(idle)
	k.wg.Wait()
	return nil
}

func abortAll(conns []*conn) {
	for _, n := range conns {
		n.wire.abort()
	}
}

// put adds n, which must be idle. If it returns false, n still belongs to the caller.
func (k *IdlePool) put(n *conn) bool {
	if k == nil || n.jump != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if n.since = time.Now(); k.over(n) {
		return false
	}
	if k.closed || k.most <= 0 || k.idle.alike(n.ep.identity) >= maxIdle {
		return false
	}
	if k.idle.len() >= k.most {
		k.idle.removeOldest().wire.abort()
	}
	if k.idle.add(n); k.maxAge <= 0 {
		k.period = min(k.period, n.persist/3)
	}
	if !k.keeping {
		k.keeping = true
		k.wg.Go(k.watch)
	}
	return true
}

// over reports whether n, which is idle, is of no use any more; k.mu is held.
func (k *IdlePool) over(n *conn) bool {
	switch {
	case !n.alive():
		return true
	case k.maxAge > 0:
		return n.age() >= k.maxAge
	}
	return time.Since(n.since) >= n.persist
}

// take returns the connection with identity that was used last, else nil.
func (k *IdlePool) take(identity string) *conn {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.idle.take(identity, func(n *conn) bool { return !k.over(n) })
}

// forget closes the connections with identity: after one of them was found dead, the
// others to that host are too.
func (k *IdlePool) forget(identity string) {
	k.mu.Lock()
	ended := k.idle.takeAll(identity)
	k.mu.Unlock()
	abortAll(ended)
}

// makeRoom ends the connection that has been idle the longest, and reports
// whether there was one.
func (k *IdlePool) makeRoom() bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	n := k.idle.removeOldest()
	k.mu.Unlock()
	if n == nil {
		return false
	}
	n.wire.abort()
	return true
}

// watch ends connections in their time, and asks silent hosts for a sign of
// life, until Close.
func (k *IdlePool) watch() {
	k.mu.Lock()
	period := k.pause()
	k.mu.Unlock()
	tick := fanout.NewTimer(period, nil)
	defer tick.Stop()
	for ; ; tick.Reset(period) {
		select {
		case <-tick.C:
		case <-k.stop:
			return
		}
		k.mu.Lock()
		ended := k.idle.end(k.over)
		idle := k.idle.all()
		period = k.pause()
		k.mu.Unlock()
		abortAll(ended)
		for _, n := range idle {
			if n.keepaliveDue(n.ep.keepalive(k.interval)) {
				k.wg.Go(n.sendKeepalive)
			}
		}
	}
}

// pause is how long watch waits between two looks; k.mu is held.
func (k *IdlePool) pause() time.Duration {
	period := min(k.interval/3, k.period)
	if k.maxAge > 0 {
		period = min(period, k.maxAge/3)
	}
	return max(period, minPause)
}

// identity is equal for endpoints between which a connection may pass from one
// client to another.
func (p *endpointBuilder) identity(ep *endpoint, knownHosts []string) string {
	h := sha256.New()
	// A hash takes everything.
	_, _ = fmt.Fprintf(h, "%s %q %q", ep.key, knownHosts, p.client.shell)
	for _, key := range ep.keys {
		_, _ = fmt.Fprintf(h, " %q %x", key.file, key.public.Marshal())
	}
	return string(h.Sum(nil))
}

// resume returns an idle connection of an earlier client to ep, else nil. It checks the
// connection within half of limit; 0 means no limit.
func (c *Client) resume(ctx context.Context, ep *endpoint, limit time.Duration) *conn {
	n := c.idlePool.take(ep.identity)
	if n == nil {
		return nil
	}
	if !ep.recognises(ctx, n) || !c.idlePool.answers(ctx, n, limit) {
		n.wire.abort()
		c.idlePool.forget(ep.identity)
		c.log.Debug("logging in again: the idle connection is unusable", "address", n.address)
		return nil
	}
	n.pooled, n.persist = true, ep.Persist
	c.own(n)
	c.log.Debug("reusing a connection", "address", n.address, "user", ep.User, "age", n.age().Round(time.Second))
	return n
}

// recognises reports whether a login would take the key that the host at n has
// shown.
func (e *endpoint) recognises(ctx context.Context, n *conn) bool {
	key, err := gossh.ParsePublicKey([]byte(n.hostKey))
	if err != nil || e.checkKey(ctx, key, n.address, true) != nil {
		return false
	}
	e.presented.Store(&n.hostKey)
	return true
}

// answers reports whether the host at n was heard from recently or answers a keepalive.
// It uses at most half of limit, so that time is left for a login.
func (k *IdlePool) answers(ctx context.Context, n *conn, limit time.Duration) bool {
	if n.wire.silence() < k.probeAfter {
		return n.alive()
	}
	patience := k.probeTime
	if limit > 0 {
		patience = min(patience, limit/2)
	}
	answered := make(chan error, 1)
	k.wg.Go(func() { // ends with the connection, which is closed without an answer
		_, _, err := n.ssh.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	})
	t := fanout.NewTimer(patience, n.wire.lastRead.Load)
	defer t.Stop()
	select {
	case err := <-answered:
		return err == nil
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// retire puts an idle connection into the pool for later clients, or closes it.
func (c *Client) retire(n *conn) {
	c.mu.Lock()
	delete(c.live, n)
	closed := c.closed
	c.mu.Unlock()
	if closed || !c.idlePool.put(n) {
		n.wire.abort()
	}
}
