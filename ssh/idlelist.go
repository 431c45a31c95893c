package ssh

import "time"

// An IdleConn is a connection in an IdlePool.
type IdleConn struct {
	// User, Address and Port are those of its Endpoint, and Name its Alias.
	User, Address string
	Port          int
	Name          string
	// LoggedIn is when it was made, Since when it was used last, Until when it ends
	// unless it is used before.
	LoggedIn, Since, Until time.Time
}

// List returns the idle connections, the longest idle first.
func (k *IdlePool) List() []IdleConn {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]IdleConn, 0, k.idle.len())
	for _, n := range k.idle.all() {
		list = append(list, k.describe(n))
	}
	return list
}

// describe is n as others see it; k.mu is held.
func (k *IdlePool) describe(n *conn) IdleConn {
	c := IdleConn{
		User: n.ep.User, Address: n.ep.Address, Port: n.ep.Port, Name: n.ep.Alias,
		LoggedIn: n.wire.born, Since: n.since, Until: n.since.Add(n.persist),
	}
	if k.maxAge > 0 {
		c.Until = n.wire.born.Add(k.maxAge)
	}
	return c
}

// Len is how many idle connections there are.
func (k *IdlePool) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.idle.len()
}

// End closes the idle connections that match and returns how many there were.
func (k *IdlePool) End(match func(IdleConn) bool) int {
	k.mu.Lock()
	ended := k.idle.end(func(n *conn) bool { return match(k.describe(n)) })
	k.mu.Unlock()
	abortAll(ended)
	return len(ended)
}

// SetMost changes how many idle connections there are at most.
func (k *IdlePool) SetMost(most int) {
	k.mu.Lock()
	k.most = most
	var ended []*conn
	for k.idle.len() > most {
		ended = append(ended, k.idle.removeOldest())
	}
	k.mu.Unlock()
	abortAll(ended)
}
