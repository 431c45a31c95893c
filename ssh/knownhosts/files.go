package knownhosts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/hostkeys"
)

// Files are the known_hosts files of a run, with their index. They may be used by
// several goroutines at once.
type Files struct {
	files []string
	warn  func(string)

	// learning is a mutex for writing to files[0] that ctx can interrupt: it
	// holds one token. It guards seen.
	learning chan struct{}
	seen     fs.FileInfo // files[0] when it was last read or written; nil: absent

	mu    sync.RWMutex // guards known
	known *index
}

// Open reads files; one that does not exist is empty. New keys are written to the
// first. warn receives what cannot be read.
func Open(files []string, warn func(string)) *Files {
	h := &Files{files: files, warn: warn, learning: make(chan struct{}, 1)}
	h.load(readWhole)
	return h
}

// load reads the files with read. The caller holds the token of learning, or has not
// shared h yet.
func (h *Files) load(read func(file string) ([]byte, error)) {
	known := newIndex()
	h.seen = nil
	for i, file := range h.files {
		if i == 0 {
			h.seen, _ = os.Stat(file) // an error shows again in the next line
		}
		data, err := read(file)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				h.warn(fmt.Sprintf("known hosts: %v; the file is ignored", err))
			}
			continue
		}
		var bad badLines
		known.read(file, data, bad.add)
		bad.warn(file, h.warn)
	}
	h.mu.Lock()
	h.known = known
	h.mu.Unlock()
}

// Algorithms orders the allowed host key algorithms: first those whose keys are known
// for the host, so that a host with several keys shows one that can be checked. The
// others follow, so that a changed key is recognised as changed. Certificate algorithms
// are included only if an authority is known for the host. kinds are the key types to
// put first, without certificates; if empty, the files decide.
func (h *Files) Algorithms(host Host, kinds, allowed []string) []string {
	n := host.names()
	known := map[string]bool{}
	for _, k := range kinds {
		known[k] = true
	}
	var first []string
	if len(known) == 0 {
		known = h.kinds(n)
		if h.vouched(n) {
			first = slices.DeleteFunc(slices.Clone(allowed), IsPlain)
		}
	}
	var rest []string
	for _, algorithm := range allowed {
		if plain, ok := uncertified[algorithm]; ok && (slices.Contains(first, algorithm) || slices.Contains(allowed, plain)) {
			continue // without an authority it is worth no more than its key
		}
		if known[KeyKind(algorithm)] {
			first = append(first, algorithm)
		} else {
			rest = append(rest, algorithm)
		}
	}
	return append(first, rest...)
}

// kinds returns the types of the keys that lines with readable names hold for
// n, else the types that occur in hashed lines.
func (h *Files) kinds(n hostNames) map[string]bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	kinds := map[string]bool{}
	for _, name := range n.all() {
		for _, k := range h.known.plain(name) {
			kinds[k.kind] = true
		}
		if len(kinds) > 0 {
			return kinds
		}
	}
	maps.Copy(kinds, h.known.types)
	return kinds
}

// Check decides about key, which host has proved to hold. The error is a *Refusal, or a
// *ReorderError if another kind of key should be requested from the host; asked says
// that this was already done.
func (h *Files) Check(ctx context.Context, host Host, key gossh.PublicKey, asked bool) error {
	if cert, ok := key.(*gossh.Certificate); ok {
		switch err := h.CheckCertificate(host, cert); {
		case err == nil:
			return nil
		case errors.As(err, new(*Refusal)):
			return err
		default:
			return withReason(h.Check(ctx, host, cert.Key, asked), err)
		}
	}
	n := host.names()
	v := h.classify(n, string(key.Marshal()))
	if v.verdict == Unknown && host.Mode == hostkeys.AcceptNew && !host.NewKeysRefused {
		var err error
		if v, err = h.addKnownHost(ctx, n, key, host.HashNames); err != nil {
			message := fmt.Sprintf("the host key cannot be added to %s: %v", cmp.Or(h.Target(), "known_hosts"), err)
			return &Refusal{ReasonNotAdded, message, Describe(key)}
		}
	}
	switch {
	case v.verdict == Revoked:
		return &Refusal{ReasonRevoked, "the host key is revoked", Describe(key)}
	case v.verdict == Known:
		return nil
	case host.Mode == hostkeys.Off && (v.verdict == Changed || !host.NewKeysRefused):
		return nil
	case v.verdict == Unknown:
		return h.unknown(n, key)
	}
	if kinds := v.kinds(); !asked && len(kinds) > 0 && !slices.Contains(kinds, key.Type()) {
		return &ReorderError{kinds}
	}
	return changed(key, v.others, "HOST KEY CHANGED: possible impostor")
}

// CheckAddress refuses a key that differs from those known for the IP address and
// the port that were reached.
func (h *Files) CheckAddress(key gossh.PublicKey, ip netip.Addr, port int) error {
	v := h.classify(hostNames{full: []string{Name(ip.String(), port)}}, string(key.Marshal()))
	if v.verdict != Changed {
		return nil
	}
	return changed(key, v.others, "the host key differs from the one known for the host's IP address")
}

// Classify compares key with the lines about host. It returns the lines with other keys
// if key is in none of them.
func (h *Files) Classify(host Host, key gossh.PublicKey) (Verdict, []Line) {
	v := h.classify(host.names(), string(key.Marshal()))
	var others []Line
	for _, k := range v.others {
		others = append(others, Line{File: k.file, Line: k.line, Type: k.kind, Fingerprint: fingerprint(k.blob)})
	}
	slices.SortFunc(others, func(a, b Line) int { return a.Line - b.Line })
	return v.verdict, others
}

// CheckCertificate returns nil if cert identifies host, a *Refusal if it is revoked,
// and another error if it does not count, so that the plain key has to be checked.
func (h *Files) CheckCertificate(host Host, cert *gossh.Certificate) error {
	n := host.names()
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range []gossh.PublicKey{cert, cert.Key, cert.SignatureKey} {
		if h.known.isRevoked(n.all(), string(k.Marshal())) {
			return &Refusal{ReasonRevoked, "the host certificate, its key or its CA is revoked", Describe(k)}
		}
	}
	return h.known.vouch(n, cert, host.CASignatures)
}

func (h *Files) vouched(n hostNames) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.known.vouched(n)
}

func (h *Files) classify(n hostNames, blob string) judgement {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.known.classify(n, blob)
}

func (h *Files) unknown(n hostNames, key gossh.PublicKey) error {
	where := "no known_hosts file is used"
	if files := slices.DeleteFunc(slices.Clone(h.files), func(f string) bool { return f == os.DevNull }); len(files) > 0 {
		where = fmt.Sprintf("not in %s as %s", strings.Join(files, ", "), strings.Join(n.full, " or "))
	}
	return &Refusal{ReasonUnknown, "the host key is unknown", Describe(key) + ", " + where}
}
