package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tutti/internal/sanitize"
)

const (
	// agentConns is how many requests are with the agent at once. Agents are
	// slow at doing things in parallel, and some refuse to.
	agentConns = 4
	// agentTime bounds one request.
	agentTime = 10 * time.Second
)

// An agentPool signs with the keys of an SSH agent. Requests go one at a time
// over each connection: agents of some age take a message for the end of the
// one before. A connection that has failed is not used again, because a late
// answer on it would be taken for the next one.
type agentPool struct {
	socket string
	limit  time.Duration // of one request
	slots  chan struct{}

	mu     sync.Mutex // guards what follows
	idle   []*agentConn
	closed bool
}

type agentConn struct {
	net.Conn
	agent agent.ExtendedAgent
}

func newAgentPool(socket string) *agentPool {
	return &agentPool{socket: socket, limit: agentTime, slots: make(chan struct{}, agentConns)}
}

// keys lists what the agent holds.
func (p *agentPool) keys(ctx context.Context) ([]*key, error) {
	var held []*agent.Key
	err := p.use(ctx, func(a agent.ExtendedAgent) (err error) {
		held, err = a.List()
		return err
	})
	if err != nil {
		return nil, err
	}
	var keys []*key
	for _, h := range held {
		public, err := gossh.ParsePublicKey(h.Blob)
		if err != nil {
			continue // of a type that the SSH library cannot offer
		}
		if k := p.key(public, h.Comment); k.sound() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (p *agentPool) key(public gossh.PublicKey, comment string) *key {
	return &key{
		public: public,
		name:   fmt.Sprintf("agent key %q", sanitize.Line(comment, 100)),
		sign: func(ctx context.Context, data []byte, algorithm string) (*gossh.Signature, error) {
			return p.sign(ctx, public, data, algorithm)
		},
	}
}

// sign asks for a signature, and once more if the agent has refused: some do
// when they are busy.
func (p *agentPool) sign(ctx context.Context, public gossh.PublicKey, data []byte, algorithm string) (*gossh.Signature, error) {
	var flags agent.SignatureFlags
	switch algorithm {
	case gossh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case gossh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	var signature *gossh.Signature
	ask := func(a agent.ExtendedAgent) (err error) {
		signature, err = a.SignWithFlags(public, data, flags)
		return err
	}
	err := p.use(ctx, ask)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errAgentSlow) {
		err = p.use(ctx, ask)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w (keys added with ssh-add -h work only with ssh itself)", err)
		}
	}
	return signature, err
}

// errAgentSlow is a request that took the agent too long.
var errAgentSlow = errors.New("the agent did not answer in time")

// use makes one request.
func (p *agentPool) use(ctx context.Context, request func(agent.ExtendedAgent) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c, err := p.conn(ctx)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // unblocks the request
	began := time.Now()
	_ = c.SetDeadline(began.Add(p.limit)) // if it fails so does the request
	err = request(c.agent)
	if !stop() {
		_ = c.Close() // closed already
		return context.Cause(ctx)
	}
	if err != nil {
		_ = c.Close() // there is nothing to lose on it
		if time.Since(began) >= p.limit {
			return errAgentSlow
		}
		return err
	}
	p.park(c)
	return nil
}

func (p *agentPool) conn(ctx context.Context) (*agentConn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	d := net.Dialer{Timeout: p.limit}
	c, err := d.DialContext(ctx, "unix", p.socket)
	if err != nil {
		return nil, &os.PathError{Op: "connect", Path: p.socket, Err: errors.New(reason(err))}
	}
	// Without a Close method in sight the library waits for each answer.
	serial := struct {
		io.Reader
		io.Writer
	}{c, c}
	return &agentConn{Conn: c, agent: agent.NewClient(serial)}, nil
}

func (p *agentPool) park(c *agentConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close() // it is idle
		return
	}
	p.idle = append(p.idle, c)
}

func (p *agentPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.Close() // it is idle
	}
	p.idle = nil
}

// wantsTouch reports whether k is in a token that may want to be touched for
// each signature.
func (k *key) wantsTouch() bool { return strings.HasPrefix(k.public.Type(), "sk-") }

// Touches is how many targets may want a hardware token to be touched when they
// are logged in to, each time.
func (c *Client) Touches() int {
	n := 0
	for _, ep := range c.endpoints {
		if slices.ContainsFunc(ep.keys[:min(len(ep.keys), maxOffers)], (*key).wantsTouch) {
			n++
		}
	}
	return n
}
