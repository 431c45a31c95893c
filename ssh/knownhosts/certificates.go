package knownhosts

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/sanitize"
)

// An authority is a line whose key vouches for the certificates of hosts.
type authority struct {
	nameMatch
	blob string
}

// vouched reports whether some authority vouches for hosts of the names n.
func (k *index) vouched(n hostNames) bool {
	return slices.ContainsFunc(k.authorities, func(a authority) bool {
		return slices.ContainsFunc(n.all(), a.match)
	})
}

// vouch checks a certificate that a host with the names n presents, signed with one of
// algorithms. If the error is not nil, the certificate does not count, and the plain
// key in it has to be checked.
func (k *index) vouch(n hostNames, cert *gossh.Certificate, algorithms []string) error {
	if cert.CertType != gossh.HostCert {
		return errors.New("not a host certificate")
	}
	blob := string(cert.SignatureKey.Marshal())
	reason := fmt.Errorf("no @cert-authority line for its CA, %s", Describe(cert.SignatureKey))
	for _, name := range n.all() {
		if !slices.ContainsFunc(k.authorities, func(a authority) bool { return a.blob == blob && a.match(name) }) {
			continue
		}
		if reason = checkCertificate(cert, bare(name), algorithms); reason == nil {
			return nil
		}
	}
	return reason
}

// checkCertificate checks the restrictions in cert and the signature of its authority.
func checkCertificate(cert *gossh.Certificate, host string, algorithms []string) error {
	if f := cert.Signature.Format; !slices.Contains(algorithms, f) {
		return fmt.Errorf("signed with %s, which is not trusted", sanitize.Line(f, 100))
	}
	principal := host
	for _, p := range cert.ValidPrincipals {
		if Match(strings.ToLower(p), host) { // as ssh has it: the library knows no wildcards
			principal = p
		}
	}
	checker := &gossh.CertChecker{}
	if err := checker.CheckCert(principal, cert); err != nil {
		return errors.New(sanitize.Line(strings.TrimPrefix(err.Error(), "ssh: "), 300))
	}
	return nil
}

// bare is a name of known_hosts without its port.
func bare(name string) string {
	if rest, ok := strings.CutPrefix(name, "["); ok {
		if host, _, ok := strings.Cut(rest, "]:"); ok {
			return host
		}
	}
	return name
}
