package ssh

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/ssh/remote"
)

const (
	defaultKillAfter = 3 * time.Second
	defaultDrain     = 2 * time.Second
	// maxIdle is how many connections to one endpoint wait for another target.
	maxIdle = 8
	// maxReopens is how many connections one attempt takes in search of one that
	// opens a session: all that may wait for it, and a new one.
	maxReopens = maxIdle + 2
	// maxBanner is how much of a banner is shown, in bytes; maxBanners is how
	// many different ones are told apart.
	maxBanner  = 4096
	maxBanners = 1000
)

// Options are what a Client needs to know.
type Options struct {
	// Endpoints by the Index of their targets.
	// The client keeps them; they must not be changed afterwards.
	Endpoints []Endpoint
	// KnownHosts are the files that hold host keys; those that are absent are
	// empty. AcceptNew adds to the first.
	KnownHosts []string
	// AgentSocket is the path of an SSH agent's socket. Empty: no agent.
	AgentSocket string
	// DefaultIdentities are key files for endpoints that name none. Those that
	// cannot be used are left out.
	DefaultIdentities []string
	// Shell runs proxy commands, as "Shell -c"; empty: /bin/sh.
	Shell string
	// ChildEnv is the environment of proxy commands; nil: that of this process.
	ChildEnv []string
	// Passphrase asks for the passphrase of the key in path; the slice is
	// overwritten after use. Nil: encrypted keys without an agent cannot be used.
	Passphrase func(ctx context.Context, path string) ([]byte, error)
	// Password is sent, after the keys, to hosts that accept or ask for one; never to
	// bastions. One host must accept it before it is sent to others, and after one has
	// rejected it, it is sent to no more. Close overwrites it. Nil: none.
	Password fanout.Secret
	// KillAfter is how long a command has to obey TERM; 0 means 3 s.
	KillAfter time.Duration
	// Drain is how long a host may be silent after a command has ended while
	// something else keeps its output open; 0 means 2 s. Five times as long is
	// the most that is waited, silent or not.
	Drain time.Duration
	// IdlePool receives the connections that this Client no longer needs and supplies
	// those that earlier clients left. It must not be closed before the Client. Nil:
	// connections end with the Client.
	IdlePool *IdlePool
	// Borrowed has the keys, if they are in another process: then Identities, agents,
	// AgentSocket, DefaultIdentities and Passphrase are not looked at. Nil: they are here.
	Borrowed *Borrowed
	// Hint says what the operator can do about a cause, on the host of that name. It
	// is called from several goroutines at once. Nil: failures have no hints.
	Hint func(host string, cause fanout.Cause) string
	// Logger receives debug messages about logins and connections. Nil: discarded.
	Logger *slog.Logger
	// Banner receives the text that a host sends before the login, each different text
	// once, with control characters made visible. It is called from several goroutines
	// at once. Nil: banners are discarded.
	Banner func(host, text string)
	// Warn receives problems that do not keep the client from working. It is called
	// from several goroutines at once. Nil: warnings are discarded.
	Warn func(string)
}

// A Client runs commands on the targets of one plan. It is safe for use by
// many goroutines. The zero value is not usable; see New.
type Client struct {
	endpoints    []*endpoint
	agents       map[string]*agentPool // by socket; not changed after New
	bastions     map[string]*bastion   // by the key of their endpoint; not changed after New
	log          *slog.Logger
	tell         func(host, text string)
	killAfter    time.Duration
	drain        time.Duration
	probeTimeout time.Duration // for one search for the remaining processes of a command
	hint         hinter        // nil: nothing is said
	shell        string
	childEnv     []string      // of proxy commands; nil: ours
	interval     time.Duration // of keepalives, where an endpoint has none
	resolver     *net.Resolver // nil: the usual one
	names        *nameQueue    // of those that are being resolved
	sudoGate     passwordGate
	loginGate    passwordGate // of the password
	crowd        atomic.Int64 // connections whose output is taken
	callers      *callers     // of what their connections send
	password     fanout.Secret
	idlePool     *IdlePool // nil: connections end with the client

	wg    sync.WaitGroup
	tails *sync.WaitGroup // goroutines that end with a connection; wg, or that of idlePool
	stop  chan struct{}   // closed by Close

	mu      sync.Mutex            // guards what follows
	users   map[string]int        // targets that have not been released, by endpoint key
	held    map[int]*conn         // by target
	idle    map[string][]*conn    // by endpoint key
	live    map[*conn]struct{}    // all of them
	banners map[[32]byte]struct{} // seen
	keeping bool                  // the keeper runs
	closed  bool
}

var _ fanout.Executor = (*Client)(nil)

