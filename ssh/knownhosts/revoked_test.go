package knownhosts

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
	"tutti/internal/keytest"
	"tutti/internal/sshdtest"
)

// TestRevocationList holds the reader against lists that ssh-keygen makes, and
// against pieces of them.
func TestRevocationList(t *testing.T) {
	keygen := sshdtest.Tool(t, "ssh-keygen")
	dir := t.TempDir()
	ca, key, good := fleet.NewKey(), fleet.NewKey(), keytest.ECDSA(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := write("ca.pub", string(gossh.MarshalAuthorizedKey(ca.PublicKey())))
	serial := func(n uint64, id string) gossh.PublicKey {
		c := &gossh.Certificate{Key: good.PublicKey(), Serial: n, KeyId: id, CertType: gossh.HostCert, ValidBefore: gossh.CertTimeInfinity}
		if err := c.SignCert(rand.Reader, ca); err != nil {
			t.Fatal(err)
		}
		return c
	}
	text := string(gossh.MarshalAuthorizedKey(key.PublicKey()))
	tests := []struct {
		name, spec string
		revoked    []gossh.PublicKey
		fine       []gossh.PublicKey
	}{
		{"key", text, []gossh.PublicKey{key.PublicKey()}, []gossh.PublicKey{good.PublicKey(), serial(1, "a")}},
		{"sha1", "sha1: " + text, []gossh.PublicKey{key.PublicKey()}, []gossh.PublicKey{good.PublicKey()}},
		{"sha256", "sha256: " + text, []gossh.PublicKey{key.PublicKey()}, []gossh.PublicKey{good.PublicKey()}},
		{"serials", "serial: 7\nserial: 10-20\n", []gossh.PublicKey{serial(7, "a"), serial(10, "a"), serial(20, "a")}, []gossh.PublicKey{serial(8, "a"), serial(21, "a"), serial(0, "a"), good.PublicKey()}},
		{"many serials", "serial: 1\nserial: 3\nserial: 5\nserial: 9\nserial: 11\nserial: 17\n", []gossh.PublicKey{serial(1, "a"), serial(9, "a"), serial(17, "a")}, []gossh.PublicKey{serial(2, "a"), serial(10, "a"), serial(18, "a")}},
		{"ids", "id: web1\nid: web2\n", []gossh.PublicKey{serial(1, "web1"), serial(0, "web2")}, []gossh.PublicKey{serial(1, "web3")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "list")
			out, err := exec.Command(keygen, "-k", "-q", "-f", list, "-s", authority, write("spec", tt.spec)).CombinedOutput() //nolint:gosec // our own files
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			r := ReadRevoked(list)
			if r.err != nil {
				t.Fatal(r.err)
			}
			for _, k := range tt.revoked {
				if r.Refuse(k) == nil {
					t.Errorf("%s is taken, want it revoked", Describe(k))
				}
			}
			for _, k := range tt.fine {
				if err := r.Refuse(k); err != nil {
					t.Errorf("got %v, want it taken", err)
				}
			}
			data, err := os.ReadFile(list) //nolint:gosec // our own file
			if err != nil {
				t.Fatal(err)
			}
			if cut := ReadRevoked(write("cut", string(data[:len(data)-1]))); cut.Refuse(good.PublicKey()) == nil {
				t.Error("a list that is cut off revokes less, want that no host is trusted")
			}
		})
	}
	if r := ReadRevoked(write("future", krlMagic+"\x00\x00\x00\x02")); r.Refuse(good.PublicKey()) == nil {
		t.Error("a list of another version is taken for an empty one")
	}
}
