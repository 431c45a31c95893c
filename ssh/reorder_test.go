package ssh

import (
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/ssh/knownhosts"
)

// TestReorderIsBounded: a host that is known only by keys that it cannot be asked
// for, or does not have, is asked once or twice, and not for as long as it takes.
func TestReorderIsBounded(t *testing.T) {
	now := time.Now()
	cert := keytest.Certify(t, keytest.ECDSA(t), fleet.NewKey(), keytest.Certificate{From: now, To: now.Add(time.Hour), Kind: gossh.HostCert})
	future := "ssh-future AAAACnNzaC1mdXR1cmU=\n"
	lines := map[string]func(a string) string{
		"ssh-dss":     func(a string) string { return keytest.Line(a, keytest.DSA(t)) },
		"sk":          func(a string) string { return keytest.Line(a, keytest.SK(t)) },
		"certificate": func(a string) string { return keytest.Line(a, cert.PublicKey()) },
		"future":      func(a string) string { return a + " " + future },
		"rsa":         func(a string) string { return keytest.Line(a, keytest.RSA(t, 2048).PublicKey()) },
		"several": func(a string) string {
			return keytest.Line(a, keytest.DSA(t)) + keytest.Line(a, keytest.SK(t)) + keytest.Line(a, keytest.RSA(t, 2048).PublicKey()) + keytest.Line(a, keytest.ECDSA(t).PublicKey())
		},
	}
	for name, known := range lines {
		for _, hashed := range []bool{false, true} {
			for _, mode := range []hostkeys.Mode{hostkeys.Strict, hostkeys.AcceptNew} {
				t.Run(strings.Join([]string{name, map[bool]string{true: "hashed", false: "plain"}[hashed], mode.String()}, "/"), func(t *testing.T) {
					b := newBench(t, []fleet.Host{{Name: "h", HostKey: fleet.NewKey()}}, nil)
					opts := b.opts
					e := opts.Endpoints[0]
					e.HostKeys = mode
					at := knownhosts.Name(e.Address, e.Port)
					if hashed {
						at = goknownhosts.HashHostname(at)
					}
					opts.Endpoints = []Endpoint{e}
					opts.KnownHosts = []string{keytest.KnownHosts(t, known(at))}
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
	cert := keytest.Certify(t, ca, key, keytest.Certificate{Principals: []string{"127.*"}, From: now.Add(-time.Hour), To: now.Add(time.Hour), Kind: gossh.HostCert})
	tests := []struct {
		name, list string
		known      func(a string) string
		want       fanout.Op // none: the command runs
	}{
		{"authority", gossh.CertAlgoED25519v01, func(string) string { return "@cert-authority " + keytest.Line("*", ca.PublicKey()) }, ""},
		{"key", gossh.CertAlgoED25519v01, func(a string) string { return keytest.Line(a, key.PublicKey()) }, ""},
		{"nothing", gossh.CertAlgoED25519v01, func(string) string { return "" }, fanout.OpHostKey},
		{"another key", gossh.CertAlgoED25519v01, func(a string) string { return keytest.Line(a, fleet.NewKey().PublicKey()) }, fanout.OpHostKey},
		{"pattern", "ssh-ed25519-cert*", func(string) string { return "@cert-authority " + keytest.Line("*", ca.PublicKey()) }, ""},
		{"no certificates", gossh.KeyAlgoED25519, func(string) string { return "@cert-authority " + keytest.Line("*", ca.PublicKey()) }, fanout.OpHostKey},
		{"taken away", "-*cert*", func(a string) string {
			return "@cert-authority " + keytest.Line("*", ca.PublicKey()) + keytest.Line(a, key.PublicKey())
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", HostKey: key, MoreHostKeys: []gossh.Signer{cert}}}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			e.HostKeyAlgorithms = tt.list
			opts.Endpoints = []Endpoint{e}
			opts.KnownHosts = []string{keytest.KnownHosts(t, tt.known(knownhosts.Name(e.Address, e.Port)))}
			r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
			if tt.want == "" {
				r.wantExit(t, fanout.Exit{})
				return
			}
			r.wantOp(t, tt.want, false)
		})
	}
	if got := slices.ContainsFunc(knownhosts.Open(nil, nil).Algorithms(knownhosts.Host{HostKeyAlias: "x"}, nil, slices.Concat(knownhosts.WithCertificates(knownhosts.Preferred), knownhosts.Preferred)), func(a string) bool { return !knownhosts.IsPlain(a) }); got {
		t.Error("got certificates asked for without an authority, want keys only")
	}
}
