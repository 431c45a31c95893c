package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
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
	Known []KnownLine
}

// A KnownLine is a line of a known_hosts file.
type KnownLine struct {
	File string
	// Line counts from 1; 0 is a line that was added in this run.
	Line int
	// Type and Fingerprint (SHA256) of its key.
	Type, Fingerprint string
}

// PresentedKey returns the key that t presented at its last login, or on the
// way to one that was then refused; false if it never got that far.
func (c *Client) PresentedKey(t fanout.Target) (PresentedKey, bool) {
	ep, key := c.presented(t)
	if key == nil {
		return PresentedKey{}, false
	}
	p := PresentedKey{Type: key.Type(), Fingerprint: gossh.FingerprintSHA256(key)}
	if len(ep.hostKeys.files) > 0 {
		p.File = ep.hostKeys.files[0]
	}
	if _, ok := key.(*gossh.Certificate); ok {
		p.Standing = KeyKnown
		return p, true
	}
	v := ep.hostKeys.judge(namesOf(ep.Endpoint), string(key.Marshal()))
	switch v.verdict {
	case hostKnown:
		p.Standing = KeyKnown
	case hostChanged:
		p.Standing = KeyChanged
		for _, k := range v.others {
			p.Known = append(p.Known, KnownLine{File: k.file, Line: k.line, Type: k.kind, Fingerprint: fingerprint(k.blob)})
		}
		slices.SortFunc(p.Known, func(a, b KnownLine) int { return a.Line - b.Line })
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
	if cert, ok := key.(*gossh.Certificate); ok && ep.hostKeys.checkCertificate(namesOf(ep.Endpoint), cert, authorityAlgorithms(ep.Endpoint)) != nil {
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
	changes := map[*hostKeys][]change{}
	var order []*hostKeys
	for _, t := range targets {
		ep, key := c.presented(t)
		if key == nil {
			continue
		}
		if changes[ep.hostKeys] == nil {
			order = append(order, ep.hostKeys)
		}
		changes[ep.hostKeys] = append(changes[ep.hostKeys], change{namesOf(ep.Endpoint), key, ep.HashNames})
	}
	for _, h := range order {
		if err := h.trust(ctx, changes[h]); err != nil {
			return fmt.Errorf("add host keys to %s: %w", h.target(), err)
		}
	}
	return nil
}

// A change is a key that a host is to be known by.
type change struct {
	names hostNames
	key   gossh.PublicKey
	hash  bool // the names are written as hashes
}

func (h *hostKeys) trust(ctx context.Context, changes []change) error {
	f, unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	h.refresh(f.File)
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(data), "\n")
	if last := len(lines) - 1; lines[last] != "" {
		lines[last] += "\n"
	}
	added, err := h.apply(lines, changes)
	if err != nil {
		return err
	}
	err = f.place.ReplaceFile(f.File, func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(lines, "")+added)
		return err
	})
	if err != nil {
		return err
	}
	h.load(os.ReadFile) // it is ours
	return nil
}

// apply takes out of lines what changes put an end to, and returns the lines to
// add.
func (h *hostKeys) apply(lines []string, changes []change) (string, error) {
	var added []string
	known, written := map[string]bool{}, map[string]bool{} // lines and names
	for _, c := range changes {
		v := h.judge(c.names, string(c.key.Marshal()))
		switch v.verdict {
		case hostKnown:
			continue
		case hostRevoked:
			return "", fmt.Errorf("the key of %s is revoked", c.names.full[0])
		}
		for _, k := range v.others {
			if err := h.forget(lines, k, c.names); err != nil {
				return "", err
			}
		}
		names := c.names.written(func(name string) bool { return written[name] || h.speaksOf(name, v.others) })
		if line := newLines(names, c.key, false); !known[line] { // two names of one host
			known[line] = true
			added = append(added, newLines(names, c.key, c.hash))
		}
		for _, name := range names {
			written[name] = true
		}
	}
	return strings.Join(added, ""), nil
}

// speaksOf reports whether lines hold keys for name, other than those that are
// to go.
func (h *hostKeys) speaksOf(name string, gone []*knownKey) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.ContainsFunc(slices.Concat(h.known.plain(name), h.known.scan(name)), func(k *knownKey) bool {
		return !slices.Contains(gone, k)
	})
}

// errFileChanged is a file that somebody who takes no lock has written to.
var errFileChanged = errors.New("it has changed meanwhile; try again")

// forget takes the names out of the line that holds k.
func (h *hostKeys) forget(lines []string, k *knownKey, names hostNames) error {
	if k.file != h.files[0] {
		return fmt.Errorf("%s holds another key of %s: only you can change that file", k.where(), names.full[0])
	}
	if k.line < 1 || k.line > len(lines) {
		return errFileChanged
	}
	line := lines[k.line-1]
	if line == "" { // it named the host more than once
		return nil
	}
	if !strings.Contains(line, encode([]byte(k.blob))) {
		return errFileChanged
	}
	field, rest, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if tab := strings.IndexByte(field, '\t'); tab >= 0 {
		field, rest = field[:tab], field[tab+1:]+" "+rest
	}
	switch {
	case strings.HasPrefix(field, "|"):
		lines[k.line-1] = ""
		return nil
	case strings.ContainsAny(field, "*?!"):
		return fmt.Errorf("%s is about more hosts than %s: change it yourself", k.where(), names.full[0])
	}
	left := slices.DeleteFunc(strings.Split(field, ","), func(name string) bool {
		return slices.Contains(names.all(), strings.ToLower(name))
	})
	lines[k.line-1] = ""
	if len(left) > 0 {
		lines[k.line-1] = strings.Join(left, ",") + " " + rest
	}
	return nil
}
