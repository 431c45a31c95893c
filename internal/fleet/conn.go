package fleet

import (
	"bytes"
	"cmp"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// serverVersion is what hosts announce unless they have a Version. It does not begin with the name of a
// known server, so that no client turns on work-arounds for one.
const serverVersion = "SSH-2.0-tutti_fleet"

// conn is one connection to a host.
type conn struct {
	fleet  *Fleet
	host   *host
	number int
	faults *Faults // as they were when it was accepted
	wire   *wire
	record *connEntry
	ssh    *gossh.ServerConn // nil before the login; set under mu, and read under it by others than run
	wg     sync.WaitGroup    // sessions

	mu     sync.Mutex // guards what follows
	opened int        // session channels asked for
	active int        // session channels open
}

// serve serves one connection to its end.
func (f *Fleet) serve(tcp *net.TCPConn, h *host) {
	number := int(h.accepted.Add(1))
	faults := h.faults.Load()
	record := &connEntry{ConnRecord: ConnRecord{Host: h.Name, Conn: number, Accepted: time.Now()}}
	c := &conn{
		fleet:  f,
		host:   h,
		number: number,
		faults: faults,
		wire:   newWire(tcp, record, f.latency, faults),
		record: record,
	}
	f.log.addConn(c.record)
	if f.track(c) {
		c.run()
	}
	c.abort()
	f.log.note(func() { c.record.Closed = time.Now() })
	c.wg.Wait() // a process may outlive its connection
	f.untrack(c)
}

// abort ends the connection now.
func (c *conn) abort() { c.wire.abort() }

// run does the handshake and answers requests until the connection ends.
func (c *conn) run() {
	if c.faults.Refuse {
		end(c.wire.tcp, Reset)
		return
	}
	if c.faults.AcceptDelay > 0 && !c.fleet.pause(c.faults.AcceptDelay) {
		return
	}
	if c.throttled() {
		c.wire.text(c.faults.Throttle)
		_ = c.wire.Close()
		c.awaitEnd()
		return
	}
	c.wire.text(c.faults.Preamble)
	c.wire.begin()
	server, chans, reqs, err := gossh.NewServerConn(c.wire, c.config())
	c.host.pending.Add(-1)
	if err != nil {
		c.awaitEnd() // a silent connection stands until the client ends it
		return
	}
	c.mu.Lock()
	c.ssh = server
	c.mu.Unlock()
	c.fleet.log.note(func() { c.record.User, c.record.LoggedIn = server.User(), time.Now() })
	c.answer(chans, reqs)
	c.awaitEnd()
}

// throttled counts the connection as one whose login is under way, or decides
// to turn it away.
func (c *conn) throttled() bool {
	f := c.faults
	pending := c.host.pending.Add(1)
	turnAway := c.number <= f.ThrottleFirst ||
		f.MaxStartups > 0 && pending > int64(f.MaxStartups) ||
		f.Throttle != "" && f.ThrottleFirst == 0 && f.MaxStartups == 0
	if turnAway {
		c.host.pending.Add(-1)
	}
	return turnAway
}

// awaitEnd reads until the connection ends, so that what is under way arrives
// and a client that is kept waiting is not cut off.
func (c *conn) awaitEnd() {
	buf := make([]byte, 512)
	for {
		if _, err := c.wire.Read(buf); err != nil {
			return
		}
	}
}

// config is the server's configuration for this connection. The library copies
// it anyway, so that making one costs little more than sharing one would.
func (c *conn) config() *gossh.ServerConfig {
	cfg := &gossh.ServerConfig{
		Config:            c.host.Crypto,
		ServerVersion:     cmp.Or(c.host.Version, serverVersion),
		PublicKeyCallback: c.offered,
	}
	if c.faults.Stall == StepSign {
		cfg.VerifiedPublicKeyCallback = c.signed
	}
	switch {
	case c.host.Password == "":
	case c.host.AskPassword:
		cfg.KeyboardInteractiveCallback = c.asked
	default:
		cfg.PasswordCallback = c.given
	}
	if c.faults.Banner != "" {
		cfg.PreAuthConnCallback = c.banner
	}
	if c.faults.WrongHostKey {
		cfg.AddHostKey(c.fleet.impostor)
		return cfg
	}
	for _, key := range c.host.keys {
		cfg.AddHostKey(key)
	}
	return cfg
}

// bannerPart is how much of a banner goes into one packet.
const bannerPart = 32 << 10

// banner shows the banner, in as many parts as it takes.
func (c *conn) banner(pre gossh.ServerPreAuthConn) {
	for part := range slices.Chunk([]byte(c.faults.Banner), bannerPart) {
		if pre.SendAuthBanner(string(part)) != nil {
			return // the client has left, as the library will see
		}
	}
}

var errKey = errors.New("key not authorized")

// offered decides about a public key.
func (c *conn) offered(_ gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
	c.fleet.log.note(func() { c.record.Offers++ })
	if c.faults.Stall == StepAuth {
		c.wire.silence()
		return nil, errKey
	}
	if c.faults.RejectAuth {
		return nil, errKey
	}
	if c.fleet.anyKey || c.fleet.authorized[string(key.Marshal())] {
		return nil, nil
	}
	return nil, errKey
}

// given decides about a password.
func (c *conn) given(_ gossh.ConnMetadata, password []byte) (*gossh.Permissions, error) {
	c.fleet.log.note(func() { c.record.Passes++ })
	if c.faults.Stall == StepPassword {
		c.wire.silence()
		return nil, errKey
	}
	if string(password) == c.host.Password {
		return nil, nil
	}
	return nil, errKey
}

// asked asks for a password.
func (c *conn) asked(meta gossh.ConnMetadata, ask gossh.KeyboardInteractiveChallenge) (*gossh.Permissions, error) {
	answers, err := ask("", "", []string{"Password: "}, []bool{false})
	if err != nil {
		return nil, err
	}
	if len(answers) != 1 {
		return nil, errKey
	}
	return c.given(meta, []byte(answers[0]))
}

// signed falls silent when a key has been proved, so that no login completes.
func (c *conn) signed(gossh.ConnMetadata, gossh.PublicKey, *gossh.Permissions, string) (*gossh.Permissions, error) {
	c.wire.silence()
	return nil, errKey
}

// answer answers channels and global requests, in one goroutine for both.
func (c *conn) answer(chans <-chan gossh.NewChannel, reqs <-chan *gossh.Request) {
	for chans != nil || reqs != nil {
		select {
		case nc, ok := <-chans:
			if !ok {
				chans = nil
				continue
			}
			c.open(nc)
		case r, ok := <-reqs:
			if !ok {
				reqs = nil
				continue
			}
			// No global request is supported; to a keepalive, a refusal is
			// as good a sign of life as any. An error ends both channels.
			_ = r.Reply(false, nil)
		}
	}
}

// open answers a request for a channel.
func (c *conn) open(nc gossh.NewChannel) {
	faults := c.host.faults.Load()
	if nc.ChannelType() == "direct-tcpip" && c.host.Forward {
		c.wg.Go(func() { c.forward(nc) })
		return
	}
	if nc.ChannelType() != "session" {
		_ = nc.Reject(gossh.UnknownChannelType, "unknown channel type")
		return
	}
	c.mu.Lock()
	c.opened++
	number := c.opened
	full := faults.MaxSessions > 0 && c.active >= faults.MaxSessions
	c.mu.Unlock()
	c.fleet.log.note(func() { c.record.Sessions = number })
	switch {
	case faults.Stall == StepOpen:
		faults.strike()
	case faults.RejectOpen != nil:
		_ = nc.Reject(faults.RejectOpen.Reason, faults.RejectOpen.Message)
	case full:
		_ = nc.Reject(gossh.ConnectionFailed, "open failed")
	default:
		c.use(1)
		c.wg.Go(func() { c.session(nc, number, faults) })
	}
}

// use counts open sessions.
func (c *conn) use(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active += n
}

// flooding is what Faults.Flood sends: lines, so that a client that splits
// output by lines is put to work too.
var flooding = bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog 0123456789 abcdefgh\n"), 512)
