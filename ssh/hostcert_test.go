package ssh

import (
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/ssh/knownhosts"
)

// TestHostCertificatesAreJudgedWhole: a certificate counts if all of it is as it should
// be; if not, the key in it is checked like any other; revocation ends it all.
func TestHostCertificatesAreJudgedWhole(t *testing.T) {
	ca, otherCA, key := fleet.NewKey(), keytest.ECDSA(t), fleet.NewKey()
	now := time.Now()
	good := keytest.Certificate{Principals: []string{"127.*"}, From: now.Add(-time.Hour), To: now.Add(time.Hour), Kind: gossh.HostCert}
	with := func(change func(*keytest.Certificate)) keytest.Certificate {
		c := good
		change(&c)
		return c
	}
	vouch := func(k gossh.PublicKey) func(string) string {
		return func(string) string { return "@cert-authority " + keytest.Line("[127.*]:*", k) }
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
	plain := func(a string) string { return keytest.Line(a, key.PublicKey()) }
	revoke := func(k gossh.PublicKey) func(string) string {
		return func(string) string { return "@revoked " + keytest.Line("*", k) }
	}
	tests := []struct {
		name  string
		cert  keytest.Certificate
		known func(address string) string
		mode  hostkeys.Mode
		want  string // in the message; empty: the command runs
	}{
		{"good", good, vouch(ca.PublicKey()), hostkeys.Strict, ""},
		{"without principals", with(func(c *keytest.Certificate) { c.Principals = nil }), vouch(ca.PublicKey()), hostkeys.Strict, ""},
		{"authority unknown, key known", good, plain, hostkeys.Strict, ""},
		{"another authority, key known", good, and(vouch(otherCA.PublicKey()), plain), hostkeys.Strict, ""},
		{"another authority", good, vouch(otherCA.PublicKey()), hostkeys.Strict, "for its CA"},
		{"nothing known", good, func(string) string { return "" }, hostkeys.Strict, "is unknown"},
		{"expired", with(func(c *keytest.Certificate) { c.To = now.Add(-time.Minute) }), vouch(ca.PublicKey()), hostkeys.Strict, "expired"},
		{"expired, key known", with(func(c *keytest.Certificate) { c.To = now.Add(-time.Minute) }), and(vouch(ca.PublicKey()), plain), hostkeys.Strict, ""},
		{"not yet valid", with(func(c *keytest.Certificate) { c.From = now.Add(time.Minute) }), vouch(ca.PublicKey()), hostkeys.Strict, "not yet valid"},
		{"wrong principal", with(func(c *keytest.Certificate) { c.Principals = []string{"db*"} }), vouch(ca.PublicKey()), hostkeys.Strict, "principal"},
		{"a user's", with(func(c *keytest.Certificate) { c.Kind = gossh.UserCert }), vouch(ca.PublicKey()), hostkeys.Strict, "not a host certificate"},
		{"authority revoked", good, and(vouch(ca.PublicKey()), plain, revoke(ca.PublicKey())), hostkeys.Off, "revoked"},
		{"key revoked", good, and(vouch(ca.PublicKey()), revoke(key.PublicKey())), hostkeys.Off, "revoked"},
		{"expired, and not checked", with(func(c *keytest.Certificate) { c.To = now.Add(-time.Minute) }), vouch(ca.PublicKey()), hostkeys.Off, ""},
		{"authority as a host's key", good, func(a string) string { return keytest.Line(a, ca.PublicKey()) }, hostkeys.Strict, "CHANGED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := fleet.Host{Name: "h", HostKey: key, MoreHostKeys: []gossh.Signer{keytest.Certify(t, ca, key, tt.cert)}}
			b := newBench(t, []fleet.Host{host}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			e.HostKeys = tt.mode
			opts.Endpoints = []Endpoint{e}
			opts.KnownHosts = []string{keytest.KnownHosts(t, tt.known(knownhosts.Name(e.Address, e.Port)))}
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
