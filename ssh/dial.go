package ssh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/ssh/knownhosts"
)

const (
	// freeTries is how often a host without a connect timeout is dialled that
	// hangs up before its version line, and maxTries how often any host is within
	// one attempt, however long its time is.
	freeTries = 10
	maxTries  = 120
	// firstPause and maxPause bound the time between two such tries.
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// A phase is where a login is.
type phase int

const (
	phaseQueue phase = iota
	phaseJump
	phaseLookups
	phaseResolve
	phaseDial
	phaseVersion
	phaseKeyExchange
	phaseAuth
)

var phaseNames = []string{"waiting for other logins", "connecting through the bastion", "waiting for other names to be resolved", "resolving the name", "connecting", "waiting for the SSH banner", "exchanging keys", "authenticating"}

// op is where a login that ended in p has stopped.
func (l *login) op(p phase) fanout.Op {
	switch {
	case p == phaseJump, p == phaseDial && l.ep.via != nil:
		return fanout.OpJump
	case p == phaseLookups, p == phaseResolve:
		return fanout.OpResolve
	case p == phaseDial:
		return fanout.OpDial
	}
	return fanout.OpLogin
}

// A login is the way to a connection, over several tries if need be.
type login struct {
	client *Client
	ep     *endpoint
	host   string // the target's name
	report *fanout.Report
	limit  time.Duration // of all tries together; 0: none
	pass   passwordTry   // as it stands before a try

	kinds             []string // host key types to ask for first, once known better
	asked             bool     // the host has been asked for those
	dropsBeforeBanner int      // how often the host disconnected before its version line
	dropText          string   // the text that it last sent then
	late              bool     // the limit has ended it
	queued            bool     // it has a place among the names that are resolved
	// dropReport describes dropsBeforeBanner and dropText; read by other goroutines.
	dropReport atomic.Pointer[string]

	// Of the current try.
	wire     *wire
	jump     *jumpConn // to the bastion that it goes through; nil: none
	waited   string    // what it was waiting for when the wait for a bastion ended
	auth     *authentication
	hungUp   bool // the host closed the connection before its version line
	phase    atomic.Int32
	resolved atomic.Int64 // time.Duration since it began
	accepted atomic.Pointer[string]
}

// connect logs in to ep within the target's connect timeout, and notes in
// report how long each step took.
func (c *Client) connect(ctx context.Context, t fanout.Target, ep *endpoint, report *fanout.Report) (*conn, *fanout.Failure) {
	l := &login{
		client: c, ep: ep, host: t.Name, report: report, limit: t.Limits.ConnectTimeout,
		pass: passwordTry{password: c.password, passwordGate: &c.loginGate, host: t.Name, anyHost: ep.HostKeys == hostkeys.Off, ways: ep.Methods},
	}
	conn, f := l.run(ctx)
	return conn, f
}

// run takes its turn at the address and tries until there is a login or no
// hope of one.
func (l *login) run(ctx context.Context) (*conn, *fanout.Failure) {
	site := l.ep.limiter
	select {
	case site.slots <- struct{}{}:
		defer func() { <-site.slots }()
	case <-ctx.Done():
		return nil, stopped(ctx)
	}
	if f := site.closed(l.ep.address()); f != nil {
		return nil, f
	}
	if f := l.queue(ctx); f != nil {
		return nil, f
	}
	budget, limit := allow(ctx, l.limit)
	defer limit.cancel(nil)
	l.pass.run, l.pass.limit = ctx, limit
	began := time.Now()
	for try := 1; ; try++ {
		conn, err := l.try(budget, began)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		if l.reorder(err) {
			continue
		}
		again := l.again(err) && try < maxTries && (l.limit > 0 || try < freeTries)
		if !again || !pause(budget, try) {
			if ctx.Err() != nil {
				return nil, stopped(ctx)
			}
			return nil, l.failure(budget, err)
		}
	}
}

// queue waits for a place among the names that are resolved. The host's time
// does not run meanwhile.
func (l *login) queue(ctx context.Context) *fanout.Failure {
	if !l.ep.named() {
		return nil
	}
	l.phase.Store(int32(phaseLookups))
	began := time.Now()
	err := l.client.names.wait(ctx, l.limit)
	if err == nil {
		l.queued = true
		return nil
	}
	l.report.Resolve = time.Since(began)
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	l.late = true
	return l.lateFailure(phaseLookups)
}

// reorder decides whether the host is asked at once for another type of key. That
// is done once, whatever the host and known_hosts hold.
func (l *login) reorder(err error) bool {
	reorder, ok := errors.AsType[*knownhosts.ReorderError](err)
	if !ok || l.asked {
		return false
	}
	l.kinds, l.asked = reorder.Kinds, true
	return true
}

// again decides whether another try may follow after a pause: the host hung up
// before it said anything, the way to it was lost, the kernel may find room
// meanwhile, or closing an idle connection has made room for this one.
func (l *login) again(err error) bool {
	return l.hungUp || errors.Is(err, errJumpLost) || noNeighbours(err) || outOfFiles(err) && l.client.idlePool.makeRoom()
}

// pause waits before the next try, longer each time, and reports whether there
// is time for one.
func pause(ctx context.Context, try int) bool {
	t := time.NewTimer(fanout.Backoff(firstPause, maxPause, try))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *login) try(ctx context.Context, began time.Time) (*conn, error) {
	l.hungUp, l.jump = false, nil
	l.resolved.Store(0)
	l.accepted.Store(nil)
	tcp, err := l.dial(ctx)
	l.measure(time.Since(began))
	if err != nil {
		if errors.Is(err, syscall.ECONNRESET) {
			l.noteDrop() // the reset was there before we had looked
		}
		return nil, err
	}
	connected := time.Now()
	l.report.Address = tcp.RemoteAddr().String()

	w := newWire(tcp)
	w.callers = l.client.callers
	w.holding = min(w.holding, l.client.drain/2) // the read error must come before the drain time is over
	l.wire, l.auth = w, newAuthentication(ctx, w, l.ep.User, l.ep.keys, l.pass)
	l.phase.Store(int32(phaseVersion))
	w.greeting.heard = func() { l.phase.CompareAndSwap(int32(phaseVersion), int32(phaseKeyExchange)) }
	stop := context.AfterFunc(ctx, w.abort)
	s, channels, requests, err := gossh.NewClientConn(w, l.ep.address(), l.config(ctx))
	err = l.auth.ended(err)
	l.auth.pass.record(err, l.auth.tookPassword())
	l.report.Login = time.Since(connected)
	if err != nil {
		if stop() {
			err = l.onDrop(tcp, err)
		}
		w.abort()
		return nil, err
	}
	w.patient = isPatient(s.ServerVersion())
	w.grants.near.Store(isNear(tcp))
	w.loggedIn.Store(true)
	conn := l.client.adopt(&conn{
		wire: w, ssh: s, ep: l.ep, jump: l.jump, dead: make(chan struct{}), persist: l.ep.Persist,
		address: l.report.Address, hostKey: *l.accepted.Load(),
	}, channels, requests)
	if !stop() {
		l.client.discard(conn)
		return nil, context.Cause(ctx)
	}
	l.log(s)
	return conn, nil
}

// measure notes how the time until there was a connection, or none, was spent.
func (l *login) measure(spent time.Duration) {
	l.report.Resolve = time.Duration(l.resolved.Load())
	if p := phase(l.phase.Load()); p == phaseLookups || p == phaseResolve {
		l.report.Resolve = spent // and then there was no connection
	}
	l.report.Dial = spent - l.report.Resolve
}

// onDrop finds out who broke the connection: the bastion or the proxy command, or the
// host before it sent its version line.
func (l *login) onDrop(c net.Conn, err error) error {
	if !l.wire.failed.Load() {
		return err
	}
	if l.jump.lost() {
		return errJumpLost
	}
	p, proxied := c.(*proxy)
	if proxied {
		if f := p.failure(); f != nil {
			return &jumpError{f}
		}
	}
	if l.wire.greeting.version || errors.As(err, new(*greetingError)) {
		return err
	}
	l.dropText = l.wire.greeting.said()
	if proxied && l.dropText == "" {
		l.dropText = p.said()
	}
	l.noteDrop()
	return err
}

// noteDrop records that the host disconnected before its version line.
func (l *login) noteDrop() {
	l.hungUp = true
	l.dropsBeforeBanner++
	m := l.dropMessage()
	l.dropReport.Store(&m)
}

func (l *login) log(s gossh.Conn) {
	log := l.client.log
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []any{
		"host", l.host, "address", l.report.Address, "user", l.ep.User,
		"resolve", l.report.Resolve, "dial", l.report.Dial, "login", l.report.Login,
	}
	if a, ok := s.(gossh.AlgorithmsConnMetadata); ok {
		n := a.Algorithms()
		attrs = append(attrs, "kex", n.KeyExchange, "hostkey", n.HostKey, "cipher", n.Write.Cipher)
	}
	log.Debug("logged in", attrs...)
}

// dial makes the connection: through a bastion, by a program, or over TCP to
// whichever of the name's addresses answers first.
func (l *login) dial(ctx context.Context) (net.Conn, error) {
	switch {
	case l.ep.via != nil:
		return l.tunnel(ctx)
	case l.ep.ProxyCommand != "":
		l.phase.Store(int32(phaseDial))
		return startProxy(l.client, l.ep)
	}
	if !l.ep.named() {
		l.phase.Store(int32(phaseDial))
		return (&net.Dialer{}).DialContext(undated{ctx}, "tcp", l.ep.address())
	}
	return l.dialName(ctx)
}

// dialName resolves the name and connects. The place among the names is given
// back as soon as that one is resolved.
func (l *login) dialName(ctx context.Context) (net.Conn, error) {
	names := l.client.names
	if !l.queued {
		l.phase.Store(int32(phaseLookups))
		if err := names.wait(ctx, 0); err != nil {
			return nil, err
		}
	}
	l.queued = false
	l.phase.Store(int32(phaseResolve))
	var once sync.Once
	leave := func(answered bool) { once.Do(func() { names.leave(answered) }) }
	asked := time.Now()
	d := net.Dialer{
		Resolver: l.client.resolver,
		ControlContext: func(context.Context, string, string, syscall.RawConn) error {
			if l.phase.CompareAndSwap(int32(phaseResolve), int32(phaseDial)) {
				l.resolved.Store(int64(time.Since(asked)))
			}
			leave(true)
			return nil
		},
	}
	c, err := d.DialContext(ctx, "tcp", l.ep.address())
	dns, unresolved := errors.AsType[*net.DNSError](err)
	leave(ctx.Err() == nil && !(unresolved && dns.IsTimeout))
	return c, err
}

// config is the configuration of this login for the SSH library.
func (l *login) config(ctx context.Context) *gossh.ClientConfig {
	allowed := l.ep.algorithms
	return &gossh.ClientConfig{
		Config: gossh.Config{
			KeyExchanges: allowed.kexes,
			Ciphers:      allowed.ciphers,
			MACs:         allowed.macs,
		},
		User:              l.ep.User,
		AuthCallback:      l.auth.next,
		HostKeyAlgorithms: l.ep.hostKeys.Algorithms(l.ep.knownHost(), l.kinds, allowed.hostKeys),
		HostKeyCallback: func(_ string, remote net.Addr, key gossh.PublicKey) error {
			return l.checkHostKey(ctx, key, remote.String())
		},
		BannerCallback: func(text string) error {
			l.client.banner(l.host, text)
			return nil
		},
	}
}

// checkHostKey decides about the host's key. The library asks again whenever
// the session's keys are renewed; then it must be the same key.
func (l *login) checkHostKey(ctx context.Context, key gossh.PublicKey, remote string) error {
	blob := string(key.Marshal())
	if first := l.accepted.Load(); first != nil {
		if *first != blob {
			return &knownhosts.Refusal{Reason: knownhosts.ReasonChanged, Message: "HOST KEY CHANGED within the connection", Detail: knownhosts.Describe(key)}
		}
		return nil
	}
	l.phase.Store(int32(phaseKeyExchange))
	if err := l.ep.checkKey(ctx, key, remote, l.asked); err != nil {
		return err
	}
	l.ep.presented.Store(&blob)
	l.accepted.Store(&blob)
	l.phase.Store(int32(phaseAuth))
	return nil
}
