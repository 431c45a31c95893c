package ssh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// container is a file of OpenSSH's format with a key of that type, whose
// private half is of no use.
func container(kind string) []byte {
	blob := gossh.Marshal(struct {
		Kind, Curve string
		Point, App  string
	}{kind, "nistp256", "x", "ssh:"})
	body := append([]byte("openssh-key-v1\x00"), gossh.Marshal(struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public, Private      []byte
	}{"none", "none", "", 1, blob, gossh.Marshal(struct {
		Check1, Check2 uint32
		Kind           string
		Rest           []byte `ssh:"rest"`
	}{7, 7, kind, []byte("rest")})})...)
	return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: body})
}

// useless are private key files that cannot be used, and what is wrong with
// them.
func useless(tb testing.TB) []struct {
	name string
	data []byte
	mode os.FileMode
	want string
} {
	tb.Helper()
	_, good := userKey(tb)
	key, err := os.ReadFile(good)
	if err != nil {
		tb.Fatal(err)
	}
	_, lockedPath := lockedKey(tb)
	locked, err := os.ReadFile(lockedPath)
	if err != nil {
		tb.Fatal(err)
	}
	return []struct {
		name string
		data []byte
		mode os.FileMode
		want string
	}{
		{"a hardware token's", container("sk-ssh-ed25519@openssh.com"), 0o600, "security keys"},
		{"DSA", container("ssh-dss"), 0o600, "DSA key"},
		{"of an unknown type", container("ssh-new@example.com"), 0o600, "keys of type ssh-new@example.com are not supported"},
		{"encrypted PKCS#8", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")}), 0o600, "encrypted as PKCS#8"},
		{"encrypted", locked, 0o600, "encrypted, and there is no terminal"},
		{"readable by others", key, 0o644, "other users can read"},
		{"PuTTY's", []byte("PuTTY-User-Key-File-3: ssh-ed25519\n"), 0o600, "a PuTTY key"},
		{"cut off", key[:len(key)/2], 0o600, "not a readable private key"},
		{"empty", nil, 0o600, "not a private key"},
	}
}

// TestUselessFileAgentHolds: whatever is wrong with a key's file, the agent is
// asked for it by the .pub file; without an agent it is said what is wrong.
func TestUselessFileAgentHolds(t *testing.T) {
	a, publics := newAgent(t, 3)
	held := publics[1] // not the one that is offered first
	for _, tt := range useless(t) {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			if err := os.WriteFile(path, tt.data, tt.mode); err != nil {
				t.Fatal(err)
			}
			opts := Options{Endpoints: []Endpoint{{Address: "h", User: "u", Identities: []string{path}, IdentitiesOnly: true}}}
			_, err := New(t.Context(), opts)
			if ke, ok := errors.AsType[*KeyError](err); !ok || !strings.Contains(ke.Error(), tt.want) {
				t.Errorf("without an agent: got %v, want a KeyError with %q", err, tt.want)
			}
			if err := os.WriteFile(path+".pub", gossh.MarshalAuthorizedKey(held), 0o600); err != nil {
				t.Fatal(err)
			}
			opts.AgentSocket = a.socket
			c, err := New(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if keys := c.endpoints[0].keys; len(keys) != 1 || !bytes.Equal(keys[0].public.Marshal(), held.Marshal()) || keys[0].name != path {
				t.Errorf("got keys %v, want the agent's under the file's name", keys)
			}
		})
	}
}

// TestClearHalf: a file of OpenSSH's says itself whose private half it is, and
// needs no .pub file to be found in the agent.
func TestClearHalf(t *testing.T) {
	key, path := lockedKey(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := clearHalf(data); !bytes.Contains(key.AuthorizedKey(), []byte(strings.TrimSpace(string(gossh.MarshalAuthorizedKey(mustParse(t, got)))))) {
		t.Errorf("got %x, want the public half of %s", got, key.AuthorizedKey())
	}
	if got := clearHalf(container("sk-ssh-ed25519@openssh.com")); !bytes.Contains(got, []byte("sk-ssh-ed25519@openssh.com")) {
		t.Errorf("got %q, want the blob of a hardware token's key", got)
	}
}

func mustParse(tb testing.TB, blob []byte) gossh.PublicKey {
	tb.Helper()
	public, err := gossh.ParsePublicKey(blob)
	if err != nil {
		tb.Fatal(err)
	}
	return public
}

// TestKeyBehindOtherBlocks: the block that is the key is read, as ssh does,
// wherever in the file it stands.
func TestKeyBehindOtherBlocks(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")})
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	want, err := gossh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cannot be combined": key,
		"behind parameters":  append(bytes.Clone(parameters), key...),
		"behind much":        bytes.Join([][]byte{[]byte("a comment\n"), certificate, parameters, []byte("Bag Attributes\n"), key}, nil),
		"before certificate": append(bytes.Clone(key), certificate...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := New(t.Context(), Options{Endpoints: []Endpoint{{Address: "h", User: "u", Identities: []string{path}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if keys := c.endpoints[0].keys; len(keys) != 1 || !bytes.Equal(keys[0].public.Marshal(), want.Marshal()) {
				t.Errorf("got keys %v, want %s", keys, gossh.FingerprintSHA256(want))
			}
		})
	}
}

// TestKeyOfAnotherOwner: who owns a key decides who may read it; ssh minds the
// mode of its own user's files only.
func TestKeyOfAnotherOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id")
	for _, tt := range []struct {
		mode         os.FileMode
		own, foreign bool
	}{{0o600, false, false}, {0o400, false, false}, {0o440, true, false}, {0o444, true, false}, {0o640, true, false}} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, tt.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if own, another := exposed(info, os.Getuid()), exposed(info, os.Getuid()+1); own != tt.own || another != tt.foreign {
			t.Errorf("mode %04o: got exposed %v of ours, %v of another's, want %v, %v", tt.mode, own, another, tt.own, tt.foreign)
		}
	}
	if os.Getuid() != 0 {
		return // only root can give a file away
	}
	b := newBench(t, []fleet.Host{{Name: "h0"}}, func(o *Options) {
		given := o.Endpoints[0].Identities[0]
		if err := errors.Join(os.Chmod(given, 0o440), os.Chown(given, 4711, 4711)); err != nil {
			t.Fatal(err)
		}
	})
	b.exec(t.Context(), 0, "true").wantExit(t, fanout.Exit{})
}
