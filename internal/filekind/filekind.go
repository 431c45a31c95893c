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
	// Note is where such a file belongs, or what to do with it; may be empty.
	Note string

	advice string
}

// Where such a file can be given: the codes of Advice, whose words the caller has.
const (
	// AdviceIdentity is of a private key.
	AdviceIdentity = "private key"
	// AdviceHistory is of a history.
	AdviceHistory = "history file"
)

// Error is the kind, and the note.
func (e *Error) Error() string {
	if e.Note == "" {
		return "this is " + e.Kind
	}
	return "this is " + e.Kind + ": " + e.Note
}

// Advice is where it can be given.
func (e *Error) Advice() (code string, args []any) { return e.advice, nil }

// Bare is Error: nothing of the file is in it.
func (e *Error) Bare() string { return e.Error() }

// publicNote is that of public keys.
const publicNote = "it belongs in a host's authorized_keys"

// beginnings are how the first line of a file that says something begins.
var beginnings = []struct {
	text string
	err  Error
}{
	{"PuTTY-User-Key-File-", Error{Kind: "a private key", Note: "puttygen FILE -O private-openssh -o NEW converts it"}},
	{"SSH PRIVATE KEY FILE FORMAT", Error{Kind: "a private key", Note: "SSH 1 keys are no longer supported"}},
	{"AGE-SECRET-KEY-", Error{Kind: "a private key"}},
	{"AGE-PLUGIN-", Error{Kind: "a private key"}},
	{"untrusted comment: ", Error{Kind: "a key or a signature of signify or minisign"}},
	{"$ANSIBLE_VAULT;", Error{Kind: "encrypted (Ansible Vault)"}},
	{"SQLite format 3\x00", Error{Kind: "a database, such as a history", advice: AdviceHistory}},
}

// armored is the line in front of keys, certificates and their kin. Some programs
// write a few lines about a key before it.
var armored = regexp.MustCompile(`(?m)^----[ -]-?[ ]?BEGIN ([A-Z0-9 ]+?)[ ]?-?----`)

// publicKey is a key as it stands in a .pub file or in authorized_keys.
var publicKey = regexp.MustCompile(`^(ssh-[a-z0-9@.-]+|ecdsa-sha2-nistp[0-9]+|sk-[a-z0-9@.-]+) AAAA`)

// Check returns an [*Error] if data is a key, a certificate or another file that must
// not be read as lines of text, else nil.
func Check(data []byte) error {
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	for _, b := range beginnings {
		if bytes.HasPrefix(text, []byte(b.text)) {
			err := b.err
			return &err
		}
	}
	if publicKey.Match(text) {
		return &Error{Kind: "a public key", Note: publicNote}
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
		return &Error{Kind: "a private key", advice: AdviceIdentity}
	}
	switch label := string(m[1]); {
	case strings.HasSuffix(label, "CERTIFICATE"), strings.HasPrefix(label, "CERTIFICATE"):
		return &Error{Kind: "a certificate"}
	case strings.Contains(label, "PUBLIC KEY"):
		return &Error{Kind: "a public key", Note: publicNote}
	case strings.HasPrefix(label, "PGP"):
		return &Error{Kind: "a message or key of PGP"}
	}
	return &Error{Kind: "a file of keys or certificates (PEM)"}
}
