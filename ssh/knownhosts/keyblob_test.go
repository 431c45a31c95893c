package knownhosts

import (
	"encoding/base64"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
	"tutti/internal/keytest"
)

// TestCutKeyIsNoKey: a line whose key was cut off, or has something behind it, says
// nothing of the host. In particular it does not say that its key has changed.
func TestCutKeyIsNoKey(t *testing.T) {
	fresh := fleet.NewKey().PublicKey()
	now := time.Now()
	cert := keytest.Certify(t, keytest.ECDSA(t), fleet.NewKey(), keytest.Certificate{From: now, To: now.Add(time.Hour), Kind: gossh.HostCert})
	keys := []gossh.PublicKey{fleet.NewKey().PublicKey(), keytest.ECDSA(t).PublicKey(), keytest.RSA(t, 2048).PublicKey(), keytest.DSA(t), keytest.SK(t), cert.PublicKey()}
	e := Host{Address: "web1", Port: 22}
	for _, key := range keys {
		t.Run(key.Type(), func(t *testing.T) {
			text := base64.StdEncoding.EncodeToString(key.Marshal())
			longer := base64.StdEncoding.EncodeToString(append(key.Marshal(), 0, 0, 0))
			broken := []string{longer}
			for end := 4; end < len(text); end += 4 {
				broken = append(broken, text[:end])
			}
			for _, b := range broken {
				warnings := 0
				h := Open([]string{keytest.KnownHosts(t, "web1 "+key.Type()+" "+b+"\n")}, func(string) { warnings++ })
				if v := h.classify(e.names(), string(fresh.Marshal())).verdict; v != Unknown || warnings != 1 {
					t.Fatalf("%d of %d characters: got verdict %d and %d warnings, want an unknown host and 1", len(b), len(text), v, warnings)
				}
			}
			whole := Open([]string{keytest.KnownHosts(t, keytest.Line("web1", key))}, func(w string) { t.Error(w) })
			if v := whole.classify(e.names(), string(key.Marshal())).verdict; v != Known {
				t.Errorf("the whole key: got verdict %d, want known", v)
			}
		})
	}
}
