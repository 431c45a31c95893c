package fleet

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Key is an ed25519 key pair, for a host or a user. The zero value is no key.
type Key struct {
	gossh.Signer
	private ed25519.PrivateKey
}

// NewKey makes a key.
func NewKey() Key {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // the system's randomness never fails
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		panic(err) // an ed25519 key is always accepted
	}
	return Key{Signer: signer, private: private}
}

// WriteFile writes the private key to a new file in OpenSSH's format, readable
// by the owner alone, encrypted if there is a passphrase.
func (k Key) WriteFile(path, passphrase string) error {
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = gossh.MarshalPrivateKey(k.private, "fleet")
	} else {
		block, err = gossh.MarshalPrivateKeyWithPassphrase(k.private, "fleet", []byte(passphrase))
	}
	if err != nil {
		return fmt.Errorf("write key %q: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := pem.Encode(file, block); err != nil {
		_ = file.Close() // the error that matters is err
		return fmt.Errorf("write key %q: %w", path, err)
	}
	return file.Close()
}

// AuthorizedKey returns the public half as a line of an authorized_keys file.
func (k Key) AuthorizedKey() []byte {
	return gossh.MarshalAuthorizedKey(k.PublicKey())
}

// KnownHosts returns a known_hosts file that vouches for every host's own keys,
// one line per key, by address and port. For a key with a certificate it vouches
// for the authority.
func (f *Fleet) KnownHosts() []byte {
	var out bytes.Buffer
	for _, h := range f.hosts {
		for _, key := range h.keys {
			public := key.PublicKey()
			if cert, ok := public.(*gossh.Certificate); ok {
				out.WriteString("@cert-authority ")
				public = cert.SignatureKey
			}
			out.WriteString(knownhosts.Line([]string{h.addr.String()}, public))
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
