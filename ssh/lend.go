package ssh

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

// A Loan is what another process needs to log in for a client: how its targets are
// reached, and the public halves of the keys that they are offered. Private keys,
// passphrases and passwords are not in it; that process asks the client to sign.
type Loan struct {
	// Keys are all keys that are offered.
	Keys []LentKey
	// Endpoints are those of targets, in the order in which they were asked for, and
	// Bastions those on the way to them.
	Endpoints, Bastions []LentEndpoint
}

// A LentKey is the public half of a key, or a certificate.
type LentKey struct {
	// Blob is the key as the protocol has it.
	Blob []byte
	// Name is what messages call it, and File the file that names it; empty: none does.
	Name, File string
}

// A LentEndpoint is an Endpoint with the keys that it is offered, the best first, as
// indexes into Loan.Keys.
type LentEndpoint struct {
	Endpoint Endpoint
	Keys     []int
}

// A Lender lets another process log in for a client. It is safe for use by many
// goroutines, until the client is closed.
type Lender struct {
	client *Client
	keys   atomic.Pointer[[]*key] // of the loan; nil: there is none
}

// NewLender lends what c has.
func NewLender(c *Client) *Lender { return &Lender{client: c} }

// Lendable reports whether another process can log in to target i of the client: no
// program of this process's environment makes the connection, and no password may be
// needed.
func (l *Lender) Lendable(i int) bool {
	c := l.client
	if i < 0 || i >= len(c.endpoints) || len(c.password) > 0 {
		return false
	}
	e := c.endpoints[i].Endpoint
	return e.ProxyCommand == "" && !slices.ContainsFunc(e.Jumps, func(j Endpoint) bool { return j.ProxyCommand != "" })
}

// Lend is what is needed to log in to those targets. All of them must be lendable.
func (l *Lender) Lend(targets []int) (*Loan, error) {
	b := &loanBuilder{loan: &Loan{}, known: map[*key]int{}, bastions: map[*bastion]bool{}}
	for _, i := range targets {
		ep := l.client.endpoints[i]
		lent, err := b.endpoint(ep)
		if err != nil {
			return nil, err
		}
		b.loan.Endpoints = append(b.loan.Endpoints, lent)
		if err := b.way(ep.via); err != nil {
			return nil, err
		}
	}
	l.keys.Store(&b.keys)
	return b.loan, nil
}

// A loanBuilder makes a Loan.
type loanBuilder struct {
	loan     *Loan
	keys     []*key // as loan.Keys
	known    map[*key]int
	bastions map[*bastion]bool
}

// way lends the bastions from to on.
func (b *loanBuilder) way(to *bastion) error {
	for ; to != nil && !b.bastions[to]; to = to.ep.via {
		b.bastions[to] = true
		lent, err := b.endpoint(to.ep)
		if err != nil {
			return err
		}
		b.loan.Bastions = append(b.loan.Bastions, lent)
	}
	return nil
}

// endpoint is ep as another process gets it.
func (b *loanBuilder) endpoint(ep *endpoint) (LentEndpoint, error) {
	e, err := portable(*ep.Endpoint)
	lent := LentEndpoint{Endpoint: e}
	for _, k := range ep.keys {
		lent.Keys = append(lent.Keys, b.key(k))
	}
	return lent, err
}

// portable is e without relative paths, which mean nothing in another process.
func portable(e Endpoint) (Endpoint, error) {
	var err error
	if e.RevokedHostKeys != "" {
		if e.RevokedHostKeys, err = filepath.Abs(e.RevokedHostKeys); err != nil {
			return e, err
		}
	}
	e.KnownHosts = slices.Clone(e.KnownHosts)
	for i, file := range e.KnownHosts {
		if e.KnownHosts[i], err = filepath.Abs(file); err != nil {
			return e, err
		}
	}
	e.Jumps = slices.Clone(e.Jumps)
	for i, jump := range e.Jumps {
		if e.Jumps[i], err = portable(jump); err != nil {
			return e, err
		}
	}
	return e, nil
}

// key is the index of k. Endpoints share keys, but may have a copy of one with rules of
// their own.
func (b *loanBuilder) key(k *key) int {
	if i, ok := b.known[k]; ok {
		return i
	}
	blob := k.public.Marshal()
	i := slices.IndexFunc(b.loan.Keys, func(x LentKey) bool {
		return x.Name == k.name && x.File == k.file && bytes.Equal(x.Blob, blob)
	})
	if i < 0 {
		i = len(b.keys)
		b.keys = append(b.keys, k)
		b.loan.Keys = append(b.loan.Keys, LentKey{Blob: blob, Name: k.name, File: k.file})
	}
	b.known[k] = i
	return i
}

