package ssh

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/internal/sshdtest"
	"tutti/ssh/knownhosts"
)

// TestKeyRules: what ssh_config says of trust holds beside known_hosts.
func TestKeyRules(t *testing.T) {
	key, ca, short := fleet.NewKey(), keytest.RSA(t, 2048), keytest.RSA(t, 2048)
	now := time.Now()
	cert := keytest.Certify(t, ca, key, keytest.Certificate{Principals: []string{"127.*"}, From: now.Add(-time.Hour), To: now.Add(time.Hour), Kind: gossh.HostCert})
	revoked := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(revoked, append([]byte("# old keys\nnot a key\n"), gossh.MarshalAuthorizedKey(key.PublicKey())...), 0o600); err != nil {
		t.Fatal(err)
	}
	known := func(keys ...gossh.PublicKey) func(a string) string {
		return func(a string) string {
			var b strings.Builder
			for _, k := range keys {
				b.WriteString(keytest.Line(a, k))
			}
			return b.String()
		}
	}
	vouched := func(string) string { return "@cert-authority " + keytest.Line("*", ca.PublicKey()) }
	nothing := func(string) string { return "" }
	tests := []struct {
		name   string
		keys   []gossh.Signer
		known  func(a string) string
		change func(e *Endpoint)
		want   string // in the message; empty: the command runs
	}{
		{"accept-new without a file", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = hostkeys.AcceptNew, true }, "unknown"},
		{"off without a file", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = hostkeys.Off, true }, "unknown"},
		{"without a file, known", []gossh.Signer{key}, known(key.PublicKey()), func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = hostkeys.AcceptNew, true }, ""},
		{"off without a file, changed", []gossh.Signer{key}, known(ca.PublicKey()), func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = hostkeys.Off, true }, ""},
		{"authority's signature", []gossh.Signer{key, cert}, vouched, func(*Endpoint) {}, ""},
		{"authority's signature not trusted", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.CASignatureAlgorithms = "ssh-ed25519" }, "which is not trusted"},
		{"authority's signature taken away", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.CASignatureAlgorithms = "-rsa*" }, "which is not trusted"},
		{"authority's signature not trusted, key known", []gossh.Signer{key, cert}, known(key.PublicKey()), func(e *Endpoint) { e.CASignatureAlgorithms = "ssh-ed25519" }, ""},
		{"RSA of the length", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.MinRSABits = 2048 }, ""},
		{"RSA too short", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.MinRSABits = 3072 }, "too short"},
		{"RSA too short, off", []gossh.Signer{short}, nothing, func(e *Endpoint) { e.MinRSABits, e.HostKeys = 3072, hostkeys.Off }, "too short"},
		{"revoked", []gossh.Signer{key}, known(key.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked }, "revoked"},
		{"revoked, off", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.RevokedHostKeys, e.HostKeys = revoked, hostkeys.Off }, "revoked"},
		{"revoked in a certificate", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.RevokedHostKeys = revoked }, "revoked"},
		{"another revoked", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked }, ""},
		{"list of the revoked is missing", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked + "-not" }, "cannot read"},
		{"loopback trusted", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted = true }, ""},
		{"loopback trusted, but called something else", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted, e.HostKeyAlias = true, "x" }, "unknown"},
		{"loopback trusted, revoked", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted, e.RevokedHostKeys = true, revoked }, "revoked"},
		{"alias known", []gossh.Signer{key}, func(a string) string { return keytest.Line(strings.Replace(a, "127.", "web.", 1), key.PublicKey()) }, func(e *Endpoint) { e.Alias = strings.Replace(e.Address, "127.", "web.", 1) }, ""},
		{"alias not asked for", []gossh.Signer{key}, func(a string) string { return keytest.Line(strings.Replace(a, "127.", "web.", 1), key.PublicKey()) }, func(e *Endpoint) {
			e.Alias, e.AddressOnly = strings.Replace(e.Address, "127.", "web.", 1), true
		}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", HostKey: tt.keys[0], MoreHostKeys: tt.keys[1:]}}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			tt.change(&e)
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

// TestCheckAddress: the key has to be the one that is known for the address that
// was reached.
func TestCheckAddress(t *testing.T) {
	key, other := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey()
	base := Endpoint{Address: "web1", Port: 22, CheckAddress: true}
	off, through := base, base
	off.HostKeys = hostkeys.Off
	through.ProxyCommand = "nc"
	tests := []struct {
		name, content, remote string
		endpoint              Endpoint
		refused               bool
	}{
		{"address unknown", keytest.Line("web1", key), "192.0.2.7:22", base, false},
		{"address known", keytest.Line("web1,192.0.2.7", key), "192.0.2.7:22", base, false},
		{"address of another", keytest.Line("web1", key) + keytest.Line("192.0.2.7", other), "192.0.2.7:22", base, true},
		{"IPv6 of another", keytest.Line("web1", key) + keytest.Line("2001:db8::1", other), "[2001:db8::1]:22", base, true},
		{"another address of another", keytest.Line("web1", key) + keytest.Line("192.0.2.8", other), "192.0.2.7:22", base, false},
		{"nothing is checked", keytest.Line("192.0.2.7", other), "192.0.2.7:22", off, false},
		{"an address elsewhere", keytest.Line("web1", key) + keytest.Line("192.0.2.7", other), "192.0.2.7:22", through, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ep := &endpoint{Endpoint: &tt.endpoint, algorithms: &algorithms{}, hostKeys: knownhosts.Open([]string{keytest.KnownHosts(t, tt.content)}, func(w string) { t.Error(w) })}
			err := ep.checkKey(t.Context(), key, tt.remote, true)
			if refused := err != nil; refused != tt.refused {
				t.Errorf("got error %v, want refused %v", err, tt.refused)
			}
		})
	}
}

