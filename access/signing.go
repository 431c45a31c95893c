package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
)

// A SigningKey makes the secrets that sign callbacks. It is random; a program that has it
// can sign for every subject.
type SigningKey [sha256.Size]byte

// SigningPrefix begins the secret of every subject, so that programs that look for
// secrets in files know one.
const SigningPrefix = "tuttisig_"

// Secret is the secret of a subject, see [Principal.Subject]. It is always the same, is
// stored nowhere, and says nothing about that of another subject.
func (k *SigningKey) Secret(subject string) Secret {
	mac := hmac.New(sha256.New, k[:])
	_, _ = io.WriteString(mac, "callback\x00"+subject) // a hash takes everything
	return Secret{SigningPrefix + base62(mac.Sum(nil), secretDigits)}
}

// String hides the key.
func (k *SigningKey) String() string { return "(secret)" }

// Format hides the key, also of a value.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(secret)") }

// Subject names the secret that signs what is sent for the principal. It is the same for
// a user and its tokens, and differs for a later user of the same name. It is empty for
// the zero Principal.
func (p *Principal) Subject() string {
	switch {
	case p.User != 0:
		return UserSubject(p.User)
	case p.Token != 0:
		return TokenSubject(p.Token)
	}
	return p.Name
}

// UserSubject is the subject of the user of that number, and TokenSubject that of a
// token without an owner.
func UserSubject(id int64) string { return "user:" + strconv.FormatInt(id, 10) }

// TokenSubject is that of the token of that number, which has no owner.
func TokenSubject(id int64) string { return "token:" + strconv.FormatInt(id, 10) }

// MAC is the HMAC of data for a purpose, which can be stored and compared without
// revealing data.
func (k *SigningKey) MAC(purpose string, data []byte) []byte {
	mac := hmac.New(sha256.New, k[:])
	_, _ = io.WriteString(mac, purpose+"\x00") // a hash takes everything
	_, _ = mac.Write(data)                     // as above
	return mac.Sum(nil)
}