// New reads the keys, asks the agent what it holds and reads known_hosts.
// Nothing connects to a host. The error is a *KeyError if a key that an
// endpoint names cannot be used.
func New(ctx context.Context, opts Options) (*Client, error) {
	c := &Client{
		log:          opts.Logger,
		tell:         opts.Banner,
		callers:      new(callers),
		killAfter:    orDefault(opts.KillAfter, defaultKillAfter),
		drain:        orDefault(opts.Drain, defaultDrain),
		probeTimeout: sweepTime,
		password:     opts.Password,
		shell:        cmp.Or(opts.Shell, "/bin/sh"),
		childEnv:     opts.ChildEnv,
		hint:         opts.Hint,
		interval:     keepaliveInterval,
		agents:       map[string]*agentPool{},
		bastions:     map[string]*bastion{},
		names:        newNameQueue(),
		stop:         make(chan struct{}),
		users:        map[string]int{},
		held:         map[int]*conn{},
		idle:         map[string][]*conn{},
		live:         map[*conn]struct{}{},
		banners:      map[[32]byte]struct{}{},
	}
	c.tails = &c.wg
	if opts.IdlePool != nil && len(opts.Password) == 0 {
		c.idlePool, c.tails = opts.IdlePool, &opts.IdlePool.wg
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	warn := warnOnce(opts.Warn)
	c.sudoGate.warn, c.loginGate.warn = warn, warn
	if err := c.prepare(ctx, opts, warn); err != nil {
		_ = c.Close() // nothing is connected
		return nil, err
	}
	return c, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// warnOnce gives each text to warn only once.
func warnOnce(warn func(string)) func(string) {
	if warn == nil {
		return func(string) {}
	}
	var told sync.Map
	return func(text string) {
		if _, again := told.LoadOrStore(text, true); !again {
			warn(text)
		}
	}
}

// Exec makes one attempt, as fanout.Executor says.
func (c *Client) Exec(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) fanout.Report {
	report := c.exec(ctx, a, task, stdout, stderr)
	report.Failure = c.hint.about(a.Target.Name, report.Failure)
	return report
}

func (c *Client) exec(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) fanout.Report {
	var report fanout.Report
	ep, f := c.endpointOf(a.Target)
	if f != nil {
		report.Failure = f
		return report
	}
	report.Address = ep.address()
	if !task.Runs() {
		_, report.Failure = c.acquire(ctx, a.Target, ep, &report)
		return report
	}
	if _, ok := task.Action.(*fanout.Transfer); ok {
		transfer(ctx, c, a, ep, task, stdout, stderr, &report)
		return report
	}
	s, f := c.open(ctx, a.Target, ep, &report)
	if f != nil {
		report.Failure = f
		return report
	}
	if f := begin(ctx, a, report.Address); f != nil {
		report.Failure = f
		s.abandon()
		c.drop(a.Target, s.conn)
		return report
	}
	task = withVariables(task, a, ep.Endpoint)
	pty := task.PTY
	for s != nil {
		s.run(ctx, remote.NewOrder(&task, pty), a.Target.Limits.Timeout, stdout, stderr, &report)
		s.conn.blame(report.Failure)
		s.conn.quoteDisconnect(report.Failure)
		if !s.reusable() {
			c.drop(a.Target, s.conn)
		}
		s.finish(ctx)
		if !s.sudo.wantsTTY {
			return report
		}
		pty = &fanout.PTY{Term: "dumb", Columns: 80, Rows: 24}
		report.Failure = nil
		s, report.Failure = c.open(ctx, a.Target, ep, &report)
	}
	return report
}

// begin marks the start of the command.
func begin(ctx context.Context, a fanout.Attempt, address string) *fanout.Failure {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if a.Starting != nil {
		if err := a.Starting(ctx, address); err != nil {
			if ctx.Err() != nil {
				return stopped(ctx)
			}
			return &fanout.Failure{Op: fanout.OpLocal, Message: err.Error(), Final: true}
		}
	}
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	return nil
}

func (c *Client) endpointOf(t fanout.Target) (*endpoint, *fanout.Failure) {
	if t.Index < 0 || t.Index >= len(c.endpoints) {
		return nil, &fanout.Failure{Op: fanout.OpLocal, Final: true, Message: fmt.Sprintf("no endpoint for target %d", t.Index)}
	}
	return c.endpoints[t.Index], nil
}

// open returns a session that is ready for a command. A reused connection may be dead,
// or the host may refuse another channel on it: then open dials again.
func (c *Client) open(ctx context.Context, t fanout.Target, ep *endpoint, report *fanout.Report) (*session, *fanout.Failure) {
	began := time.Now()
	for try := 1; ; try++ {
		conn, f := c.acquire(ctx, t, ep, report)
		if f != nil {
			return nil, f
		}
		ch, requests, err := conn.session(ctx, t.Limits.ConnectTimeout)
		if err == nil {
			return newSession(c, t.Name, conn, ch, requests), nil
		}
		c.drop(t, conn)
		if ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		if conn.jump.lost() && time.Since(began) < t.Limits.ConnectTimeout && try < maxReopens && pause(ctx, try) {
			continue
		}
		if !conn.pooled || try >= maxReopens {
			return nil, sessionFailure(err)
		}
		c.log.Debug("dialing again: the idle connection is unusable", "host", t.Name, "reason", reason(err))
	}
}

// banner passes on what a host says before the login, unless it was said
// before.
func (c *Client) banner(host, text string) {
	if c.tell == nil {
		return
	}
	text = sanitize.Text(text, maxBanner)
	if text == "" {
		return
	}
	sum := sha256.Sum256([]byte(text))
	c.mu.Lock()
	_, seen := c.banners[sum]
	seen = seen || len(c.banners) >= maxBanners
	c.banners[sum] = struct{}{}
	c.mu.Unlock()
	if !seen {
		c.tell(host, text)
	}
}

// adopt takes charge of a new connection.
func (c *Client) adopt(n *conn, channels <-chan gossh.NewChannel, requests <-chan *gossh.Request) *conn {
	c.tails.Go(func() { n.serve(channels, requests) })
	c.own(n)
	return n
}

// own notes that n is this client's to keep alive and to close.
func (c *Client) own(n *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[n] = struct{}{}
	n.wire.gate.join(&c.crowd)
	if !c.keeping && !c.closed {
		c.keeping = true
		c.wg.Go(c.keepAlive)
	}
}
