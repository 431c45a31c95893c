package ssh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tutti/internal/hostkeys"
	"tutti/ssh/knownhosts"
)

// defaultPort is the port of an endpoint that has none.
const defaultPort = 22

// An endpoint is an Endpoint made ready.
type endpoint struct {
	*Endpoint        // shared with the Options, and not changed
	key       string // equal for equal endpoints
	// identity is equal for equal logins, also those of other clients; empty
	// where nothing outlives the client.
	identity string
	keys     []*key
	limiter  *addressLimiter
	via      *bastion // that it is reached from; nil: none

	hostKeys   *knownhosts.Files
	revoked    *knownhosts.RevokedKeys // nil: none
	algorithms *algorithms

	// presented is the host key last seen, as the host sent it: the library's form
	// of it holds on to the packet that it came in.
	presented atomic.Pointer[string]
}

func (e *endpoint) address() string { return hostPort(e.Address, e.Port) }

// hostPort is how messages write a host and its port.
func hostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// keepalive returns how long the host may be silent, 0 for any time, and how
// many questions may stay without an answer.
func (e *endpoint) keepalive(usual time.Duration) (interval time.Duration, count int) {
	switch {
	case e.KeepaliveInterval == 0:
		interval = usual
	case e.KeepaliveInterval > 0:
		interval = e.KeepaliveInterval
	}
	if count = e.KeepaliveCount; count == 0 {
		count = keepaliveCount
	}
	return interval, count
}

// An endpointBuilder turns Endpoints into endpoints and shares among them what is
// equal: known_hosts files, algorithm lists, address limiters.
type endpointBuilder struct {
	client     *Client
	ring       keySource
	opts       Options
	warn       func(string)
	limiters   map[string]*addressLimiter
	hostKeys   map[string]*knownhosts.Files       // by the names of the files
	revoked    map[string]*knownhosts.RevokedKeys // by the names of the files
	algorithms map[[6]string]*algorithms
}

// prepare makes the endpoints of opts ready.
func (c *Client) prepare(ctx context.Context, opts Options, warn func(string)) error {
	ring, err := keysOf(ctx, opts, c.agents, warn)
	if err != nil {
		return err
	}
	p := &endpointBuilder{
		ring: ring, opts: opts, warn: warn,
		limiters: map[string]*addressLimiter{}, hostKeys: map[string]*knownhosts.Files{}, revoked: map[string]*knownhosts.RevokedKeys{},
		algorithms: map[[6]string]*algorithms{},
		client:     c,
	}
	for i := range opts.Endpoints {
		ep, err := p.endpoint(&opts.Endpoints[i])
		if err != nil {
			return err
		}
		c.endpoints = append(c.endpoints, ep)
		c.users[ep.key]++
		ep.via.addUser()
	}
	return nil
}

// keysOf has the keys: those of this machine's files and agents, or borrowed ones.
func keysOf(ctx context.Context, opts Options, agents map[string]*agentPool, warn func(string)) (keySource, error) {
	if opts.Borrowed != nil {
		return opts.Borrowed.keys()
	}
	return &keyRing{
		ctx: ctx, passphrase: opts.Passphrase, warn: warn,
		usual: opts.AgentSocket, pools: agents, held: map[string][]*key{}, read: map[source]readKey{},
		certificates: map[string]readCertificate{},
	}, nil
}

// check reports settings that cannot be used.
func (e *Endpoint) check() error {
	switch {
	case e.Address == "" || e.User == "":
		return errors.New("an endpoint needs an address and a user")
	case e.Port < 0 || e.Port > 65535:
		return fmt.Errorf("%s: %d is not a port", e.Address, e.Port)
	case e.ProxyCommand != "" && len(e.Jumps) > 0:
		return fmt.Errorf("%s: jump hosts and a proxy command cannot be combined", e.Address)
	}
	for _, j := range e.Jumps {
		if len(j.Jumps) > 0 {
			return fmt.Errorf("%s: the jump host %s has jump hosts of its own", e.Address, j.Address)
		}
	}
	return nil
}

