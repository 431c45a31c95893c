package ssh

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

// A hostKeyError refuses a host key. The message is the same for all hosts with
// the same trouble; the detail is the host's own.
type hostKeyError struct{ message, detail, remedy string }

func (e *hostKeyError) Error() string { return e.message + ": " + e.detail }

// A reorderError says that the host was asked for the wrong kind of key: it is
// known under others.
type reorderError struct{ kinds []string }

func (e *reorderError) Error() string {
	return "the host is known by a key of type " + strings.Join(e.kinds, " or ")
}

// hostKeys decides about host keys, by the known_hosts files.
type hostKeys struct {
	files []string
	warn  func(string)

	// learning holds one token, which is taken to write to files[0]: a mutex
	// that ctx can interrupt. It guards seen.
	learning chan struct{}
	seen     fs.FileInfo // files[0] when it was last read or written; nil: absent

	mu    sync.RWMutex // guards known
	known *knownHosts
}

// newHostKeys reads files; one that is absent is empty.
func newHostKeys(files []string, warn func(string)) *hostKeys {
	h := &hostKeys{files: files, warn: warn, learning: make(chan struct{}, 1)}
	h.load(readWhole)
	return h
}

// load reads the files by read. The token of learning is taken, or nobody else
// knows h.
func (h *hostKeys) load(read func(file string) ([]byte, error)) {
	known := newKnownHosts()
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

// preferred are the host key algorithms that are usually asked for, the
// cheapest for the host first, and no certificates.
var preferred = []string{
	gossh.KeyAlgoED25519,
	gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521,
	gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256,
}

// algorithms orders the allowed host key algorithms so that those come first whose
// keys are known for the endpoint: a host with several keys then shows the
// one that can be checked. The others follow, so that a host that has changed
// its key is seen as that. Certificates are asked for only where an authority is
// known for the endpoint. kinds are the key types to put first, without
// certificates; without them the files are asked.
func (h *hostKeys) algorithms(n hostNames, kinds, allowed []string) []string {
	known := map[string]bool{}
	for _, k := range kinds {
		known[k] = true
	}
	var first []string
	if len(known) == 0 {
		known = h.kinds(n)
		if h.vouched(n) {
			first = slices.DeleteFunc(slices.Clone(allowed), isPlain)
		}
	}
	var rest []string
	for _, algorithm := range allowed {
		if plain, ok := uncertified[algorithm]; ok && (slices.Contains(first, algorithm) || slices.Contains(allowed, plain)) {
			continue // without an authority it is worth no more than its key
		}
		if known[keyKind(algorithm)] {
			first = append(first, algorithm)
		} else {
			rest = append(rest, algorithm)
		}
	}
	return append(first, rest...)
}

// kinds returns the types of the keys that lines with readable names hold for
// n, else the types that occur in hashed lines.
func (h *hostKeys) kinds(n hostNames) map[string]bool {
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

// isPlain reports whether an algorithm works with keys and not with certificates.
func isPlain(algorithm string) bool {
	_, certificate := uncertified[algorithm]
	return !certificate
}

// keyKind is the type of the keys that an algorithm works with, without the
// certificate around them.
func keyKind(algorithm string) string {
	if plain, ok := uncertified[algorithm]; ok {
		algorithm = plain
	}
	switch algorithm {
	case gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512:
		return gossh.KeyAlgoRSA
	}
	return algorithm
}

// check decides about key, which the host at e has proved to hold. The error
// is a *hostKeyError, or a *reorderError if the host was to be asked for
// another kind of key, which only happens when asked is false.
func (h *hostKeys) check(ctx context.Context, e Endpoint, key gossh.PublicKey, asked bool) error {
	n := namesOf(e)
	if cert, ok := key.(*gossh.Certificate); ok {
		switch err := h.checkCertificate(n, cert, authorityAlgorithms(e)); {
		case err == nil:
			return nil
		case errors.As(err, new(*hostKeyError)):
			return err
		default:
			return withReason(h.check(ctx, e, cert.Key, asked), err)
		}
	}
	v := h.judge(n, string(key.Marshal()))
	if v.verdict == hostUnknown && e.HostKeys == AcceptNew && !e.NewKeysRefused {
		var err error
		if v, err = h.learn(ctx, n, key, e.HashNames); err != nil {
			return &hostKeyError{
				message: fmt.Sprintf("the host key cannot be added to %s: %v", h.target(), err),
				detail:  describe(key),
				remedy:  remedyUnlearned,
			}
		}
	}
	switch {
	case v.verdict == hostRevoked:
		return &hostKeyError{"the host key is revoked", describe(key), remedyRevoked}
	case v.verdict == hostKnown:
		return nil
	case e.HostKeys == Off && (v.verdict == hostChanged || !e.NewKeysRefused):
		return nil
	case v.verdict == hostUnknown:
		return h.unknown(n, key)
	}
	if kinds := v.kinds(); !asked && len(kinds) > 0 && !slices.Contains(kinds, key.Type()) {
		return &reorderError{kinds}
	}
	return changed(key, v.others)
}

// checkCertificate returns nil if cert is proof enough of the host, a
// *hostKeyError if it speaks against the host, and another error if it counts
// for nothing.
func (h *hostKeys) checkCertificate(n hostNames, cert *gossh.Certificate, algorithms []string) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range []gossh.PublicKey{cert, cert.Key, cert.SignatureKey} {
		if h.known.isRevoked(n.all(), string(k.Marshal())) {
			return &hostKeyError{"the host certificate is revoked, or its key or its authority is", describe(k), remedyRevoked}
		}
	}
	return h.known.vouch(n, cert, algorithms)
}

// withReason adds to a refusal why the certificate did not count.
func withReason(refusal, reason error) error {
	if refused, ok := errors.AsType[*hostKeyError](refusal); ok {
		with := *refused
		with.detail += "; it also presents a certificate that does not count: " + reason.Error()
		return &with
	}
	return refusal
}

func (h *hostKeys) vouched(n hostNames) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.known.vouched(n)
}

func (h *hostKeys) judge(n hostNames, blob string) judgement {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.known.judge(n, blob)
}

func (h *hostKeys) unknown(n hostNames, key gossh.PublicKey) error {
	where := "no known_hosts file is in use"
	if files := slices.DeleteFunc(slices.Clone(h.files), func(f string) bool { return f == os.DevNull }); len(files) > 0 {
		where = fmt.Sprintf("not in %s as %s", strings.Join(files, ", "), strings.Join(n.full, " or "))
	}
	return &hostKeyError{"the host key is unknown", describe(key) + ", " + where, remedyUnknown}
}

func changed(key gossh.PublicKey, others []*knownKey) *hostKeyError {
	var lines []string
	for _, k := range others {
		lines = append(lines, fmt.Sprintf("%s %s (%s)", k.kind, fingerprint(k.blob), k.where()))
	}
	slices.Sort(lines)
	return &hostKeyError{
		"the host key has CHANGED, and someone may be posing as the host",
		fmt.Sprintf("it presents %s, but known is %s", describe(key), strings.Join(lines, ", ")),
		remedyChanged,
	}
}

func describe(key gossh.PublicKey) string {
	return key.Type() + " " + gossh.FingerprintSHA256(key)
}

func fingerprint(blob string) string {
	sum := sha256.Sum256([]byte(blob))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// hostKeyFailure is the failure of a host whose key was refused.
func hostKeyFailure(err *hostKeyError) *fanout.Failure {
	return &fanout.Failure{Op: fanout.OpHostKey, Message: err.message, Detail: err.detail, Hint: err.remedy, Final: true}
}
