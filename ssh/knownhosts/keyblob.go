package knownhosts

import (
	"encoding/binary"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// certificateMark is part of the type names of certificates.
const certificateMark = "-cert-v0"

// A part is one string of a key: as long as size says, or of any length but none
// if size is 0.
type part struct{ size int }

// keyParts are the strings of a key after its type name. Keys of other types are
// accepted as they are.
var keyParts = map[string][]part{
	gossh.KeyAlgoRSA:         {{}, {}},
	gossh.InsecureKeyAlgoDSA: {{}, {}, {}, {}}, //nolint:staticcheck // old known_hosts files hold such keys
	gossh.KeyAlgoED25519:     {{32}},
	gossh.KeyAlgoECDSA256:    {{8}, {65}},
	gossh.KeyAlgoECDSA384:    {{8}, {97}},
	gossh.KeyAlgoECDSA521:    {{8}, {133}},
	gossh.KeyAlgoSKED25519:   {{32}, {}},
	gossh.KeyAlgoSKECDSA256:  {{8}, {65}, {}},
}

// wholeKey reports whether rest, which follows the type name, is a complete key, if the
// type is known here. A truncated key must not count as another key of the host, so its
// line is ignored.
func wholeKey(kind string, rest []byte) bool {
	if strings.Contains(kind, certificateMark) {
		_, err := gossh.ParsePublicKey(gossh.Marshal(struct {
			Kind string
			Rest []byte `ssh:"rest"`
		}{kind, rest}))
		return err == nil
	}
	parts, known := keyParts[kind]
	if !known {
		return true
	}
	for _, p := range parts {
		if len(rest) < 4 {
			return false
		}
		size := uint64(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; uint64(len(rest)) < size || size == 0 || p.size > 0 && size != uint64(p.size) {
			return false
		}
		rest = rest[size:]
	}
	return len(rest) == 0
}
