package ssh

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/sanitize"
)

const (
	// passphraseTries is how often a passphrase may be given for one file.
	passphraseTries = 3
	// maxKeyFile bounds what is read of a key file.
	maxKeyFile = 1 << 20
)

// errExposed is a private key that others may read.
var errExposed = errors.New("other users can read this private key")

// errOnlyPublic is the public half of a key that is nowhere.
var errOnlyPublic = errors.New("a public key whose private key is not in the agent")

// open reads the key in path. Whatever is wrong with the file, the agent may
// hold the key: it is asked by the public half before anything is refused, and
// before a passphrase is asked for.
func (r *keyRing) open(path string, ask bool) (*key, error) {
	data, info, err := readKeyFile(path)
	defer clear(data)
	if err == nil {
		if public, _, _, _, err := gossh.ParseAuthorizedKey(data); err == nil {
			return r.fromAgent(path, public)
		}
	}
	k, err := privateKey(path, data, info, err)
	if err == nil {
		return k, nil
	}
	halves := publicHalves(path, data)
	for _, public := range halves {
		if k, err := r.fromAgent(path, public); err == nil {
			return k, nil
		}
	}
	switch {
	case errors.Is(err, errLocked) && ask && r.passphrase != nil:
		return r.decrypt(path, keyBlock(data))
	case errors.Is(err, fs.ErrNotExist) && len(halves) > 0:
		return nil, errOnlyPublic
	}
	return nil, err
}

// privateKey is the key that was read from path, without a passphrase. err is
// why it could not be read.
func privateKey(path string, data []byte, info fs.FileInfo, err error) (*key, error) {
	if err != nil {
		return nil, err
	}
	signer, err := gossh.ParsePrivateKey(keyBlock(data))
	_, encrypted := errors.AsType[*gossh.PassphraseMissingError](err)
	switch {
	case (err == nil || encrypted) && exposed(info, os.Getuid()):
		return nil, fmt.Errorf("%w (mode %04o)", errExposed, info.Mode().Perm())
	case encrypted:
		return nil, errLocked
	case err != nil:
		return nil, unusable(data, err)
	}
	return fileKey(path, signer)
}

// exposed reports whether others may read a private key of user. Who else owns
// a key decides who may read it, as with ssh: a secret that a container is given
// is root's, and its group's.
func exposed(info fs.FileInfo, user int) bool {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != user {
		return false
	}
	return info.Mode().Perm()&0o077 != 0
}

func readKeyFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("not a regular file")
	case info.Size() > maxKeyFile:
		return nil, nil, fmt.Errorf("too large for a key: %d bytes", info.Size())
	}
	data, err := os.ReadFile(path)
	return data, info, err
}

// keyBlock is data from the block on that is a private key: OpenSSL puts the
// parameters of a curve before it, others a certificate.
func keyBlock(data []byte) []byte {
	for rest := data; ; {
		block, next := pem.Decode(rest)
		if block == nil {
			return data
		}
		private := strings.HasSuffix(block.Type, "PRIVATE KEY")
		clear(block.Bytes)
		if private {
			return rest
		}
		rest = next
	}
}

// fromAgent returns the agent's key with the public half public.
func (r *keyRing) fromAgent(path string, public gossh.PublicKey) (*key, error) {
	blob := public.Marshal()
	for _, k := range r.agent {
		if bytes.Equal(k.public.Marshal(), blob) {
			return &key{public: k.public, name: path, file: path, sign: k.sign}, nil
		}
	}
	return nil, errOnlyPublic
}

// publicHalves are what is known of the public half of the key in path: what the
// file itself says in clear, and the .pub file next to it.
func publicHalves(path string, data []byte) []gossh.PublicKey {
	var halves []gossh.PublicKey
	if blob := clearHalf(data); blob != nil {
		if public, err := gossh.ParsePublicKey(blob); err == nil {
			halves = append(halves, public)
		}
	}
	data, _, err := readKeyFile(path + ".pub")
	if err != nil {
		return halves
	}
	if public, _, _, _, err := gossh.ParseAuthorizedKey(data); err == nil {
		halves = append(halves, public)
	}
	return halves
}

// clearHalf is the public half in a file of OpenSSH's own format, which is never
// encrypted; nil if there is none.
func clearHalf(data []byte) []byte {
	block, _ := pem.Decode(keyBlock(data))
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil
	}
	defer clear(block.Bytes)
	var file struct {
		Cipher, KDF, KDFOptions string
		Keys                    uint32
		Public                  []byte
		Rest                    []byte `ssh:"rest"`
	}
	body, ok := bytes.CutPrefix(block.Bytes, []byte("openssh-key-v1\x00"))
	if !ok || gossh.Unmarshal(body, &file) != nil {
		return nil
	}
	return bytes.Clone(file.Public)
}

// unusable says why data is no key that can be used here.
func unusable(data []byte, err error) error {
	var kind struct {
		Name string
		Rest []byte `ssh:"rest"`
	}
	blob := clearHalf(data)
	block, _ := pem.Decode(keyBlock(data))
	switch {
	case bytes.HasPrefix(data, []byte("PuTTY-User-Key-File-")):
		return errors.New("a PuTTY key: convert it with puttygen FILE -O private-openssh -o NEW")
	case block == nil && !bytes.Contains(data, []byte("-----BEGIN")):
		return errors.New("not a private key")
	case block != nil && block.Type == "ENCRYPTED PRIVATE KEY":
		return errors.New("encrypted as PKCS#8, which is not supported: add it to the agent (ssh-add), or rewrite it (ssh-keygen -p -f FILE)")
	case blob != nil && gossh.Unmarshal(blob, &kind) == nil && strings.Contains(err.Error(), "unhandled key type"):
		return ofNoUse(kind.Name)
	}
	return fmt.Errorf("not a readable private key: %s", strings.TrimPrefix(err.Error(), "ssh: "))
}

// ofNoUse says why a file with a key of that type cannot be used.
func ofNoUse(kind string) error {
	switch {
	case strings.HasPrefix(kind, "sk-"):
		return errors.New("security keys work only through the agent: ssh-add it")
	case kind == gossh.InsecureKeyAlgoDSA: //nolint:staticcheck // such a key is named, not used
		return errors.New("a DSA key, which hosts no longer accept: create another with ssh-keygen -t ed25519")
	}
	return fmt.Errorf("keys of type %s are not supported", sanitize.Line(kind, 100))
}

func (r *keyRing) decrypt(path string, data []byte) (*key, error) {
	for range passphraseTries {
		passphrase, err := r.passphrase(r.ctx, path)
		if err != nil {
			return nil, err
		}
		signer, err := gossh.ParsePrivateKeyWithPassphrase(data, passphrase)
		clear(passphrase)
		if err == nil {
			return fileKey(path, signer)
		}
		if !wrongPassphrase(err) {
			return nil, unusable(data, err)
		}
	}
	return nil, fmt.Errorf("wrong passphrase, %d times", passphraseTries)
}

func wrongPassphrase(err error) bool {
	return errors.Is(err, x509.IncorrectPasswordError) // what the SSH library returns for every format
}
