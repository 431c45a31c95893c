package knownhosts

import (
	"slices"
	"strings"

	"tutti/internal/hostkeys"
)

// A Host is a host whose key is checked, with its names and the rules for it.
type Host struct {
	// Alias and Address are its names, in the order in which they are looked up.
	// Alias may be empty.
	Alias, Address string
	// Port is where it was reached.
	Port int
	// HostKeyAlias is the one name that counts, whatever the others and the port
	// are. Empty: Alias and Address.
	HostKeyAlias string
	// AddressOnly leaves Alias out.
	AddressOnly bool
	// Indirect says that it was reached through a bastion or a program, from where the
	// same address may be another host's.
	Indirect bool
	// Mode says what happens if its key is not known.
	Mode hostkeys.Mode
	// NewKeysRefused refuses a key that is not known, whatever Mode says.
	NewKeysRefused bool
	// HashNames writes its names as hashes.
	HashNames bool
	// CASignatures are the algorithms with which its certificate may be signed.
	CASignatures []string
}

// hostNames are the names under which known_hosts may hold a host.
type hostNames struct {
	full     []string // with the port, the best first
	portless []string // how lines that say nothing of a port would write them
	// shared says that from here, too, the last of full leads to the host: a
	// line for it is good for all.
	shared bool
}

// names are those under which known_hosts may hold h.
func (h Host) names() hostNames {
	var n hostNames
	if h.HostKeyAlias != "" {
		n.full = []string{strings.ToLower(h.HostKeyAlias)}
		return n
	}
	for _, host := range []string{h.Alias, h.Address} {
		if host == "" || h.AddressOnly && host != h.Address {
			continue
		}
		if name := Name(host, h.Port); !slices.Contains(n.full, name) {
			n.full = append(n.full, name)
		}
		if h.Port != defaultPort {
			n.portless = append(n.portless, strings.ToLower(host))
		}
	}
	n.shared = !h.Indirect
	return n
}

// written are the names for a new line: the preferred one, and the address, by which
// plain ssh finds the host. An address that lines are about already is left out; spoken
// reports whether there are such lines.
func (n hostNames) written(spoken func(name string) bool) []string {
	names := n.full[:1:1]
	if last := n.full[len(n.full)-1]; len(n.full) > 1 && n.shared && !spoken(last) {
		names = append(names, last)
	}
	return names
}

// all are all the names, the best first.
func (n hostNames) all() []string { return slices.Concat(n.full, n.portless) }
