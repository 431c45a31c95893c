package ssh

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"tutti/fanout"
)

// A HostKeyMode says what happens with a host whose key is not known.
type HostKeyMode int

const (
	// Strict refuses a host whose key is not in known_hosts.
	Strict HostKeyMode = iota
	// AcceptNew adds the key of a host that known_hosts does not hold, and
	// refuses one that presents another key than the one it holds.
	AcceptNew
	// Off accepts any key but a revoked one, and so any impostor.
	Off
)

var hostKeyModes = []string{"strict", "accept-new", "off"}

// hostKeyWords are other words for the modes, as ssh_config and people write
// them.
var hostKeyWords = map[string]string{
	"yes": "strict", "ask": "strict", "strict": "strict", "on": "strict", "true": "strict",
	"accept": "accept-new", "accept-new": "accept-new", "new": "accept-new", "acceptnew": "accept-new", "tofu": "accept-new",
	"no": "off", "off": "off", "false": "off", "none": "off",
}

// ParseHostKeyMode reads "strict", "accept-new" or "off".
func ParseHostKeyMode(s string) (HostKeyMode, error) {
	if i := slices.Index(hostKeyModes, s); i >= 0 {
		return HostKeyMode(i), nil
	}
	hint := ""
	if name, ok := hostKeyWords[strings.ReplaceAll(strings.ToLower(s), "_", "-")]; ok {
		hint = fmt.Sprintf("; did you mean %q?", name)
	}
	return Strict, fmt.Errorf("unknown host key mode %q: want one of %s%s", s, strings.Join(hostKeyModes, ", "), hint)
}

// String is the name that ParseHostKeyMode reads.
func (m HostKeyMode) String() string {
	if m < 0 || int(m) >= len(hostKeyModes) {
		return fmt.Sprintf("hostkeys(%d)", int(m))
	}
	return hostKeyModes[m]
}

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

// errHostKeyLock is a known_hosts file that others kept locked all the time.
var errHostKeyLock = errors.New("another process keeps it locked")

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
	h.load()
	return h
}

// load reads the files. The token of learning is taken, or nobody else knows
// h.
func (h *hostKeys) load() {
	known := newKnownHosts()
	h.seen = nil
	for i, file := range h.files {
		if i == 0 {
			h.seen, _ = os.Stat(file) // an error shows again in the next line
		}
		data, err := os.ReadFile(file)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				h.warn(fmt.Sprintf("known hosts: %v; the file is ignored", err))
			}
			continue
		}
		known.add(file, data, h.warn)
	}
	h.mu.Lock()
	h.known = known
	h.mu.Unlock()
}

// hostNames are the names under which known_hosts may hold an endpoint.
type hostNames struct {
	full     []string // with the port, the best first
	portless []string // how lines that say nothing of a port would write them
}

func namesOf(e Endpoint) hostNames {
	var n hostNames
	if e.HostKeyAlias != "" {
		n.full = []string{strings.ToLower(e.HostKeyAlias)}
		return n
	}
	for _, host := range []string{e.Alias, e.Address} {
		if host == "" {
			continue
		}
		if name := bracketed(host, e.Port); !slices.Contains(n.full, name) {
			n.full = append(n.full, name)
		}
		if e.Port != defaultPort {
			n.portless = append(n.portless, strings.ToLower(host))
		}
	}
	return n
}

// all are all the names, the best first.
func (n hostNames) all() []string { return slices.Concat(n.full, n.portless) }

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
			first = withCertificates(allowed)
		}
	}
	var rest []string
	for _, algorithm := range allowed {
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

// keyKind is the type of the keys that an algorithm works with.
func keyKind(algorithm string) string {
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
		switch err := h.checkCertificate(n, cert); {
		case err == nil:
			return nil
		case errors.As(err, new(*hostKeyError)):
			return err
		default:
			return withReason(h.check(ctx, e, cert.Key, asked), err)
		}
	}
	v := h.judge(n, string(key.Marshal()))
	if v.verdict == hostUnknown && e.HostKeys == AcceptNew {
		var err error
		if v, err = h.learn(ctx, n, key); err != nil {
			return &hostKeyError{
				message: fmt.Sprintf("the host key cannot be added to %s: %v", h.target(), err),
				detail:  describe(key),
			}
		}
	}
	switch {
	case v.verdict == hostRevoked:
		return &hostKeyError{"the host key is revoked", describe(key), remedyRevoked}
	case v.verdict == hostKnown || e.HostKeys == Off:
		return nil
	case v.verdict == hostUnknown:
		return h.unknown(n, key)
	}
	if kinds := v.kinds(); !asked && !slices.Contains(kinds, key.Type()) {
		return &reorderError{kinds}
	}
	return changed(key, v.others)
}

// checkCertificate returns nil if cert is proof enough of the host, a
// *hostKeyError if it speaks against the host, and another error if it counts
// for nothing.
func (h *hostKeys) checkCertificate(n hostNames, cert *gossh.Certificate) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, k := range []gossh.PublicKey{cert, cert.Key, cert.SignatureKey} {
		if h.known.isRevoked(n.all(), string(k.Marshal())) {
			return &hostKeyError{"the host certificate is revoked, or its key or its authority is", describe(k), remedyRevoked}
		}
	}
	return h.known.vouch(n, cert)
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
	if len(h.files) > 0 {
		where = fmt.Sprintf("not in %s as %s", strings.Join(h.files, ", "), strings.Join(n.full, " or "))
	}
	return &hostKeyError{"the host key is unknown", describe(key) + ", " + where, remedyUnknown}
}

