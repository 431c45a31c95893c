package ssh

import (
	"slices"
	"strings"
)

// hostNames are the names under which known_hosts may hold an endpoint.
type hostNames struct {
	full     []string // with the port, the best first
	portless []string // how lines that say nothing of a port would write them
	// shared says that from here, too, the last of full leads to the host: a
	// line for it is good for all.
	shared bool
}

// namesOf are the names of e. Behind a bastion or a program the same address
// may be another host's.
func namesOf(e Endpoint) hostNames {
	var n hostNames
	if e.HostKeyAlias != "" {
		n.full = []string{strings.ToLower(e.HostKeyAlias)}
		return n
	}
	for _, host := range []string{e.Alias, e.Address} {
		if host == "" || e.AddressOnly && host != e.Address {
			continue
		}
		if name := bracketed(host, e.Port); !slices.Contains(n.full, name) {
			n.full = append(n.full, name)
		}
		if e.Port != defaultPort {
			n.portless = append(n.portless, strings.ToLower(host))
		}
	}
	n.shared = len(e.Jumps) == 0 && e.ProxyCommand == ""
	return n
}

// written are the names that stand in a new line: the best, which is ours, and
// the address, by which plain ssh looks a host up whatever it was called. An
// address that lines are about already is left to them; spoken tells.
func (n hostNames) written(spoken func(name string) bool) []string {
	names := n.full[:1:1]
	if last := n.full[len(n.full)-1]; len(n.full) > 1 && n.shared && !spoken(last) {
		names = append(names, last)
	}
	return names
}

// all are all the names, the best first.
func (n hostNames) all() []string { return slices.Concat(n.full, n.portless) }
