package ssh

import (
	"fmt"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// algorithms are what a login may use, the best first.
type algorithms struct{ ciphers, macs, kexes, hostKeys []string }

// algorithmsOf works out what the lists of an endpoint leave of the usual
// algorithms, which are those without known weaknesses, and add of the others.
func algorithmsOf(e Endpoint) (*algorithms, error) {
	safe, weak := gossh.SupportedAlgorithms(), gossh.InsecureAlgorithms()
	var a algorithms
	for _, x := range []struct {
		what, list  string
		usual, weak []string
		to          *[]string
	}{
		{"ciphers", e.Ciphers, safe.Ciphers, weak.Ciphers, &a.ciphers},
		{"MACs", e.MACs, safe.MACs, weak.MACs, &a.macs},
		{"key exchanges", e.KeyExchanges, safe.KeyExchanges, weak.KeyExchanges, &a.kexes},
		{"host key algorithms", e.HostKeyAlgorithms, preferred, withoutCertificates(weak.HostKeys), &a.hostKeys},
	} {
		all := slices.Concat(x.usual, x.weak)
		*x.to = assemble(x.list, x.usual, all)
		if len(*x.to) == 0 {
			return nil, fmt.Errorf("%s: %q leaves none that is known here; those are %s", x.what, x.list, strings.Join(all, ", "))
		}
	}
	return &a, nil
}

func withoutCertificates(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.Contains(n, "-cert-") })
}

// assemble reads a list of patterns as ssh does: in place of the usual names,
// or with + after them, with ^ before them, with - without those. Names that
// are not among all do not count.
func assemble(list string, usual, all []string) []string {
	if list == "" {
		return usual
	}
	patterns := strings.Split(strings.TrimLeft(list[:1], "+-^")+list[1:], ",")
	switch list[0] {
	case '-':
		return slices.DeleteFunc(slices.Clone(usual), func(name string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, name) })
		})
	case '+':
		patterns = slices.Concat(usual, patterns)
	case '^':
		patterns = slices.Concat(patterns, usual)
	}
	var names []string
	for _, p := range patterns {
		for _, name := range all {
			if glob(p, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