// TaskOn is task as the attempt a makes it: with all variables that it has on the target
// as its own. Who makes the attempt elsewhere needs to know nothing else of the target.
func (l *Lender) TaskOn(a fanout.Attempt, task fanout.Task) fanout.Task {
	ep, f := l.client.endpointOf(a.Target)
	if f != nil {
		return task
	}
	return withVariables(task, a, ep.Endpoint)
}

// Sign signs for a login with key number i of the loan, and returns the signature as the
// protocol has it. What is no request to log in by that key is refused.
func (l *Lender) Sign(ctx context.Context, i int, data []byte, algorithm string) ([]byte, error) {
	lent := l.keys.Load()
	if lent == nil || i < 0 || i >= len(*lent) {
		return nil, fmt.Errorf("there is no key %d", i)
	}
	k := (*lent)[i]
	if err := checkLogin(data, k.public.Marshal(), algorithm); err != nil {
		return nil, err
	}
	s, err := k.sign(ctx, data, algorithm)
	if err != nil {
		return nil, err
	}
	return gossh.Marshal(s), nil
}

// checkLogin refuses what is not the text that a login by key signs; see RFC 4252.
func checkLogin(data, blob []byte, algorithm string) error {
	var m struct {
		Session   []byte
		Type      byte
		User      string
		Service   string
		Method    string
		Signed    bool
		Algorithm []byte
		Key       []byte
	}
	const userAuthRequest = 50
	if err := gossh.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("refusing to sign what is no login: %w", err)
	}
	if m.Type != userAuthRequest || m.Service != "ssh-connection" || m.Method != byKey || !m.Signed || !bytes.Equal(m.Key, blob) {
		return fmt.Errorf("refusing to sign what is no login with %s", algorithm)
	}
	return nil
}

// A Borrowed loan is one that this process logs in with.
type Borrowed struct {
	*Loan
	// Sign asks the lender for a signature by key number i, as [Lender.Sign] returns it.
	Sign func(ctx context.Context, i int, data []byte, algorithm string) ([]byte, error)
}

// A keySource has the keys to offer for an endpoint, the best first.
type keySource interface {
	identities(e Endpoint, defaults []string) ([]*key, error)
}

// borrowedKeys are the keys of a loan, by the key of the endpoint.
type borrowedKeys map[string][]*key

// keys checks what the lender sent, and makes keys of it.
func (b *Borrowed) keys() (borrowedKeys, error) {
	all := make([]*key, len(b.Keys))
	for i, lent := range b.Keys {
		public, err := gossh.ParsePublicKey(lent.Blob)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", lent.Name, err)
		}
		all[i] = &key{public: public, name: lent.Name, file: lent.File, sign: func(ctx context.Context, data []byte, algorithm string) (*gossh.Signature, error) {
			return b.sign(ctx, i, data, algorithm)
		}}
	}
	keys := make(borrowedKeys, len(b.Endpoints))
	for _, lent := range slices.Concat(b.Endpoints, b.Bastions) {
		if err := lent.Endpoint.check(); err != nil {
			return nil, err
		}
		of := make([]*key, 0, len(lent.Keys))
		for _, i := range lent.Keys {
			if i < 0 || i >= len(all) {
				return nil, fmt.Errorf("there is no key %d", i)
			}
			of = append(of, all[i])
		}
		keys[keyOf(&lent.Endpoint)] = of
	}
	return keys, nil
}

func (b *Borrowed) sign(ctx context.Context, i int, data []byte, algorithm string) (*gossh.Signature, error) {
	blob, err := b.Sign(ctx, i, data, algorithm)
	if err != nil {
		return nil, err
	}
	s := new(gossh.Signature)
	if err := gossh.Unmarshal(blob, s); err != nil {
		return nil, fmt.Errorf("the signature cannot be read: %w", err)
	}
	return s, nil
}

func (keys borrowedKeys) identities(e Endpoint, _ []string) ([]*key, error) {
	of, ok := keys[keyOf(&e)]
	if !ok {
		return nil, fmt.Errorf("%s: no keys were lent for it", hostPort(e.Address, e.Port))
	}
	return of, nil
}
