package ssh

import (
	"slices"
	"strings"
)

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