// keyOf is equal for equal endpoints, however long their connections are to stay. It is
// a hash because the whole would be a large part of what an endpoint costs.
func keyOf(of *Endpoint) string {
	e := *of
	e.Persist = 0
	if slices.ContainsFunc(e.Jumps, func(j Endpoint) bool { return j.Persist != 0 }) {
		e.Jumps = slices.Clone(e.Jumps)
		for i := range e.Jumps {
			e.Jumps[i].Persist = 0
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", e))
	return string(sum[:])
}

func (p *endpointBuilder) endpoint(e *Endpoint) (*endpoint, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	if e.Port == 0 {
		filled := *e
		filled.Port = defaultPort
		e = &filled
	}
	ep := &endpoint{Endpoint: e, key: keyOf(e)}
	var err error
	if ep.via, err = p.via(e.Jumps); err != nil {
		return nil, err
	}
	if ep.algorithms, err = p.algorithmsOf(e); err != nil {
		return nil, fmt.Errorf("%s: %w", ep.address(), err)
	}
	if ep.keys, err = p.ring.identities(*e, p.opts.DefaultIdentities); err != nil {
		return nil, err
	}
	ep.keys = ep.permitted(ep.keys)
	files := p.trusted(ep)
	if p.client.idlePool != nil {
		ep.identity = p.identity(ep, files)
	}
	ep.limiter = p.limiter(ep)
	return ep, nil
}

// algorithmsOf are those that e may use. Endpoints with the same lists share them.
func (p *endpointBuilder) algorithmsOf(e *Endpoint) (*algorithms, error) {
	lists := [6]string{e.Ciphers, e.MACs, e.KeyExchanges, e.HostKeyAlgorithms, e.KeyAlgorithms, e.CASignatureAlgorithms}
	if p.algorithms[lists] == nil {
		a, err := algorithmsOf(*e)
		if err != nil {
			return nil, err
		}
		p.algorithms[lists] = a
	}
	return p.algorithms[lists], nil
}

// trusted gives to ep what decides about its host key, and returns the
// known_hosts files.
func (p *endpointBuilder) trusted(ep *endpoint) (files []string) {
	files = ep.KnownHosts
	if files == nil {
		files = p.opts.KnownHosts
	}
	names := strings.Join(files, "\x00")
	if p.hostKeys[names] == nil {
		p.hostKeys[names] = knownhosts.Open(files, p.warn)
	}
	ep.hostKeys = p.hostKeys[names]
	if ep.HostKeys == hostkeys.AcceptNew && !ep.NewKeysRefused && len(files) > 0 && files[0] == os.DevNull {
		p.warn("host keys: accept-new can write only to " + os.DevNull + ", so every login accepts the key of an unknown host without a check")
	}
	if file := ep.RevokedHostKeys; file != "" {
		if p.revoked[file] == nil {
			p.revoked[file] = knownhosts.ReadRevoked(file)
		}
		ep.revoked = p.revoked[file]
	}
	return files
}

// limiter returns the limiter of ep's address. The same address behind different
// bastions or proxy commands is a different place with a limiter of its own.
func (p *endpointBuilder) limiter(ep *endpoint) *addressLimiter {
	place := ep.address()
	switch {
	case ep.via != nil:
		place = ep.via.ep.key + " " + place
	case ep.ProxyCommand != "":
		place = ep.ProxyCommand + " " + place
	}
	if p.limiters[place] == nil {
		p.limiters[place] = newAddressLimiter()
	}
	return p.limiters[place]
}

// via returns the last of jumps, nil without any. Hosts with the same way to
// it share it.
func (p *endpointBuilder) via(jumps []Endpoint) (*bastion, error) {
	if len(jumps) == 0 {
		return nil, nil
	}
	last := len(jumps) - 1
	e := jumps[last]
	if last > 0 {
		e.Jumps = jumps[:last]
	}
	key := keyOf(&e)
	if p.client.bastions[key] == nil {
		ep, err := p.endpoint(&e)
		if err != nil {
			return nil, fmt.Errorf("jump %s: %w", e.Address, err)
		}
		p.client.bastions[key] = newBastion(p.client, ep)
	}
	return p.client.bastions[key], nil
}
