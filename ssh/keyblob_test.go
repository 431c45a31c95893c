package ssh

import (
	"crypto/dsa" //nolint:staticcheck // old known_hosts files hold such keys
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// A parsed key stands for any that comes out of its wire form.
func parsed(tb testing.TB, fields any) gossh.PublicKey {
	tb.Helper()
	key, err := gossh.ParsePublicKey(gossh.Marshal(fields))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// rsaKey is an RSA key of so many bits.
func rsaKey(tb testing.TB, bits int) gossh.Signer {
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

// dsaKey is an old key; only its form matters.
func dsaKey(tb testing.TB) gossh.PublicKey {
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

// TestCutKeyIsNoKey: a line whose key was cut off, or has something behind it, says
// nothing of the host. In particular it does not say that its key has changed.
func TestCutKeyIsNoKey(t *testing.T) {
	fresh := fleet.NewKey().PublicKey()
	now := time.Now()
	cert := certify(t, ecdsaKey(t), fleet.NewKey(), certificate{from: now, to: now.Add(time.Hour), kind: gossh.HostCert})
	keys := []gossh.PublicKey{fleet.NewKey().PublicKey(), ecdsaKey(t).PublicKey(), rsaKey(t, 2048).PublicKey(), dsaKey(t), skKey(t), cert.PublicKey()}
	e := Endpoint{Address: "web1", Port: 22}
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
				h := newHostKeys([]string{writeKnownHosts(t, "web1 "+key.Type()+" "+b+"\n")}, func(string) { warnings++ })
				if v := h.judge(namesOf(e), string(fresh.Marshal())).verdict; v != hostUnknown || warnings != 1 {
					t.Fatalf("%d of %d characters: got verdict %d and %d warnings, want an unknown host and 1", len(b), len(text), v, warnings)
				}
			}
			whole := newHostKeys([]string{writeKnownHosts(t, line("web1", key))}, func(w string) { t.Error(w) })
			if v := whole.judge(namesOf(e), string(key.Marshal())).verdict; v != hostKnown {
				t.Errorf("the whole key: got verdict %d, want known", v)
			}
		})
	}
}

// skKey is a key that lives in a hardware token.
func skKey(tb testing.TB) gossh.PublicKey {
	tb.Helper()
	return parsed(tb, struct {
		Name        string
		Key         []byte
		Application string
	}{gossh.KeyAlgoSKED25519, make([]byte, 32), "ssh:"})
}

// TestReorderIsBounded: a host that is known only by keys that it cannot be asked
// for, or does not have, is asked once or twice, and not for as long as it takes.
func TestReorderIsBounded(t *testing.T) {
	now := time.Now()
	cert := certify(t, ecdsaKey(t), fleet.NewKey(), certificate{from: now, to: now.Add(time.Hour), kind: gossh.HostCert})
	future := "ssh-future AAAACnNzaC1mdXR1cmU=\n"
	lines := map[string]func(a string) string{
		"ssh-dss":     func(a string) string { return line(a, dsaKey(t)) },
		"sk":          func(a string) string { return line(a, skKey(t)) },
		"certificate": func(a string) string { return line(a, cert.PublicKey()) },
		"future":      func(a string) string { return a + " " + future },
		"rsa":         func(a string) string { return line(a, rsaKey(t, 2048).PublicKey()) },
		"several": func(a string) string {
			return line(a, dsaKey(t)) + line(a, skKey(t)) + line(a, rsaKey(t, 2048).PublicKey()) + line(a, ecdsaKey(t).PublicKey())
		},
	}
	for name, known := range lines {
		for _, hashed := range []bool{false, true} {
			for _, mode := range []HostKeyMode{Strict, AcceptNew} {
				t.Run(strings.Join([]string{name, map[bool]string{true: "hashed", false: "plain"}[hashed], mode.String()}, "/"), func(t *testing.T) {
					b := newBench(t, []fleet.Host{{Name: "h", HostKey: fleet.NewKey()}}, nil)
					opts := b.opts
					e := opts.Endpoints[0]
					e.HostKeys = mode
					at := bracketed(e.Address, e.Port)
					if hashed {
						at = knownhosts.HashHostname(at)
					}
					opts.Endpoints = []Endpoint{e}
					opts.KnownHosts = []string{writeKnownHosts(t, known(at))}
					r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
					r.wantOp(t, fanout.OpHostKey, false)
					if n := len(b.fleet.Conns()); n > 2 || !strings.Contains(r.Failure.Message, "CHANGED") {
						t.Errorf("got %d connections and %q, want at most 2, and that the key has CHANGED", n, r.Failure.Message)
					}
				})
			}
		}
	}
}

// TestHostKeyAlgorithmsCertificate: a list that names only certificates asks for
// these, as ssh does; without an authority the key in the certificate decides.
func TestHostKeyAlgorithmsCertificate(t *testing.T) {
	ca, key := fleet.NewKey(), fleet.NewKey()
	now := time.Now()
	cert := certify(t, ca, key, certificate{principals: []string{"127.*"}, from: now.Add(-time.Hour), to: now.Add(time.Hour), kind: gossh.HostCert})
	tests := []struct {
		name, list string
		known      func(a string) string
		want       fanout.Op // none: the command runs
	}{
		{"authority", gossh.CertAlgoED25519v01, func(string) string { return "@cert-authority " + line("*", ca.PublicKey()) }, ""},
		{"key", gossh.CertAlgoED25519v01, func(a string) string { return line(a, key.PublicKey()) }, ""},
		{"nothing", gossh.CertAlgoED25519v01, func(string) string { return "" }, fanout.OpHostKey},
		{"another key", gossh.CertAlgoED25519v01, func(a string) string { return line(a, fleet.NewKey().PublicKey()) }, fanout.OpHostKey},
		{"pattern", "ssh-ed25519-cert*", func(string) string { return "@cert-authority " + line("*", ca.PublicKey()) }, ""},
		{"no certificates", gossh.KeyAlgoED25519, func(string) string { return "@cert-authority " + line("*", ca.PublicKey()) }, fanout.OpHostKey},
		{"taken away", "-*cert*", func(a string) string {
			return "@cert-authority " + line("*", ca.PublicKey()) + line(a, key.PublicKey())
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", HostKey: key, MoreHostKeys: []gossh.Signer{cert}}}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			e.HostKeyAlgorithms = tt.list
			opts.Endpoints = []Endpoint{e}
			opts.KnownHosts = []string{writeKnownHosts(t, tt.known(bracketed(e.Address, e.Port)))}
			r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
			if tt.want == "" {
				r.wantExit(t, fanout.Exit{})
				return
			}
			r.wantOp(t, tt.want, false)
		})
	}
	if got := slices.ContainsFunc(newHostKeys(nil, nil).algorithms(hostNames{full: []string{"x"}}, nil, slices.Concat(withCertificates(preferred), preferred)), func(a string) bool { return !isPlain(a) }); got {
		t.Error("got certificates asked for without an authority, want keys only")
	}
}
