package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	gossh "golang.org/x/crypto/ssh"

	"tutti/ssh/knownhosts"
)

// A key can be offered to a host.
type key struct {
	public gossh.PublicKey
	name   string // for messages: a file, or a comment in the agent
	file   string // that names the key; empty: none does
	// sign makes a signature; it returns soon after ctx is done.
	sign func(ctx context.Context, data []byte, algorithm string) (*gossh.Signature, error)
	// accepted are the algorithms that may be used, by the names under which keys
	// and certificates are offered; nil: the usual ones.
	accepted []string
}

// algorithms are the signatures that are made with k, the best first: never
// SHA-1 unless ssh_config accepts it.
func (k *key) algorithms() []string {
	public := k.public
	cert, certificate := public.(*gossh.Certificate)
	if certificate {
		public = cert.Key
	}
	if k.accepted != nil {
		var names []string
		for _, name := range k.accepted {
			plain := knownhosts.Uncertified(name)
			if knownhosts.IsPlain(name) != certificate && knownhosts.KeyKind(plain) == public.Type() {
				names = append(names, plain)
			}
		}
		return names
	}
	if public.Type() == gossh.KeyAlgoRSA {
		return []string{gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256}
	}
	return []string{public.Type()}
}

// String names k in messages.
func (k *key) String() string {
	return fmt.Sprintf("%s (%s)", k.name, gossh.FingerprintSHA256(k.public))
}

// sound reports whether all signatures that k would make are of a kind without
// known weaknesses.
func (k *key) sound() bool {
	safe := gossh.SupportedAlgorithms().PublicKeyAuths
	for _, a := range k.algorithms() {
		if !slices.Contains(safe, a) {
			return false
		}
	}
	return true
}

func fileKey(path string, signer gossh.Signer) (*key, error) {
	s, ok := signer.(gossh.AlgorithmSigner)
	if !ok || !(&key{public: signer.PublicKey()}).sound() {
		return nil, ofNoUse(signer.PublicKey().Type())
	}
	return &key{
		public: signer.PublicKey(),
		name:   path,
		file:   path,
		sign: func(_ context.Context, data []byte, algorithm string) (*gossh.Signature, error) {
			return s.SignWithAlgorithm(rand.Reader, data, algorithm)
		},
	}, nil
}

// A keyRing reads key files, each at most once, and knows the keys of agents.
// It is used while a Client is made, by one goroutine.
type keyRing struct {
	ctx        context.Context // of New; keyRing does not outlive that call
	passphrase func(ctx context.Context, path string) ([]byte, error)
	warn       func(string)
	usual      string // the socket of the agent for those that name none
	pools      map[string]*agentPool
	held       map[string][]*key // by socket

	// agent are the keys of the agent that the current endpoint may use.
	agent  []*key
	socket string
	read   map[source]readKey

	certificates map[string]readCertificate // by path
}

// A source is a file that is read with an agent at hand, which may hold the
// private half of the key in it.
type source struct{ path, socket string }

type readKey struct {
	key *key
	err error
}

// errLocked is an encrypted key whose passphrase cannot be asked for.
var errLocked = errors.New("encrypted, and there is no terminal to ask for the passphrase")

// noAgent in place of a socket's path means that no agent is asked.
const noAgent = "none"

// useAgent makes the keys of the agent at socket the ones at hand.
func (r *keyRing) useAgent(socket string) {
	if socket == "" {
		socket = r.usual
	}
	if socket == noAgent {
		socket = ""
	}
	keys, asked := r.held[socket]
	if !asked && socket != "" {
		pool := newAgentPool(socket)
		r.pools[socket] = pool
		var err error
		if keys, err = pool.keys(r.ctx); err != nil {
			r.warn(fmt.Sprintf("the agent's keys are not used: %v", err))
		}
		r.held[socket] = keys
	}
	r.agent, r.socket = keys, socket
}

// identities returns the keys to offer for an endpoint, the best first: those
// it names, else the default ones that can be used, then the agent's. A key
// with a certificate is offered with it first.
func (r *keyRing) identities(e Endpoint, defaults []string) ([]*key, error) {
	r.useAgent(e.Agent)
	spare := r.agent // what may be offered without a file
	if e.IdentitiesOnly {
		spare = nil
	}
	var keys []*key
	switch {
	case e.Identities == nil:
		keys = r.optional(defaults, spare, false)
	case e.IdentitiesOptional:
		keys = r.optional(e.Identities, spare, true)
	default:
		for _, path := range e.Identities {
			k, err := r.named(path)
			if err != nil {
				return nil, err
			}
			keys = appendKey(keys, k)
		}
	}
	for _, k := range spare {
		keys = appendKey(keys, k)
	}
	return r.certified(keys, e.Certificates), nil
}

func appendKey(keys []*key, k *key) []*key {
	blob := k.public.Marshal()
	for _, x := range keys {
		if bytes.Equal(x.public.Marshal(), blob) {
			return keys
		}
	}
	return append(keys, k)
}

// named reads a key that an endpoint names: whatever is wrong with it is an error.
func (r *keyRing) named(path string) (*key, error) {
	k, err := r.file(path, true)
	if err != nil {
		return nil, keyError(path, err)
	}
	return k, nil
}

func keyError(path string, err error) *KeyError {
	e := &KeyError{Path: path, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Err = fs.ErrNotExist
	case errors.Is(err, errExposed):
		e.hint = "chmod 600 " + path
	case errors.Is(err, errLocked):
		e.hint = "add it to the agent first: ssh-add " + path
	}
	return e
}

// optional reads the usable ones of the keys in paths. It asks for a passphrase only if
// there would be no key at all otherwise, spare ones included. With complain it warns
// about each key that exists and cannot be used.
func (r *keyRing) optional(paths []string, spare []*key, complain bool) []*key {
	var keys []*key
	var locked []string
	for _, path := range paths {
		k, err := r.file(path, false)
		switch {
		case err == nil:
			keys = appendKey(keys, k)
		case errors.Is(err, errLocked):
			locked = append(locked, path)
		case errors.Is(err, errExposed):
			r.warn(fmt.Sprintf("key %s is not used: %v (chmod 600 %s)", path, err, path))
		case complain && !errors.Is(err, fs.ErrNotExist):
			r.warn(fmt.Sprintf("key %s is not used: %v", path, err))
		}
	}
	if len(keys) > 0 || len(spare) > 0 {
		return keys
	}
	for _, path := range locked {
		k, err := r.file(path, true)
		if err == nil {
			return append(keys, k)
		}
		if complain {
			r.warn(fmt.Sprintf("key %s is not used: %v", path, err))
		}
	}
	return keys
}

// file returns the key in path, from what was read before if it can.
func (r *keyRing) file(path string, ask bool) (*key, error) {
	from := source{path, r.socket}
	known, ok := r.read[from]
	if !ok || errors.Is(known.err, errLocked) && ask && r.passphrase != nil {
		known.key, known.err = r.open(path, ask)
		r.read[from] = known
	}
	return known.key, known.err
}
