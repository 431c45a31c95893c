package ssh

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tutti/fanout"
)

// maxRiders is how many connections go through one login at a bastion. They
// share a process there, its open files and one TCP connection.
const maxRiders = 200

// maxStillborn is how many logins in a row may end at the bastion before any
// connection has gone through them.
const maxStillborn = 5

// A bastion is a host that others are reached through. Its logins are shared:
// one for each maxRiders that go through it at the same time.
type bastion struct {
	client *Client
	ep     *endpoint

	mu        sync.Mutex // guards what follows
	users     int        // targets beyond it that have not been released
	relays    []*relay
	proved    bool // a login has succeeded before
	waiting   int  // for a place in a relay
	flights   map[*flight]struct{}
	landed    chan struct{} // closed, and made anew, when a flight has ended
	failed    int           // flights that have failed
	stillborn int           // logins in a row that ended before anything went through
	failure   *fanout.Failure
}

// A relay is a login at a bastion.
type relay struct {
	*conn
	riders int  // guarded by the bastion's mu
	ridden bool // the bastion has answered for a host beyond it; guarded by the bastion's mu
}

// A flight is a login at a bastion that is under way. Nobody owns it: it ends
// early when those who waited for it have run out of time.
type flight struct {
	login  *login
	cancel context.CancelFunc
}

func newBastion(c *Client, ep *endpoint) *bastion {
	return &bastion{client: c, ep: ep, flights: map[*flight]struct{}{}, landed: make(chan struct{})}
}

// name is how messages call the bastion.
func (b *bastion) name() string {
	if b.ep.Alias != "" {
		return b.ep.Alias
	}
	return b.ep.Address
}

// A jumpError is a failure on the way to a host, at or behind a bastion.
type jumpError struct{ failure *fanout.Failure }

func (e *jumpError) Error() string { return e.failure.Message }

// board takes a place in a relay for l, logging in if there is none; leave
// gives it back. The error is a *jumpError, or the cause of ctx; then l knows
// what it has waited for.
func (b *bastion) board(ctx context.Context, l *login) (*relay, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	defer func() { b.waiting-- }()
	for seen := b.failed; ; {
		if r := b.seat(); r != nil {
			r.riders++
			return r, nil
		}
		if f := b.failure; f != nil && (f.Final || b.failed > seen && len(b.flights) == 0) {
			failure := *f
			return nil, &jumpError{&failure}
		}
		b.launch(ctx, l.limit)
		landed := b.landed
		b.mu.Unlock()
		select {
		case <-landed:
		case <-ctx.Done():
		}
		b.mu.Lock()
		if ctx.Err() != nil {
			l.waited = b.progress()
			if b.waiting == 1 {
				b.giveUp()
			}
			return nil, context.Cause(ctx)
		}
	}
}

// giveUp ends the logins that are under way. b.mu is locked.
func (b *bastion) giveUp() {
	for f := range b.flights {
		f.cancel()
	}
	clear(b.flights)
}

// leave gives a place back.
func (b *bastion) leave(r *relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.riders--
}

// seat returns a relay that is alive and has room, else nil.
func (b *bastion) seat() *relay {
	b.relays = slices.DeleteFunc(b.relays, func(r *relay) bool {
		if r.alive() {
			return false
		}
		if !r.ridden {
			b.bury()
		}
		b.client.discard(r.conn)
		return true
	})
	for _, r := range b.relays {
		if r.riders < maxRiders {
			return r
		}
	}
	return nil
}

// answered notes that the bastion has answered for a host beyond it, whatever it
// said. A place in the relay says nothing yet: the login may have ended without
// being seen to.
func (b *bastion) answered(r *relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.ridden, b.stillborn = true, 0
}

// bury notes a login that ended before anything went through it. Several in a row
// are a failure: the bastion decides whether there is an end to them. b.mu is
// locked.
func (b *bastion) bury() {
	if b.stillborn++; b.stillborn < maxStillborn {
		return
	}
	b.stillborn = 0
	b.failed++
	b.failure = b.explain(&fanout.Failure{Op: fanout.OpLogin, Message: "it hangs up after each login"})
}

// launch sees to it that as many logins are under way as those who wait need.
// Until one has succeeded it is only one, so that a key that the bastion does
// not take is offered once.
func (b *bastion) launch(ctx context.Context, limit time.Duration) {
	want := 1
	if b.proved {
		want = min(maxLogins, (b.waiting+maxRiders-1)/maxRiders)
	}
	for len(b.flights) < want {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		// Whoever waits has an own limit that ends sooner. This one is for
		// a login that is stuck while new ones come to wait for it.
		l := &login{client: b.client, ep: b.ep, host: b.name(), limit: 2 * limit, report: &fanout.Report{}}
		f := &flight{login: l, cancel: cancel}
		b.flights[f] = struct{}{}
		ended := b.stillborn
		b.client.wg.Go(func() {
			if ended > 0 {
				pause(ctx, ended)
			}
			b.fly(ctx, f)
		})
	}
}

// fly logs in, unless an earlier client has left a login, and tells those who
// wait.
func (b *bastion) fly(ctx context.Context, f *flight) {
	var failure *fanout.Failure
	n := b.client.resume(ctx, b.ep, f.login.limit)
	if n == nil {
		n, failure = f.login.run(ctx)
	}
	f.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, wanted := b.flights[f]; !wanted {
		if n != nil {
			b.client.discard(n)
		}
		return
	}
	delete(b.flights, f)
	switch {
	case n != nil:
		b.relays = append(b.relays, &relay{conn: n})
		b.proved = true
	case !f.login.late:
		b.failed++
		b.failure = b.explain(failure)
	}
	close(b.landed)
	b.landed = make(chan struct{})
}

// explain is the failure of a login at the bastion as those behind it have it.
func (b *bastion) explain(f *fanout.Failure) *fanout.Failure {
	if f.Op == fanout.OpJump || f.Op == fanout.OpLocal {
		return f // an earlier bastion, or ourselves
	}
	return &fanout.Failure{Op: fanout.OpJump, Final: f.Final, Cause: f.Cause, Message: fmt.Sprintf("at %s: %s: %s", b.name(), f.Op, f.Text())}
}

// progress says how far a login at the bastion has come. b.mu is locked.
func (b *bastion) progress() string {
	for f := range b.flights {
		return f.login.where()
	}
	return "while waiting for " + b.name()
}

// where says how far l has come, for those who wait for it.
func (l *login) where() string {
	p := phase(l.phase.Load())
	if via := l.ep.via; p == phaseJump {
		via.mu.Lock()
		defer via.mu.Unlock()
		return via.progress()
	}
	text := phaseNames[p]
	if said := l.turnedAway.Load(); said != nil && p <= phaseVersion {
		text += " (" + *said + ")"
	}
	return fmt.Sprintf("at %s while %s", l.host, text)
}

// behind notes a target beyond the bastion, and beyond those before it.
func (b *bastion) behind() {
	for ; b != nil; b = b.ep.via {
		b.mu.Lock()
		b.users++
		b.mu.Unlock()
	}
}

// close ends the logins that are under way, so that nothing waits for them.
func (b *bastion) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveUp()
}

// released notes that a target is done with. After the last one the relays are
// kept for later clients, or closed.
func (b *bastion) released() {
	for ; b != nil; b = b.ep.via {
		b.mu.Lock()
		var over []*relay
		if b.users--; b.users <= 0 {
			over, b.relays = b.relays, nil
			b.giveUp()
		}
		b.mu.Unlock()
		for _, r := range over {
			b.client.retire(r.conn)
		}
	}
}
