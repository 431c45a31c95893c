package ssh

import (
	"context"
	"errors"
	"os"
	"slices"

	"tutti/ssh/knownhosts"
)

// An Inspection lists what is on this machine to log in with.
type Inspection struct {
	// Agents that endpoints ask, in the order in which they need them.
	Agents []FoundAgent
	// Keys in files: those that endpoints name, and of the default ones those
	// that are there.
	Keys []FoundKey
	// KnownHosts are the files that hold host keys.
	KnownHosts []FoundKnownHosts
}

// A FoundAgent is an SSH agent.
type FoundAgent struct {
	// Socket is where it listens.
	Socket string
	// Keys it holds and that can be used, by their names.
	Keys []string
	// Err says why it cannot be asked; nil if it can.
	Err error
}

// A FoundKey is a file with a private key.
type FoundKey struct {
	// Path of the file.
	Path string
	// Required says that an endpoint cannot be used without it.
	Required bool
	// Locked says that there is a passphrase, and that no agent holds the key.
	Locked bool
	// Err says why it cannot be used, Locked aside; nil if it can. It is a
	// *KeyError.
	Err error
}

// A FoundKnownHosts is a file with host keys.
type FoundKnownHosts struct {
	// Path of the file.
	Path string
	// Lines is how many lines count.
	Lines int
	// Bad is a line for each that cannot be read.
	Bad []string
	// Err says why the file cannot be read; it wraps fs.ErrNotExist if there is
	// none. Nil if it can.
	Err error
}

// Inspect looks at what New would read, and goes on where New gives up. It
// connects to no host, asks for no passphrase, and changes nothing.
func Inspect(ctx context.Context, opts Options) Inspection {
	i := &inspector{
		ring: &keyRing{
			ctx: ctx, warn: func(string) {}, usual: opts.AgentSocket, pools: map[string]*agentPool{},
			held: map[string][]*key{}, read: map[source]readKey{}, certificates: map[string]readCertificate{},
		},
		agents: map[string]bool{}, keys: map[string]int{}, files: map[string]bool{},
	}
	defer i.close()
	i.agent(opts.AgentSocket)
	for _, path := range opts.DefaultIdentities {
		if _, err := os.Stat(path); err == nil {
			i.key(path, false)
		}
	}
	i.knownHosts(opts.KnownHosts)
	for _, e := range opts.Endpoints {
		for _, hop := range append(slices.Clone(e.Jumps), e) {
			i.endpoint(hop)
		}
	}
	return i.found
}

// An inspector collects what it finds, each thing once.
type inspector struct {
	found  Inspection
	ring   *keyRing
	agents map[string]bool
	keys   map[string]int // index in found.Keys, by path
	files  map[string]bool
}

func (i *inspector) endpoint(e Endpoint) {
	i.agent(e.Agent)
	for _, path := range e.Identities {
		if _, err := os.Stat(path); err != nil && e.IdentitiesOptional {
			continue
		}
		i.key(path, !e.IdentitiesOptional)
	}
	i.knownHosts(e.KnownHosts)
}

// agent asks the agent at socket, the usual one if that is empty, and makes its
// keys those at hand.
func (i *inspector) agent(socket string) {
	if socket == "" {
		socket = i.ring.usual
	}
	if socket == "" || socket == noAgent {
		i.ring.agent, i.ring.socket = nil, ""
		return
	}
	if !i.agents[socket] {
		i.agents[socket] = true
		pool := newAgentPool(socket)
		i.ring.pools[socket] = pool
		keys, err := pool.keys(i.ring.ctx)
		i.ring.held[socket] = keys
		found := FoundAgent{Socket: socket, Err: err}
		for _, k := range keys {
			found.Keys = append(found.Keys, k.name)
		}
		i.found.Agents = append(i.found.Agents, found)
	}
	i.ring.agent, i.ring.socket = i.ring.held[socket], socket
}

func (i *inspector) key(path string, required bool) {
	at, known := i.keys[path]
	if !known {
		at = len(i.found.Keys)
		i.keys[path] = at
		i.found.Keys = append(i.found.Keys, FoundKey{Path: path})
	}
	k := &i.found.Keys[at]
	k.Required = k.Required || required
	k.Locked, k.Err = false, nil
	_, err := i.ring.file(path, false)
	switch {
	case errors.Is(err, errLocked):
		k.Locked = true
	case err != nil:
		k.Err = keyError(path, err)
	}
}

func (i *inspector) knownHosts(paths []string) {
	for _, path := range paths {
		if i.files[path] || path == os.DevNull {
			continue
		}
		i.files[path] = true
		found := FoundKnownHosts{Path: path}
		found.Lines, found.Bad, found.Err = knownhosts.Inspect(path)
		i.found.KnownHosts = append(i.found.KnownHosts, found)
	}
}

func (i *inspector) close() {
	for _, pool := range i.ring.pools {
		pool.close()
	}
}

// MaxOffers is how many keys a host is offered in one login; servers hang up on
// those who try many.
const MaxOffers = maxOffers
