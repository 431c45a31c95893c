package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
)

// A Hash is the SHA-256 of a random secret: what is stored of it. That is enough for 256
// random bits.
type Hash [sha256.Size]byte

// Equal compares in constant time.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// A Secret is a token, a session or a login link in clear: shown once and stored
// nowhere. It does not print itself.
type Secret struct{ text string }

// Reveal is the text of the secret, for its owner.
func (s Secret) Reveal() string { return s.text }

// Hash is what is stored of it.
func (s Secret) Hash() Hash { return sha256.Sum256([]byte(s.text)) }

// String hides the secret.
func (s Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (s Secret) GoString() string { return "(secret)" }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

const (
	secretBytes = 32
	// secretDigits are enough for secretBytes, and sumDigits for 32 bits.
	secretDigits, sumDigits = 43, 6
	// TokenPrefix begins every token, so that programs that look for secrets in
	// files know one.
	TokenPrefix = "tutti_"
)

// NewSecret is that of a session or a login link. It reads 32 bytes from random.
func NewSecret(random io.Reader) (Secret, error) {
	var data [secretBytes]byte
	if _, err := io.ReadFull(random, data[:]); err != nil {
		return Secret{}, err
	}
	return Secret{base62(data[:], secretDigits)}, nil
}

// ParseSecret reads the secret of a session or a login link; ok is false if text does not
// have that form.
func ParseSecret(text string) (s Secret, ok bool) {
	if len(text) != secretDigits || !isBase62(text) {
		return Secret{}, false
	}
	return Secret{text}, true
}

// NewToken is the secret of a new token. It reads 32 bytes from random.
func NewToken(random io.Reader) (Secret, error) {
	s, err := NewSecret(random)
	if err != nil {
		return s, err
	}
	return Secret{TokenPrefix + s.text + checksum(s.text)}, nil
}

// ParseToken reads the secret of a token. The checksum detects one that was mistyped or
// cut off without reading the history; the error is an [*AuthError].
func ParseToken(text string) (Secret, error) {
	body, ok := strings.CutPrefix(text, TokenPrefix)
	if !ok || len(body) != secretDigits+sumDigits || !isBase62(body) ||
		subtle.ConstantTimeCompare([]byte(checksum(body[:secretDigits])), []byte(body[secretDigits:])) != 1 {
		return Secret{}, &AuthError{What: "token", Why: Damaged}
	}
	return Secret{text}, nil
}

// checksum is that of the digits of a token.
func checksum(digits string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(digits)))
	return base62(sum[:], sumDigits)
}
