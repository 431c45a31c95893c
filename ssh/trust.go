package ssh

import (
	"cmp"
	"context"
	"fmt"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/knownhosts"
)

// A Standing is how the key that a host presents stands to known_hosts.
type Standing int

const (
	// KeyUnknown means that no line is about the host.
	KeyUnknown Standing = iota
	// KeyKnown means that a line holds the key, or vouches for its certificate.
	KeyKnown
	// KeyChanged means that lines are about the host and hold other keys.
	KeyChanged
)

// A PresentedKey is the key that a host has proved to hold, next to what
// known_hosts says of the host.
type PresentedKey struct {
	// Type and Fingerprint (SHA256) of the key.
	Type, Fingerprint string
	Standing          Standing
	// File is where Trust writes the key; empty: nowhere.
	File string
	// Known are the lines that hold other keys; none unless it has changed.
	Known []knownhosts.Line
}

// PresentedKey returns the key that t presented at its last login, or on the
// way to one that was then refused; false if it never got that far.
func (c *Client) PresentedKey(t fanout.Target) (PresentedKey, bool) {
	ep, key := c.presented(t)
	if key == nil {
		return PresentedKey{}, false
	}
	p := PresentedKey{Type: key.Type(), Fingerprint: gossh.FingerprintSHA256(key), File: ep.hostKeys.Target()}
	if _, ok := key.(*gossh.Certificate); ok {
		p.Standing = KeyKnown
		return p, true
	}
	switch verdict, others := ep.hostKeys.Classify(ep.knownHost(), key); verdict {
	case knownhosts.Known:
		p.Standing = KeyKnown
	case knownhosts.Changed:
		p.Standing, p.Known = KeyChanged, others
	}
	return p, true
}

// presented finds the key also where another target with an equal Endpoint has
// made the connection. It is a certificate only if that counts.
func (c *Client) presented(t fanout.Target) (*endpoint, gossh.PublicKey) {
	ep, f := c.endpointOf(t)
	if f != nil {
		return nil, nil
	}
	seen := ep.presented.Load()
	for i := 0; seen == nil && i < len(c.endpoints); i++ {
		if other := c.endpoints[i]; other.key == ep.key {
			seen = other.presented.Load()
		}
	}
	if seen == nil {
		return ep, nil
	}
	key, err := gossh.ParsePublicKey([]byte(*seen))
	if err != nil { // which cannot be: the library has parsed it before
		return ep, nil
	}
	if cert, ok := key.(*gossh.Certificate); ok && ep.hostKeys.CheckCertificate(ep.knownHost(), cert) != nil {
		return ep, cert.Key
	}
	return ep, key
}

// Trust writes the keys that targets presented to the first of their
// known_hosts files, each file in one step. What other keys a file holds for
// these hosts goes, so that lines which hold no other host's key are removed. A
// line that cannot be changed without harm to others is an error, and then
// nothing is written to that file.
func (c *Client) Trust(ctx context.Context, targets []fanout.Target) error {
	changes := map[*knownhosts.Files][]knownhosts.Change{}
	var order []*knownhosts.Files
	for _, t := range targets {
		ep, key := c.presented(t)
		if key == nil {
			continue
		}
		if changes[ep.hostKeys] == nil {
			order = append(order, ep.hostKeys)
		}
		changes[ep.hostKeys] = append(changes[ep.hostKeys], knownhosts.Change{Host: ep.knownHost(), Key: key})
	}
	for _, h := range order {
		if err := h.Replace(ctx, changes[h]); err != nil {
			return fmt.Errorf("add host keys to %s: %w", cmp.Or(h.Target(), "known_hosts"), err)
		}
	}
	return nil
}
