package ssh

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tutti/fanout"
)

// maxInUse is how many connections share one login at a bastion. They share a process
// there, its open files and one TCP connection.
const maxInUse = 200

// maxUnused is how many logins in a row may end at the bastion before any connection
// has gone through them.
const maxUnused = 5

// A bastion is a host that others are reached through. Its logins are shared by up to
// maxInUse connections each.
type bastion struct {
	client *Client
	ep     *endpoint

	mu        sync.Mutex // guards what follows
	users     int        // targets beyond it that have not been released
	conns     []*jumpConn
	proved    bool // a login has succeeded before
	waiters   int  // calls of acquire that wait for a login
	logins    map[*jumpLogin]struct{}
	loginDone chan struct{} // closed and replaced when a login has finished
	failed    int           // logins that have failed
	unused    int           // logins in a row that ended before anything went through
	failure   *fanout.Failure
}

// A jumpConn is a connection to a bastion.
type jumpConn struct {
	*conn
	inUse int  // guarded by the bastion's mu
	used  bool // the bastion has answered for a host beyond it; guarded by the bastion's mu
}

// A jumpLogin is a login at a bastion in progress. No target owns it: it is cancelled
// when every target that waited for it has run out of time.
type jumpLogin struct {
	login  *login
	cancel context.CancelFunc
}

func newBastion(c *Client, ep *endpoint) *bastion {
	return &bastion{client: c, ep: ep, logins: map[*jumpLogin]struct{}{}, loginDone: make(chan struct{})}
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

// acquire reserves a place on a connection to the bastion for l, and logs in if there
// is none; release returns it. The error is a *jumpError, or the cause of ctx; then
// l.waited holds what the login was waiting for.
func (b *bastion) acquire(ctx context.Context, l *login) (*jumpConn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiters++
	defer func() { b.waiters-- }()
	for seen := b.failed; ; {
		if r := b.tryAcquire(); r != nil {
			r.inUse++
			return r, nil
		}
		if f := b.failure; f != nil && (f.Final || b.failed > seen && len(b.logins) == 0) {
			failure := *f
			return nil, &jumpError{&failure}
		}
		b.startLogins(ctx, l.limit)
		landed := b.loginDone
		b.mu.Unlock()
		select {
		case <-landed:
		case <-ctx.Done():
		}
		b.mu.Lock()
		if ctx.Err() != nil {
			l.waited = b.progress()
			if b.waiters == 1 {
				b.cancelLogins()
			}
			return nil, context.Cause(ctx)
		}
	}
}

// cancelLogins cancels the logins in progress. b.mu is held.
func (b *bastion) cancelLogins() {
	for f := range b.logins {
		f.cancel()
	}
	clear(b.logins)
}

// release returns a place that acquire reserved.
func (b *bastion) release(r *jumpConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.inUse--
}

// tryAcquire returns a live connection with a free place, else nil. b.mu is held.
func (b *bastion) tryAcquire() *jumpConn {
	b.conns = slices.DeleteFunc(b.conns, func(r *jumpConn) bool {
		if r.alive() {
			return false
		}
		if !r.used {
			b.countUnused()
		}
		b.client.discard(r.conn)
		return true
	})
	for _, r := range b.conns {
		if r.inUse < maxInUse {
			return r
		}
	}
	return nil
}

// noteAnswer records that the bastion has answered a request for a host beyond it, with
// whatever answer. Until then a login may be dead without having shown it.
func (b *bastion) noteAnswer(r *jumpConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.used, b.unused = true, 0
}

// countUnused counts a login that ended before any connection went through it. Several
// in a row are a failure: otherwise a bastion that drops each login would keep tutti
// logging in forever. b.mu is held.
func (b *bastion) countUnused() {
	if b.unused++; b.unused < maxUnused {
		return
	}
	b.unused = 0
	b.failed++
	b.failure = b.explain(&fanout.Failure{Op: fanout.OpLogin, Message: "it hangs up after each login"})
}

// startLogins starts as many logins as the waiting targets need. Until one has
// succeeded it starts only one, so that a key that the bastion rejects is offered once.
// b.mu is held.
func (b *bastion) startLogins(ctx context.Context, limit time.Duration) {
	want := 1
	if b.proved {
		want = min(maxLogins, (b.waiters+maxInUse-1)/maxInUse)
	}
	for len(b.logins) < want {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		// Each waiting target has its own, shorter limit. This one ends a
		// login that is stuck while more targets come to wait for it.
		l := &login{client: b.client, ep: b.ep, host: b.name(), limit: 2 * limit, report: &fanout.Report{}}
		f := &jumpLogin{login: l, cancel: cancel}
		b.logins[f] = struct{}{}
		ended := b.unused
		b.client.wg.Go(func() {
			if ended > 0 {
				pause(ctx, ended)
			}
			b.login(ctx, f)
		})
	}
}

// login logs in, or takes an idle connection of an earlier client, and wakes the
// waiting targets.
func (b *bastion) login(ctx context.Context, f *jumpLogin) {
	var failure *fanout.Failure
	n := b.client.resume(ctx, b.ep, f.login.limit)
	if n == nil {
		n, failure = f.login.run(ctx)
	}
	f.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, wanted := b.logins[f]; !wanted {
		if n != nil {
			b.client.discard(n)
		}
		return
	}
	delete(b.logins, f)
	switch {
	case n != nil:
		b.conns = append(b.conns, &jumpConn{conn: n})
		b.proved = true
	case !f.login.late:
		b.failed++
		b.failure = b.explain(failure)
	}
	close(b.loginDone)
	b.loginDone = make(chan struct{})
}

// explain turns a failed login at the bastion into the failure of the hosts behind it.
func (b *bastion) explain(f *fanout.Failure) *fanout.Failure {
	if f.Op == fanout.OpJump || f.Op == fanout.OpLocal {
		return f // an earlier bastion, or ourselves
	}
	return &fanout.Failure{Op: fanout.OpJump, Final: f.Final, Cause: f.Cause, Message: fmt.Sprintf("at %s: %s: %s", b.name(), f.Op, f.Text())}
}

// progress returns how far a login at the bastion has come. b.mu is held.
func (b *bastion) progress() string {
	for f := range b.logins {
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
	if said := l.dropReport.Load(); said != nil && p <= phaseVersion {
		text += " (" + *said + ")"
	}
	return fmt.Sprintf("at %s while %s", l.host, text)
}

// addUser counts a target behind the bastion, and behind those before it.
func (b *bastion) addUser() {
	for ; b != nil; b = b.ep.via {
		b.mu.Lock()
		b.users++
		b.mu.Unlock()
	}
}

// close cancels the logins in progress.
func (b *bastion) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancelLogins()
}

// dropUser counts a target out. After the last one the connections go to the idle pool,
// or are closed.
func (b *bastion) dropUser() {
	for ; b != nil; b = b.ep.via {
		b.mu.Lock()
		var over []*jumpConn
		if b.users--; b.users <= 0 {
			over, b.conns = b.conns, nil
			b.cancelLogins()
		}
		b.mu.Unlock()
		for _, r := range over {
			b.client.retire(r.conn)
		}
	}
}
