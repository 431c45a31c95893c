package ssh

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// A certificate is what an authority writes about a host.
type certificate struct {
	principals []string
	from, to   time.Time
	kind       uint32
}

// certify signs what c says of key.
func certify(t *testing.T, authority, key gossh.Signer, c certificate) gossh.Signer {
	t.Helper()
	cert := &gossh.Certificate{
		Key: key.PublicKey(), CertType: c.kind, ValidPrincipals: c.principals,
		ValidAfter: uint64(c.from.Unix()), ValidBefore: uint64(c.to.Unix()), KeyId: "host",
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// TestP12HostCertificates: a certificate counts if all of it is as it should
// be; if not, the key in it is judged like any other; revocation ends it all.
func TestP12HostCertificates(t *testing.T) {
	ca, otherCA, key := fleet.NewKey(), ecdsaKey(t), fleet.NewKey()
	now := time.Now()
	good := certificate{principals: []string{"127.*"}, from: now.Add(-time.Hour), to: now.Add(time.Hour), kind: gossh.HostCert}
	with := func(change func(*certificate)) certificate {
		c := good
		change(&c)
		return c
	}
	vouch := func(k gossh.PublicKey) func(string) string {
		return func(string) string { return "@cert-authority " + line("[127.*]:*", k) }
	}
	and := func(fs ...func(string) string) func(string) string {
		return func(a string) string {
			var b strings.Builder
			for _, f := range fs {
				b.WriteString(f(a))
			}
			return b.String()
		}
	}
	plain := func(a string) string { return line(a, key.PublicKey()) }
	revoke := func(k gossh.PublicKey) func(string) string {
		return func(string) string { return "@revoked " + line("*", k) }
	}
	tests := []struct {
		name  string
		cert  certificate
		known func(address string) string
		mode  HostKeyMode
		want  string // in the message; empty: the command runs
	}{
		{"good", good, vouch(ca.PublicKey()), Strict, ""},
		{"without principals", with(func(c *certificate) { c.principals = nil }), vouch(ca.PublicKey()), Strict, ""},
		{"authority unknown, key known", good, plain, Strict, ""},
		{"another authority, key known", good, and(vouch(otherCA.PublicKey()), plain), Strict, ""},
		{"another authority", good, vouch(otherCA.PublicKey()), Strict, "has its authority"},
		{"nothing known", good, func(string) string { return "" }, Strict, "is unknown"},
		{"expired", with(func(c *certificate) { c.to = now.Add(-time.Minute) }), vouch(ca.PublicKey()), Strict, "expired"},
		{"expired, key known", with(func(c *certificate) { c.to = now.Add(-time.Minute) }), and(vouch(ca.PublicKey()), plain), Strict, ""},
		{"not yet valid", with(func(c *certificate) { c.from = now.Add(time.Minute) }), vouch(ca.PublicKey()), Strict, "not yet valid"},
		{"wrong principal", with(func(c *certificate) { c.principals = []string{"db*"} }), vouch(ca.PublicKey()), Strict, "principal"},
		{"a user's", with(func(c *certificate) { c.kind = gossh.UserCert }), vouch(ca.PublicKey()), Strict, "not a host's"},
		{"authority revoked", good, and(vouch(ca.PublicKey()), plain, revoke(ca.PublicKey())), Off, "revoked"},
		{"key revoked", good, and(vouch(ca.PublicKey()), revoke(key.PublicKey())), Off, "revoked"},
		{"expired, checked by nobody", with(func(c *certificate) { c.to = now.Add(-time.Minute) }), vouch(ca.PublicKey()), Off, ""},
		{"authority as a host's key", good, func(a string) string { return line(a, ca.PublicKey()) }, Strict, "CHANGED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := fleet.Host{Name: "h", HostKey: key, MoreHostKeys: []gossh.Signer{certify(t, ca, key, tt.cert)}}
			b := newBench(t, []fleet.Host{host}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			e.HostKeys = tt.mode
			opts.Endpoints = []Endpoint{e}
			opts.KnownHosts = []string{writeKnownHosts(t, tt.known(bracketed(e.Address, e.Port)))}
			r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
			if tt.want == "" {
				r.wantExit(t, fanout.Exit{})
				return
			}
			r.wantOp(t, fanout.OpHostKey, false)
			if !r.Failure.Final || !strings.Contains(r.Failure.Text(), tt.want) {
				t.Errorf("got %+v, want a final failure that says %q", *r.Failure, tt.want)
			}
		})
	}
}
