package ssh

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/sshdtest"
)

// TestKeyRules: what ssh_config says of trust holds beside known_hosts.
func TestKeyRules(t *testing.T) {
	key, ca, short := fleet.NewKey(), rsaKey(t, 2048), rsaKey(t, 2048)
	now := time.Now()
	cert := certify(t, ca, key, certificate{principals: []string{"127.*"}, from: now.Add(-time.Hour), to: now.Add(time.Hour), kind: gossh.HostCert})
	revoked := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(revoked, append([]byte("# old keys\nnot a key\n"), gossh.MarshalAuthorizedKey(key.PublicKey())...), 0o600); err != nil {
		t.Fatal(err)
	}
	known := func(keys ...gossh.PublicKey) func(a string) string {
		return func(a string) string {
			var b strings.Builder
			for _, k := range keys {
				b.WriteString(line(a, k))
			}
			return b.String()
		}
	}
	vouched := func(string) string { return "@cert-authority " + line("*", ca.PublicKey()) }
	nothing := func(string) string { return "" }
	tests := []struct {
		name   string
		keys   []gossh.Signer
		known  func(a string) string
		change func(e *Endpoint)
		want   string // in the message; empty: the command runs
	}{
		{"accept-new without a file", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = AcceptNew, true }, "unknown"},
		{"off without a file", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = Off, true }, "unknown"},
		{"without a file, known", []gossh.Signer{key}, known(key.PublicKey()), func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = AcceptNew, true }, ""},
		{"off without a file, changed", []gossh.Signer{key}, known(ca.PublicKey()), func(e *Endpoint) { e.HostKeys, e.NewKeysRefused = Off, true }, ""},
		{"authority's signature", []gossh.Signer{key, cert}, vouched, func(*Endpoint) {}, ""},
		{"authority's signature not trusted", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.CASignatureAlgorithms = "ssh-ed25519" }, "which is not trusted"},
		{"authority's signature taken away", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.CASignatureAlgorithms = "-rsa*" }, "which is not trusted"},
		{"authority's signature not trusted, key known", []gossh.Signer{key, cert}, known(key.PublicKey()), func(e *Endpoint) { e.CASignatureAlgorithms = "ssh-ed25519" }, ""},
		{"RSA of the length", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.MinRSABits = 2048 }, ""},
		{"RSA too short", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.MinRSABits = 3072 }, "too short"},
		{"RSA too short, off", []gossh.Signer{short}, nothing, func(e *Endpoint) { e.MinRSABits, e.HostKeys = 3072, Off }, "too short"},
		{"revoked", []gossh.Signer{key}, known(key.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked }, "revoked"},
		{"revoked, off", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.RevokedHostKeys, e.HostKeys = revoked, Off }, "revoked"},
		{"revoked in a certificate", []gossh.Signer{key, cert}, vouched, func(e *Endpoint) { e.RevokedHostKeys = revoked }, "revoked"},
		{"another revoked", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked }, ""},
		{"list of the revoked is missing", []gossh.Signer{short}, known(short.PublicKey()), func(e *Endpoint) { e.RevokedHostKeys = revoked + "-not" }, "cannot be read"},
		{"loopback trusted", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted = true }, ""},
		{"loopback trusted, but called something else", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted, e.HostKeyAlias = true, "x" }, "unknown"},
		{"loopback trusted, revoked", []gossh.Signer{key}, nothing, func(e *Endpoint) { e.LoopbackTrusted, e.RevokedHostKeys = true, revoked }, "revoked"},
		{"alias known", []gossh.Signer{key}, func(a string) string { return line(strings.Replace(a, "127.", "web.", 1), key.PublicKey()) }, func(e *Endpoint) { e.Alias = strings.Replace(e.Address, "127.", "web.", 1) }, ""},
		{"alias not asked for", []gossh.Signer{key}, func(a string) string { return line(strings.Replace(a, "127.", "web.", 1), key.PublicKey()) }, func(e *Endpoint) {
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

// TestCheckAddress: the key has to be the one that is known for the address that
// was reached.
func TestCheckAddress(t *testing.T) {
	key, other := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey()
	base := Endpoint{Address: "web1", Port: 22, CheckAddress: true}
	off, through := base, base
	off.HostKeys = Off
	through.ProxyCommand = "nc"
	tests := []struct {
		name, content, remote string
		endpoint              Endpoint
		refused               bool
	}{
		{"address unknown", line("web1", key), "192.0.2.7:22", base, false},
		{"address known", line("web1,192.0.2.7", key), "192.0.2.7:22", base, false},
		{"address of another", line("web1", key) + line("192.0.2.7", other), "192.0.2.7:22", base, true},
		{"IPv6 of another", line("web1", key) + line("2001:db8::1", other), "[2001:db8::1]:22", base, true},
		{"another address of another", line("web1", key) + line("192.0.2.8", other), "192.0.2.7:22", base, false},
		{"nothing is checked", line("192.0.2.7", other), "192.0.2.7:22", off, false},
		{"an address elsewhere", line("web1", key) + line("192.0.2.7", other), "192.0.2.7:22", through, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ep := &endpoint{Endpoint: tt.endpoint, hostKeys: newHostKeys([]string{writeKnownHosts(t, tt.content)}, func(w string) { t.Error(w) })}
			err := ep.checkKey(t.Context(), key, tt.remote, true)
			if refused := err != nil; refused != tt.refused {
				t.Errorf("got error %v, want refused %v", err, tt.refused)
			}
		})
	}
}

// TestRevocationList holds the reader against lists that ssh-keygen makes, and
// against pieces of them.
func TestRevocationList(t *testing.T) {
	keygen := sshdtest.Tool(t, "ssh-keygen")
	dir := t.TempDir()
	ca, key, good := fleet.NewKey(), fleet.NewKey(), ecdsaKey(t)
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
			r := readRevoked(list)
			if r.err != nil {
				t.Fatal(r.err)
			}
			for _, k := range tt.revoked {
				if r.refuse(k) == nil {
					t.Errorf("%s is taken, want it revoked", describe(k))
				}
			}
			for _, k := range tt.fine {
				if err := r.refuse(k); err != nil {
					t.Errorf("got %v, want it taken", err)
				}
			}
			data, err := os.ReadFile(list) //nolint:gosec // our own file
			if err != nil {
				t.Fatal(err)
			}
			if cut := readRevoked(write("cut", string(data[:len(data)-1]))); cut.refuse(good.PublicKey()) == nil {
				t.Error("a list that is cut off revokes less, want that no host is trusted")
			}
		})
	}
	if r := readRevoked(write("future", krlMagic+"\x00\x00\x00\x02")); r.refuse(good.PublicKey()) == nil {
		t.Error("a list of another version is taken for an empty one")
	}
}

