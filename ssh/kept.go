package ssh

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

const (
	// probeAfter is the silence after which a kept connection is asked for a
	// sign of life before it is used, and probeTime how long it has to answer.
	probeAfter = 3 * time.Second
	probeTime  = 3 * time.Second
)

// A Kept holds connections that outlive the Client that made them, until a
// later one has use for them. It passes a connection on only to an endpoint
// that is equal in everything that decides who logs in to what: the Endpoint,
// the keys that are offered, the known_hosts files. The host has to answer, and
// its key has to be good by what known_hosts says at that time. What a kept
// connection has died of costs its next user no more than a login of its own.
//
// Connections through a bastion are not kept, but those to the bastion are; nor
// are those of a Client that has a Password. A name that leads to another
// address meanwhile is not noticed.
//
// A Kept is safe for use by many clients at once. The zero value and nil keep
// nothing; see NewKept.
type Kept struct {
	maxAge     time.Duration
	most       int
	interval   time.Duration // of keepalives, where an endpoint has none
	probeAfter time.Duration
	probeTime  time.Duration

	wg   sync.WaitGroup // of what ends with a connection, and of the keeper
	stop chan struct{}  // closed by Close

	mu      sync.Mutex // guards what follows
	idle    idleConns
	keeping bool // the keeper runs
	closed  bool
}

// NewKept keeps connections until maxAge after their login, and at most so many
// of them idle at once: each takes an open file, one by a proxy command more.
// Those that have been idle the longest make room for others, and for new
// connections when there are too many open files.
func NewKept(maxAge time.Duration, most int) *Kept {
	return &Kept{
		maxAge: maxAge, most: most,
		interval: keepaliveInterval, probeAfter: probeAfter, probeTime: probeTime,
		stop: make(chan struct{}),
	}
}

// Close ends all connections and waits until nothing of them runs any more.
// Every Client with k must have been closed.
func (k *Kept) Close() error {
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

// give takes over n, which nobody uses. If it reports false, n is still the
// caller's.
func (k *Kept) give(n *conn) bool {
	if k == nil || n.relay != nil || !n.alive() || n.age() >= k.maxAge {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.most <= 0 || k.idle.alike(n.ep.identity) >= maxIdle {
		return false
	}
	if k.idle.len() >= k.most {
		k.idle.removeOldest().wire.abort()
	}
	k.idle.add(n)
	if !k.keeping {
		k.keeping = true
		k.wg.Go(k.watch)
	}
	return true
}

// take returns the connection with identity that was used last, else nil.
func (k *Kept) take(identity string) *conn {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.idle.take(identity, func(n *conn) bool { return n.alive() && n.age() < k.maxAge })
}

// forget ends the connections with identity: where one is of no use, the
// others have lost the same host.
func (k *Kept) forget(identity string) {
	k.mu.Lock()
	ended := k.idle.takeAll(identity)
	k.mu.Unlock()
	abortAll(ended)
}

// makeRoom ends the connection that has been idle the longest, and reports
// whether there was one.
func (k *Kept) makeRoom() bool {
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
func (k *Kept) watch() {
	period := max(1, min(k.interval, k.maxAge)/3)
	tick := fanout.NewTimer(period, nil)
	defer tick.Stop()
	for ; ; tick.Reset(period) {
		select {
		case <-tick.C:
		case <-k.stop:
			return
		}
		k.mu.Lock()
		ended := k.idle.end(func(n *conn) bool { return !n.alive() || n.age() >= k.maxAge })
		idle := k.idle.all()
		k.mu.Unlock()
		abortAll(ended)
		for _, n := range idle {
			if n.keep(n.ep.keepalive(k.interval)) {
				k.wg.Go(n.ask)
			}
		}
	}
}

// identity is equal for endpoints between which a connection may pass from one
// client to another.
func (p *preparation) identity(ep *endpoint, knownHosts []string) string {
	h := sha256.New()
	// A hash takes everything.
	_, _ = fmt.Fprintf(h, "%s %q %q", ep.key, knownHosts, p.client.shell)
	for _, key := range ep.keys {
		_, _ = fmt.Fprintf(h, " %q %x", key.file, key.public.Marshal())
	}
	return string(h.Sum(nil))
}

// resume returns a connection to ep that an earlier client has left, else nil.
// It is as good as a login within limit, if that is not 0.
func (c *Client) resume(ctx context.Context, ep *endpoint, limit time.Duration) *conn {
	n := c.keep.take(ep.identity)
	if n == nil {
		return nil
	}
	if !ep.recognises(ctx, n) || !c.keep.answers(ctx, n, limit) {
		n.wire.abort()
		c.keep.forget(ep.identity)
		c.log.Debug("logging in again: the idle connection is unusable", "address", n.address)
		return nil
	}
	n.pooled = true
	c.own(n)
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

// answers reports whether the host at n was heard lately, or gives a sign of
// life when it is asked. It takes at most half of limit, so that there is time
// left for a login.
func (k *Kept) answers(ctx context.Context, n *conn, limit time.Duration) bool {
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

// retire is what becomes of a connection that nobody uses any more: it is kept
// for later clients, or closed.
func (c *Client) retire(n *conn) {
	c.mu.Lock()
	delete(c.live, n)
	closed := c.closed
	c.mu.Unlock()
	if closed || !c.keep.give(n) {
		n.wire.abort()
	}
}
