// Package keytest makes keys, certificates and known_hosts files for tests.
package keytest

import (
	"crypto/dsa" //nolint:staticcheck // old known_hosts files hold such keys
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Numbered returns the same key for the same number, in every process.
func Numbered(tb testing.TB, i int) gossh.PublicKey {
	tb.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, strconv.Itoa(i))
	k, err := gossh.NewPublicKey(ed25519.NewKeyFromSeed(seed).Public())
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// ECDSA is a key of the curve P-256.
func ECDSA(tb testing.TB) gossh.Signer {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// RSA is an RSA key of so many bits.
func RSA(tb testing.TB, bits int) gossh.Signer {
	tb.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// DSA is an old key; only its form matters.
func DSA(tb testing.TB) gossh.PublicKey {
	tb.Helper()
	top := func(bits uint) *big.Int { return new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1) } //nolint:gosec // small
	key, err := gossh.NewPublicKey(&dsa.PublicKey{
		Parameters: dsa.Parameters{P: top(1024), Q: top(160), G: big.NewInt(2)}, Y: big.NewInt(4),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// SK is a key that lives in a hardware token.
func SK(tb testing.TB) gossh.PublicKey {
	tb.Helper()
	return parsed(tb, struct {
		Name        string
		Key         []byte
		Application string
	}{gossh.KeyAlgoSKED25519, make([]byte, 32), "ssh:"})
}

// A parsed key stands for any that comes out of its wire form.
func parsed(tb testing.TB, fields any) gossh.PublicKey {
	tb.Helper()
	key, err := gossh.ParsePublicKey(gossh.Marshal(fields))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// A Certificate is what an authority writes about a host.
type Certificate struct {
	Principals []string
	From, To   time.Time
	Kind       uint32
}

// Certify signs what c says of key.
func Certify(tb testing.TB, authority, key gossh.Signer, c Certificate) gossh.Signer {
	tb.Helper()
	cert := &gossh.Certificate{
		Key: key.PublicKey(), CertType: c.Kind, ValidPrincipals: c.Principals,
		ValidAfter: uint64(c.From.Unix()), ValidBefore: uint64(c.To.Unix()), KeyId: "host",
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		tb.Fatal(err)
	}
	signer, err := gossh.NewCertSigner(cert, key)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}

// Line is a line of known_hosts.
func Line(hosts string, key gossh.PublicKey) string {
	return hosts + " " + key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal()) + "\n"
}

// KnownHosts writes content to a new known_hosts file, and returns its path.
func KnownHosts(tb testing.TB, content string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}
