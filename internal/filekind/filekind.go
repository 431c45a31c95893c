// Package filekind recognises files that hold secrets or keys, so that one that
// was named by mistake is called what it is, and nothing of it is shown.
package filekind

import (
	"bytes"
	"regexp"
	"strings"
)

// An Error says that a file is of a kind that cannot be meant.
type Error struct {
	// Kind is what the file is, such as "a private key".
	Kind string
	// Advice is where such a file belongs; empty if there is nothing to say.
	Advice string
}

// Error is the kind, and where it belongs.
func (e *Error) Error() string {
	if e.Advice == "" {
		return "this is " + e.Kind
	}
	return "this is " + e.Kind + ": " + e.Advice
}

// Bare is Error: nothing of the file is in it.
func (e *Error) Bare() string { return e.Error() }

const (
	identityAdvice = "--identity FILE logs in with it"
	publicAdvice   = "it belongs into a host's authorized_keys"
)

// beginnings are how the first line of a file that says something begins.
var beginnings = []struct {
	text string
	err  Error
}{
	{"PuTTY-User-Key-File-", Error{"a private key", "puttygen FILE -O private-openssh -o NEW converts it for --identity NEW"}},
	{"SSH PRIVATE KEY FILE FORMAT", Error{"a private key", "its format, of SSH 1, is no longer used"}},
	{"AGE-SECRET-KEY-", Error{"a private key", ""}},
	{"AGE-PLUGIN-", Error{"a private key", ""}},
	{"untrusted comment: ", Error{"a key or a signature of signify or minisign", ""}},
	{"$ANSIBLE_VAULT;", Error{"encrypted (Ansible Vault)", ""}},
	{"SQLite format 3\x00", Error{"a database, such as a history", "--history FILE names one"}},
}

// armored is the line in front of keys, certificates and their kin. Some programs
// write a few lines about a key before it.
var armored = regexp.MustCompile(`(?m)^----[ -]-?[ ]?BEGIN ([A-Z0-9 ]+?)[ ]?-?----`)

// publicKey is a key as it stands in a .pub file or in authorized_keys.
var publicKey = regexp.MustCompile(`^(ssh-[a-z0-9@.-]+|ecdsa-sha2-nistp[0-9]+|sk-[a-z0-9@.-]+) AAAA`)

// Check returns an [*Error] if data is a key, a certificate or another file that
// nobody wants to be read as lines of text, else nil.
func Check(data []byte) error {
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	for _, b := range beginnings {
		if bytes.HasPrefix(text, []byte(b.text)) {
			err := b.err
			return &err
		}
	}
	if publicKey.Match(text) {
		return &Error{"a public key", publicAdvice}
	}
	return checkArmor(text)
}

// checkArmor names what the first line with BEGIN announces. EC PARAMETERS are
// written in front of a private key.
func checkArmor(text []byte) error {
	m := armored.FindSubmatch(text)
	if m == nil {
		return nil
	}
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return &Error{"a private key", identityAdvice}
	}
	switch label := string(m[1]); {
	case strings.HasSuffix(label, "CERTIFICATE"), strings.HasPrefix(label, "CERTIFICATE"):
		return &Error{"a certificate", ""}
	case strings.Contains(label, "PUBLIC KEY"):
		return &Error{"a public key", publicAdvice}
	case strings.HasPrefix(label, "PGP"):
		return &Error{"a message or key of PGP", ""}
	}
	return &Error{"a file of keys or certificates (PEM)", ""}
}