// TestHashedNames: names are written as hashes where that is wanted, one to a
// line, and found again by ssh-keygen and by us.
func TestHashedNames(t *testing.T) {
	keygen := sshdtest.Tool(t, "ssh-keygen")
	e := Endpoint{Address: "192.0.2.7", Alias: "Web1", Port: 2222, HostKeys: AcceptNew, HashNames: true}
	key := numbered(t, 1)
	ways := map[string]func(h *hostKeys) error{
		"accept-new": func(h *hostKeys) error { return h.check(t.Context(), e, key, true) },
		"trust":      func(h *hostKeys) error { return h.trust(t.Context(), []change{{namesOf(e), key, true}}) },
	}
	for name, learn := range ways {
		t.Run(name, func(t *testing.T) {
			file := writeKnownHosts(t, "")
			if err := learn(newHostKeys([]string{file}, func(w string) { t.Error(w) })); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file) //nolint:gosec // our own file
			if err != nil {
				t.Fatal(err)
			}
			if lower := strings.ToLower(string(text)); strings.Contains(lower, "web1") || strings.Contains(lower, "192.0.2.7") || strings.Count(lower, "\n") != 2 {
				t.Errorf("got %q, want two lines with hashes", text)
			}
			for _, host := range []string{"[web1]:2222", "[192.0.2.7]:2222"} {
				if out, err := exec.Command(keygen, "-F", host, "-f", file).CombinedOutput(); err != nil { //nolint:gosec // our own file
					t.Errorf("ssh-keygen does not find %s: %s", host, out)
				}
			}
			again := newHostKeys([]string{file}, func(w string) { t.Error(w) })
			if v := again.judge(namesOf(e), string(key.Marshal())); v.verdict != hostKnown {
				t.Errorf("got verdict %d, want known", v.verdict)
			}
			if v := again.judge(namesOf(e), string(numbered(t, 2).Marshal())); v.verdict != hostChanged {
				t.Errorf("got verdict %d for another key, want changed", v.verdict)
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
	opts.Endpoints[0].HostKeys = AcceptNew
	opts.KnownHosts = []string{os.DevNull}
	execOn(t.Context(), newClient(t, opts), b.targets[0], "x").wantExit(t, fanout.Exit{})
	if len(warnings) != 1 || !strings.Contains(warnings[0], "taken unseen at each login") {
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
	rsa, ed := rsaKey(t, 2048), fleet.NewKey()
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
			for _, k := range (&endpoint{Endpoint: tt.e, algorithms: algorithms}).permitted(keys) {
				got = append(got, k.name+" "+strings.Join(k.algorithms(), " "))
			}
			if got := strings.Join(got, ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