// TestWrittenNamesBehind: behind a bastion or a program, where the address means
// something else, a new key is written for the name only.
func TestWrittenNamesBehind(t *testing.T) {
	at := Endpoint{Alias: "Web1", Address: "10.0.0.1", Port: 22, HostKeys: hostkeys.AcceptNew}
	bastion, program := at, at
	bastion.Jumps = []Endpoint{{Address: "gate"}}
	program.ProxyCommand = "nc"
	key := keytest.Numbered(t, 3)
	for _, tt := range []struct {
		name     string
		endpoint Endpoint
		want     string
	}{
		{"straight", at, keytest.Line("web1,10.0.0.1", key)},
		{"behind a bastion", bastion, keytest.Line("web1", key)},
		{"by a program", program, keytest.Line("web1", key)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := keytest.KnownHosts(t, "")
			ep := &endpoint{Endpoint: &tt.endpoint, algorithms: &algorithms{}, hostKeys: knownhosts.Open([]string{file}, func(w string) { t.Error(w) })}
			if err := ep.checkKey(t.Context(), key, "10.0.0.1:22", true); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestNowhereToWrite: accept-new that writes to the null device says that it
// learns nothing.
func TestNowhereToWrite(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	opts := b.opts
	var warnings []string
	opts.Warn = func(w string) { warnings = append(warnings, w) }
	opts.Endpoints = slices.Clone(opts.Endpoints)
	opts.Endpoints[0].HostKeys = hostkeys.AcceptNew
	opts.KnownHosts = []string{os.DevNull}
	execOn(t.Context(), newClient(t, opts), b.targets[0], "x").wantExit(t, fanout.Exit{})
	if len(warnings) != 1 || !strings.Contains(warnings[0], "accepts the key of an unknown host without a check") {
		t.Errorf("got warnings %q, want one", warnings)
	}
}

// TestEnvironment asks the real server which variables reach it.
func TestEnvironment(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"AcceptEnv FOO_*"}}, func(o *Options) {
		o.Endpoints[0].Environment = []string{"FOO_A=one two", "FOO_B=", "FOO_C=a=b", "BAR=no"}
	})
	r := b.exec(t.Context(), 0, `echo "$FOO_A|${FOO_B-unset}|$FOO_C|${BAR-unset}"`)
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "one two||a=b|unset\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestKeyAlgorithms: with which algorithms keys are offered.
func TestKeyAlgorithms(t *testing.T) {
	rsa, ed := keytest.RSA(t, 2048), fleet.NewKey()
	cert := &gossh.Certificate{Key: rsa.PublicKey(), CertType: gossh.UserCert, ValidBefore: gossh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ed); err != nil {
		t.Fatal(err)
	}
	keys := []*key{{public: rsa.PublicKey(), name: "rsa"}, {public: cert, name: "cert"}, {public: ed.PublicKey(), name: "ed"}}
	tests := []struct {
		name string
		e    Endpoint
		want string
	}{
		{"usual", Endpoint{}, "rsa rsa-sha2-512 rsa-sha2-256, cert rsa-sha2-512 rsa-sha2-256, ed ssh-ed25519"},
		{"with SHA-1", Endpoint{KeyAlgorithms: "+ssh-rsa"}, "rsa rsa-sha2-512 rsa-sha2-256 ssh-rsa, cert rsa-sha2-512 rsa-sha2-256, ed ssh-ed25519"},
		{"first", Endpoint{KeyAlgorithms: "^rsa-sha2-256"}, "rsa rsa-sha2-256 rsa-sha2-512, cert rsa-sha2-512 rsa-sha2-256, ed ssh-ed25519"},
		{"only SHA-1", Endpoint{KeyAlgorithms: "ssh-rsa"}, "rsa ssh-rsa"},
		{"only Ed25519", Endpoint{KeyAlgorithms: "ssh-ed25519"}, "ed ssh-ed25519"},
		{"only certificates", Endpoint{KeyAlgorithms: "*-cert-v01@openssh.com"}, "cert rsa-sha2-512 rsa-sha2-256 ssh-rsa"},
		{"without RSA", Endpoint{KeyAlgorithms: "-rsa-*"}, "ed ssh-ed25519"},
		{"longer RSA", Endpoint{MinRSABits: 3072}, "ed ssh-ed25519"},
		{"no keys", Endpoint{Methods: []string{byPassword}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			algorithms, err := algorithmsOf(tt.e)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range (&endpoint{Endpoint: &tt.e, algorithms: algorithms}).permitted(keys) {
				got = append(got, k.name+" "+strings.Join(k.algorithms(), " "))
			}
			if got := strings.Join(got, ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
