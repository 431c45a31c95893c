package knownhosts

import gossh "golang.org/x/crypto/ssh"

// Preferred are the host key algorithms that are requested by default, the cheapest for
// the host first, without certificates.
var Preferred = []string{
	gossh.KeyAlgoED25519,
	gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521,
	gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256,
}

// certified maps the algorithm of a plain key to that of a certificate of it.
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
	gossh.InsecureKeyAlgoDSA: gossh.InsecureCertAlgoDSAv01, //nolint:staticcheck // asked for only where ssh_config names it
	gossh.KeyAlgoSKED25519:   gossh.CertAlgoSKED25519v01,
	gossh.KeyAlgoSKECDSA256:  gossh.CertAlgoSKECDSA256v01,
}

// uncertified is the inverse of certified.
var uncertified = func() map[string]string {
	names := make(map[string]string, len(certified))
	for plain, certificate := range certified {
		names[certificate] = plain
	}
	return names
}()

// WithCertificates returns the certificate algorithms for those in plain, in their
// order.
func WithCertificates(plain []string) []string {
	var names []string
	for _, p := range plain {
		if c, ok := certified[p]; ok {
			names = append(names, c)
		}
	}
	return names
}

// IsPlain reports whether an algorithm is for plain keys, not for certificates.
func IsPlain(algorithm string) bool {
	_, certificate := uncertified[algorithm]
	return !certificate
}

// KeyKind returns the type of the plain keys of an algorithm.
func KeyKind(algorithm string) string {
	algorithm = Uncertified(algorithm)
	switch algorithm {
	case gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512:
		return gossh.KeyAlgoRSA
	}
	return algorithm
}

// Uncertified returns the algorithm of the plain key, also if algorithm is one of
// certificates.
func Uncertified(algorithm string) string {
	if plain, ok := uncertified[algorithm]; ok {
		return plain
	}
	return algorithm
}
