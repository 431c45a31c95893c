package ssh

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// certified are the algorithms with which a host shows a certificate of a key,
// by those with which it shows the key alone.
var certified = map[string]string{
	gossh.KeyAlgoED25519:   gossh.CertAlgoED25519v01,
	gossh.KeyAlgoECDSA256:  gossh.CertAlgoECDSA256v01,
	gossh.KeyAlgoECDSA384:  gossh.CertAlgoECDSA384v01,
	gossh.KeyAlgoECDSA521:  gossh.CertAlgoECDSA521v01,
	gossh.KeyAlgoRSASHA512: gossh.CertAlgoRSASHA512v01,
	gossh.KeyAlgoRSASHA256: gossh.CertAlgoRSASHA256v01,
	// These are asked for or offered only where ssh_config names them, or where
	// an agent holds such a key.
	gossh.KeyAlgoRSA:         gossh.CertAlgoRSAv01,
	gossh.InsecureKeyAlgoDSA: gossh.InsecureCertAlgoDSAv01,
	gossh.KeyAlgoSKED25519:   gossh.CertAlgoSKED25519v01,
	gossh.KeyAlgoSKECDSA256:  gossh.CertAlgoSKECDSA256v01,
}

// uncertified is certified the other way round.
var uncertified = func() map[string]string {
	names := make(map[string]string, len(certified))
	for plain, certificate := range certified {
		names[certificate] = plain
	}
	return names
}()

// withCertificates are the certificates' algorithms for those in plain, in
// their order.
func withCertificates(plain []string) []string {
	var names []string
	for _, p := range plain {
		if c, ok := certified[p]; ok {
			names = append(names, c)
		}
	}
	return names
}

// An authority is a line whose key vouches for the certificates of hosts.
type authority struct {
	nameMatch
	blob string
}

// vouched reports whether some authority vouches for hosts of the names n.
func (k *knownHosts) vouched(n hostNames) bool {
	return slices.ContainsFunc(k.authorities, func(a authority) bool {
		return slices.ContainsFunc(n.all(), a.match)
	})
}

// vouch checks a certificate that a host with the names n presents, signed with
// one of algorithms. The error says why it counts for nothing; then there is still
// the key in it.
func (k *knownHosts) vouch(n hostNames, cert *gossh.Certificate, algorithms []string) error {
	if cert.CertType != gossh.HostCert {
		return errors.New("it is not a host's")
	}
	blob := string(cert.SignatureKey.Marshal())
	reason := fmt.Errorf("no @cert-authority line has its authority, %s", describe(cert.SignatureKey))
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

// checkCertificate checks what its authority has written into cert, and that
// it was the authority.
func checkCertificate(cert *gossh.Certificate, host string, algorithms []string) error {
	if f := cert.Signature.Format; !slices.Contains(algorithms, f) {
		return fmt.Errorf("it is signed with %s, which is not trusted", cleanLine(f, 100))
	}
	principal := host
	for _, p := range cert.ValidPrincipals {
		if glob(strings.ToLower(p), host) { // as ssh has it: the library knows no wildcards
			principal = p
		}
	}
	checker := &gossh.CertChecker{}
	if err := checker.CheckCert(principal, cert); err != nil {
		return errors.New(cleanLine(strings.TrimPrefix(err.Error(), "ssh: "), 300))
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