func changed(key gossh.PublicKey, others []*knownKey) error {
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

// A verdict is what known_hosts says of a key.
type verdict int

const (
	hostUnknown verdict = iota
	hostKnown
	hostChanged
	hostRevoked
)

type judgement struct {
	verdict verdict
	others  []*knownKey // the keys that are known instead
}

// kinds returns the types of the known keys that can be asked for.
func (j judgement) kinds() []string {
	var kinds []string
	for _, k := range j.others {
		askable := slices.ContainsFunc(preferred, func(a string) bool { return keyKind(a) == k.kind })
		if askable && !slices.Contains(kinds, k.kind) {
			kinds = append(kinds, k.kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// judge looks blob up under n. The first name with readable lines decides, for
// or against; hashed lines that hold blob decide for; only then are all hashed
// lines searched for other keys of the host. A line without a port counts for
// a host on another port if it holds this very key.
func (k *knownHosts) judge(n hostNames, blob string) judgement {
	if k.isRevoked(n.all(), blob) {
		return judgement{verdict: hostRevoked}
	}
	holds := func(keys []*knownKey) bool {
		return slices.ContainsFunc(keys, func(x *knownKey) bool { return x.blob == blob })
	}
	for _, name := range n.full {
		keys := k.plain(name)
		if holds(keys) || k.hidden(name, blob) {
			return judgement{verdict: hostKnown}
		}
		if len(keys) > 0 {
			return judgement{hostChanged, keys}
		}
	}
	for _, name := range n.full {
		if keys := k.scan(name); len(keys) > 0 {
			return judgement{hostChanged, keys}
		}
	}
	for _, name := range n.portless {
		if holds(k.plain(name)) || k.hidden(name, blob) {
			return judgement{verdict: hostKnown}
		}
	}
	return judgement{verdict: hostUnknown}
}

// target is the file that learns.
func (h *hostKeys) target() string {
	if len(h.files) == 0 {
		return "known_hosts"
	}
	return h.files[0]
}

// learn adds key, unless somebody else has added one for this host meanwhile;
// the judgement is after that.
func (h *hostKeys) learn(ctx context.Context, n hostNames, key gossh.PublicKey) (judgement, error) {
	f, unlock, err := h.lock(ctx)
	if err != nil {
		return judgement{}, err
	}
	defer unlock()
	h.refresh(f)
	blob := string(key.Marshal())
	if v := h.judge(n, blob); v.verdict != hostUnknown {
		return v, nil
	}
	line := n.full[0] + " " + key.Type() + " " + encode([]byte(blob)) + "\n"
	if !endsLine(f) {
		line = "\n" + line
	}
	if _, err := f.WriteString(line); err != nil {
		return judgement{}, err
	}
	h.seen, _ = f.Stat() // if that fails the file is read again
	h.mu.Lock()
	h.known.names[n.full[0]] = []*knownKey{{file: h.files[0], kind: key.Type(), blob: blob}}
	h.mu.Unlock()
	return judgement{verdict: hostKnown}, nil
}

// lock opens the file that learns, for this process and goroutine alone until
// unlock is called. A file that was replaced while it was waited for is not the
// one; f has the name of the real file, whatever links lead there.
func (h *hostKeys) lock(ctx context.Context) (f *os.File, unlock func(), err error) {
	if len(h.files) == 0 {
		return nil, nil, errors.New("no file is given")
	}
	select {
	case h.learning <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	for {
		if f, err = openForLearning(h.files[0]); err != nil {
			break
		}
		if err = lock(ctx, f); err == nil && current(f) {
			return f, func() {
				_ = f.Close() // writing has been checked, and the lock goes either way
				<-h.learning
			}, nil
		}
		_ = f.Close() // nothing was written
		if err != nil {
			break
		}
	}
	<-h.learning
	return nil, nil, err
}

// current reports whether f is still what its name leads to.
func current(f *os.File) bool {
	open, err1 := f.Stat()
	there, err2 := os.Stat(f.Name())
	return err1 == nil && err2 == nil && os.SameFile(open, there)
}

func openForLearning(file string) (*os.File, error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
}

// refresh reads the files again if the one that is open as f is not as it was.
func (h *hostKeys) refresh(f *os.File) {
	now, err := f.Stat()
	if err == nil && h.seen != nil && os.SameFile(now, h.seen) &&
		now.Size() == h.seen.Size() && now.ModTime().Equal(h.seen.ModTime()) {
		return
	}
	h.load()
}

// lock takes the file for this process. It is asked for again and again rather
// than waited for, because the wait would not end with ctx.
func lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errHostKeyLock
		}
	}
}

// endsLine reports whether what f holds ends with a newline, or is nothing.
func endsLine(f *os.File) bool {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return true
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, end-1)
	return err != nil || last[0] == '\n'
}

// hostKeyFailure is the failure of a host whose key was refused.
func hostKeyFailure(err *hostKeyError) *fanout.Failure {
	return &fanout.Failure{Op: fanout.OpHostKey, Message: err.message, Detail: err.detail, Hint: err.remedy, Final: true}
}
