package ssh

import (
	"time"

	"tutti/internal/hostkeys"
)

// An Endpoint is how a target is reached and logged in to.
type Endpoint struct {
	// Address is the name or IP address to dial.
	Address string
	// Port to dial; 0 means 22.
	Port int
	// User to log in as; must not be empty.
	User string
	// Identities are the private key files to offer, the best first. Nil: the
	// client's DefaultIdentities.
	Identities []string
	// IdentitiesOptional leaves out what cannot be used of Identities, which is
	// an error otherwise.
	IdentitiesOptional bool
	// IdentitiesOnly leaves the agent's other keys out.
	IdentitiesOnly bool
	// Certificates are files with certificates for the keys. One that stands
	// next to a key file, with -cert.pub at its end, is found without them.
	Certificates []string
	// Agent is the path of the socket of an SSH agent; "none": no agent. Empty:
	// the client's AgentSocket.
	Agent string
	// HostKeys says what happens with an unknown host key.
	HostKeys hostkeys.Mode
	// Alias is the name under which known_hosts is asked first, before
	// Address. Empty: Address only.
	Alias string
	// HostKeyAlias is the one name that known_hosts is asked for, whatever the
	// address and the port. Empty: Alias and Address.
	HostKeyAlias string
	// Jumps are the bastions on the way, the first to be logged in to first.
	// They have no Jumps of their own, and only the first may have a
	// ProxyCommand.
	Jumps []Endpoint
	// ProxyCommand is run by a shell, and its input and output are the
	// connection. It does not go with Jumps. Empty: none.
	ProxyCommand string
	// KnownHosts are the files that hold host keys; AcceptNew adds to the first.
	// Nil: those of the client.
	KnownHosts []string
	// KeepaliveInterval is the silence after which the host is asked for a sign
	// of life, and the time between two questions. 0 means 15 s, less never.
	KeepaliveInterval time.Duration
	// KeepaliveCount is how many questions may stay without an answer; 0 means 3.
	KeepaliveCount int
	// Ciphers, MACs, KeyExchanges and HostKeyAlgorithms are names or patterns
	// with commas between them, in place of the usual ones; with + in front they
	// are added to those, with ^ put before them, with - taken away. Empty: the
	// usual ones, which have no known weaknesses.
	Ciphers, MACs, KeyExchanges, HostKeyAlgorithms string
	// KeyAlgorithms, in the same form, are the algorithms that the user's keys and
	// certificates may sign with, and CASignatureAlgorithms those that the host's
	// certificate may be signed with.
	KeyAlgorithms, CASignatureAlgorithms string
	// AddressOnly asks known_hosts for Address and not for Alias.
	AddressOnly bool
	// NewKeysRefused refuses a host that known_hosts does not hold, whatever
	// HostKeys says: there is no file that its key could be added to.
	NewKeysRefused bool
	// HashNames writes names of hosts into known_hosts as hashes.
	HashNames bool
	// CheckAddress also asks known_hosts for the IP address that was reached, and
	// refuses a host whose key differs from the address's.
	CheckAddress bool
	// LoopbackTrusted takes any key of a host that is this machine.
	LoopbackTrusted bool
	// MinRSABits is the shortest RSA key that counts, the host's or the user's; 0:
	// what the library takes.
	MinRSABits int
	// RevokedHostKeys is a file with keys, or a key revocation list, that no host
	// may have. Empty: none.
	RevokedHostKeys string
	// Methods are the ways to log in that may be used, by the names that the
	// protocol has for them. Nil: all.
	Methods []string
	// Environment are NAME=VALUE words that are sent before each command, of which
	// the host takes what it will.
	Environment []string
	// NoExitStatus says that the host never sends an exit status: a command whose
	// session it closes without one counts as successful.
	NoExitStatus bool
	// Persist is how long a connection stays in an IdlePool without an age of its own
	// after its last use; 0: not at all.
	Persist time.Duration
}
