package ssh

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/ssh/knownhosts"
)

// algorithms are what a login may use, the best first.
type algorithms struct {
	ciphers, macs, kexes, hostKeys, keys []string
	// authorities may sign the certificate of the host with these.
	authorities []string
}

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
		{"host key algorithms", e.HostKeyAlgorithms, slices.Concat(knownhosts.WithCertificates(knownhosts.Preferred), knownhosts.Preferred), weak.HostKeys, &a.hostKeys},
		{"CA signatures", e.CASignatureAlgorithms, safe.PublicKeyAuths, weak.PublicKeyAuths, &a.authorities},
		{"public key algorithms", e.KeyAlgorithms, keyAlgorithms(safe.PublicKeyAuths), keyAlgorithms(weak.PublicKeyAuths), &a.keys},
	} {
		all := slices.Concat(x.usual, x.weak)
		*x.to = assemble(x.list, x.usual, all)
		if len(*x.to) == 0 {
			return nil, fmt.Errorf("%s: %q leaves none that tutti supports: %s", x.what, x.list, strings.Join(all, ", "))
		}
	}
	return &a, nil
}

// keyAlgorithms are the names under which users' keys and their certificates are
// offered that sign with plain, the longest hash for RSA first.
func keyAlgorithms(plain []string) []string {
	plain = slices.Clone(plain)
	slices.SortStableFunc(plain, func(a, b string) int {
		return cmp.Compare(rsaRank(a), rsaRank(b))
	})
	return slices.Concat(knownhosts.WithCertificates(plain), plain)
}

func rsaRank(algorithm string) int {
	return slices.Index([]string{gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSA}, algorithm)
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
			return slices.ContainsFunc(patterns, func(p string) bool { return knownhosts.Match(p, name) })
		})
	case '+':
		patterns = slices.Concat(usual, patterns)
	case '^':
		patterns = slices.Concat(patterns, usual)
	}
	var names []string
	for _, p := range patterns {
		for _, name := range all {
			if knownhosts.Match(p, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
