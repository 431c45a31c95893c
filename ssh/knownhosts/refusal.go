package knownhosts

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// A Reason is why a key was refused, from which the remedy follows.
type Reason int

const (
	// ReasonOther is a reason without a known remedy.
	ReasonOther Reason = iota
	// ReasonUnknown is a host that no line is about.
	ReasonUnknown
	// ReasonNotAdded is a new host whose key could not be written.
	ReasonNotAdded
	// ReasonChanged is a key other than the known one.
	ReasonChanged
	// ReasonRevoked is a key, or a certificate, that a line or a list revokes.
	ReasonRevoked
)

// A Refusal is a host key that was refused. The message is the same for all hosts with
// the same trouble; the detail is the host's own.
type Refusal struct {
	Reason          Reason
	Message, Detail string
}

// Error is the message and the detail.
func (e *Refusal) Error() string { return e.Message + ": " + e.Detail }

// A ReorderError says that another kind of key must be requested from the host:
// known_hosts holds keys of other types for it.
type ReorderError struct {
	// Kinds are the types of these keys.
	Kinds []string
}

// Error names the types.
func (e *ReorderError) Error() string {
	return "the known key of the host is of type " + strings.Join(e.Kinds, " or ")
}

// withReason adds to a refusal why the certificate was not accepted.
func withReason(refusal, reason error) error {
	if refused, ok := errors.AsType[*Refusal](refusal); ok {
		with := *refused
		with.Detail += "; it also presents a certificate that is not accepted: " + reason.Error()
		return &with
	}
	return refusal
}

// changed refuses key with message, because others are known.
func changed(key gossh.PublicKey, others []*knownKey, message string) *Refusal {
	var lines []string
	for _, k := range others {
		lines = append(lines, fmt.Sprintf("%s %s (%s)", k.kind, fingerprint(k.blob), k.where()))
	}
	slices.Sort(lines)
	return &Refusal{ReasonChanged, message, fmt.Sprintf("it presents %s, but the known key is %s", Describe(key), strings.Join(lines, ", "))}
}

// Describe is the type and the fingerprint of key.
func Describe(key gossh.PublicKey) string {
	return key.Type() + " " + gossh.FingerprintSHA256(key)
}

func fingerprint(blob string) string {
	sum := sha256.Sum256([]byte(blob))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
