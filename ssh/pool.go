package ssh

import (
	"context"

	"tutti/fanout"
)

// acquire returns a connection for t: the one it holds, one that another
// target with the same endpoint or an earlier client has left, or a new one. It
// belongs to t until it is dropped or released.
func (c *Client) acquire(ctx context.Context, t fanout.Target, ep *endpoint, report *fanout.Report) (*conn, *fanout.Failure) {
	if n := c.reuse(t, ep.key); n != nil {
		report.Address = n.address
		return n, nil
	}
	n := c.resume(ctx, ep, t.Limits.ConnectTimeout)
	if n != nil {
		report.Address = n.address
	} else {
		var f *fanout.Failure
		if n, f = c.connect(ctx, t, ep, report); f != nil {
			return nil, f
		}
	}
	c.mu.Lock()
	c.held[t.Index] = n
	c.mu.Unlock()
	return n, nil
}

// reuse returns an idle connection that is not known to be dead, else nil.
func (c *Client) reuse(t fanout.Target, key string) *conn {
	for {
		n := c.takeIdle(t, key)
		if n == nil || n.alive() {
			return n
		}
		c.drop(t, n)
	}
}

func (c *Client) takeIdle(t fanout.Target, key string) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.held[t.Index]
	if kept := c.idle[key]; n == nil && len(kept) > 0 {
		n = kept[len(kept)-1]
		c.idle[key] = kept[:len(kept)-1]
		c.held[t.Index] = n
	}
	if n != nil {
		n.pooled = true
	}
	return n
}

// drop ends the connection that t has.
func (c *Client) drop(t fanout.Target, n *conn) {
	c.mu.Lock()
	if c.held[t.Index] == n {
		delete(c.held, t.Index)
	}
	c.mu.Unlock()
	c.discard(n)
}

// discard closes an idle connection.
func (c *Client) discard(n *conn) {
	n.wire.abort()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, n)
}

// Release ends t's use of its connection after the last attempt. The connection
// stays for another target with an equal Endpoint if there is one, else it goes to
// Options.IdlePool or is closed. It does not block.
func (c *Client) Release(t fanout.Target) {
	ep, f := c.endpointOf(t)
	if f != nil {
		return
	}
	c.mu.Lock()
	n := c.held[t.Index]
	delete(c.held, t.Index)
	c.users[ep.key]--
	var over []*conn
	if c.users[ep.key] <= 0 {
		over, c.idle[ep.key] = c.idle[ep.key], nil
		delete(c.idle, ep.key)
	}
	keep := n != nil && n.alive() && len(c.idle[ep.key]) < min(maxIdle, c.users[ep.key]) && !c.closed
	if keep {
		c.idle[ep.key] = append(c.idle[ep.key], n)
	} else if n != nil {
		over = append(over, n)
	}
	c.mu.Unlock()
	for _, n := range over {
		c.retire(n)
	}
	ep.via.dropUser()
}

// keepAlive asks silent hosts for a sign of life until Close. It looks at all
// of them as often as the one that is to be asked the most needs.
func (c *Client) keepAlive() {
	shortest := c.interval
	for _, ep := range c.endpoints {
		if interval, _ := ep.keepalive(c.interval); interval > 0 {
			shortest = min(shortest, interval)
		}
	}
	tick := fanout.NewTimer(shortest/3, nil)
	defer tick.Stop()
	for ; ; tick.Reset(shortest / 3) {
		select {
		case <-tick.C:
			c.sendKeepalives()
		case <-c.stop:
			return
		}
	}
}

func (c *Client) sendKeepalives() {
	c.mu.Lock()
	conns := make([]*conn, 0, len(c.live))
	for n := range c.live {
		conns = append(conns, n)
	}
	c.mu.Unlock()
	for _, n := range conns {
		if n.keepaliveDue(n.ep.keepalive(c.interval)) {
			c.tails.Go(n.sendKeepalive)
		}
	}
}

// Close ends all connections that have not been passed on, and waits until
// nothing of the client runs any more; with Options.IdlePool, what ends with its
// connections may still do so, and is waited for there. Every call of Exec must
// have returned.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	conns := c.live
	c.live, c.held, c.idle = map[*conn]struct{}{}, map[int]*conn{}, map[string][]*conn{}
	c.mu.Unlock()
	close(c.stop)
	for _, b := range c.bastions {
		b.close()
	}
	for n := range conns {
		n.wire.abort()
	}
	for _, pool := range c.agents {
		pool.close()
	}
	c.wg.Wait()
	clear(c.password)
	return nil
}
