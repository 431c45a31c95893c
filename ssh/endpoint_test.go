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
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/internal/sshdtest"
)

// TestAssembleAgreesWithSSH compares lists of algorithms with what ssh -G makes
// of them, from ssh's own names.
func TestAssembleAgreesWithSSH(t *testing.T) {
	path, err := exec.LookPath("ssh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is needed as the oracle")
		}
		t.Skip("ssh is needed as the oracle")
	}
	ask := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), path, args...).Output()
		if err != nil {
			t.Fatalf("ssh %q: %v", args, err)
		}
		return string(out)
	}
	ciphers := func(list string) []string {
		args := []string{"-G", "-F", "none", "x"}
		if list != "" {
			args = append([]string{"-o", "Ciphers=" + list}, args...)
		}
		for line := range strings.Lines(ask(args...)) {
			if names, ok := strings.CutPrefix(strings.TrimSpace(line), "ciphers "); ok {
				return strings.Split(names, ",")
			}
		}
		return nil
	}
	all, usual := strings.Fields(ask("-Q", "cipher")), ciphers("")
	for _, list := range []string{
		"aes256-ctr", "aes256-ctr,aes128-ctr", "+3des-cbc", "+aes128-cbc,aes256-ctr", "-aes*", "-*gcm*,aes128-ctr",
		"^aes256-ctr", "^3des-cbc,aes128-gcm@openssh.com",
	} {
		if got, want := assemble(list, usual, all), ciphers(list); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
}

// TestNamedWeakAlgorithmsAreUsed: what is weak is used where it was asked for.
func TestNamedWeakAlgorithmsAreUsed(t *testing.T) {
	old := fleet.Host{Name: "old", Crypto: gossh.Config{
		KeyExchanges: []string{gossh.InsecureKeyExchangeDH14SHA1}, Ciphers: []string{gossh.InsecureCipherAES128CBC}, MACs: []string{gossh.HMACSHA1},
	}}
	b := newBench(t, []fleet.Host{old}, func(o *Options) {
		e := &o.Endpoints[0]
		e.KeyExchanges, e.Ciphers, e.MACs = "+diffie-hellman-group14-sha1,never-heard-of", "aes128-cbc", "^hmac-sha1"
	})
	b.exec(t.Context(), 0, "x").wantExit(t, fanout.Exit{})
	_, err := New(t.Context(), Options{Endpoints: []Endpoint{{Address: "h", User: "u", HostKeyAlgorithms: "never-heard-of"}}})
	if err == nil || !strings.Contains(err.Error(), "never-heard-of") || !strings.Contains(err.Error(), gossh.KeyAlgoED25519) {
		t.Errorf("got %v, want an error that names what there is", err)
	}
}

// TestHostKeyAliasIsLookedUpAlone: known_hosts is asked for the alias alone.
func TestHostKeyAliasIsLookedUpAlone(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	data, err := os.ReadFile(b.opts.KnownHosts[0])
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(data), " ")
	aliased := keytest.KnownHosts(t, "the-alias "+key)
	for _, tt := range []struct {
		alias string
		known bool
	}{{"The-Alias", true}, {"other", false}, {"", false}} {
		e := b.opts.Endpoints[0]
		e.HostKeyAlias, e.KnownHosts = tt.alias, []string{aliased}
		c := newClient(t, Options{Endpoints: []Endpoint{e}, KnownHosts: b.opts.KnownHosts})
		r := execOn(t.Context(), c, b.targets[0], "x")
		if tt.known {
			r.wantExit(t, fanout.Exit{})
		} else {
			r.wantOp(t, fanout.OpHostKey, false)
		}
	}
}

// TestKnownHostsPerEndpoint: each endpoint learns to its own file.
func TestKnownHostsPerEndpoint(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "a"}, {Name: "b"}}, func(o *Options) {
		for i := range o.Endpoints {
			o.Endpoints[i].HostKeys = hostkeys.AcceptNew
			o.Endpoints[i].KnownHosts = []string{filepath.Join(t.TempDir(), "known")}
		}
	})
	for i, e := range b.opts.Endpoints {
		b.exec(t.Context(), i, "x").wantExit(t, fanout.Exit{})
		data, err := os.ReadFile(e.KnownHosts[0])
		if err != nil || strings.Count(string(data), "\n") != 1 || !strings.Contains(string(data), e.Address) {
			t.Errorf("endpoint %d: got %q, %v, want a line with its key", i, data, err)
		}
	}
}

// TestKeepalivePerEndpoint: the endpoint's own interval finds a dead host
// long before the client's would, and less than 0 never does.
func TestKeepalivePerEndpoint(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Exec: obey()}}, func(o *Options) {
		o.Endpoints[0].KeepaliveInterval, o.Endpoints[0].KeepaliveCount = 20*time.Millisecond, 1
	})
	done := make(chan *record, 1)
	go func() { done <- b.exec(t.Context(), 0, "x") }()
	eventually(t, "started", func() bool { l := b.fleet.Log(); return len(l) == 1 && !l[0].Started.IsZero() })
	b.fleet.Cut("h", fleet.Silence)
	(<-done).wantOp(t, fanout.OpKeepalive, true)

	never := &endpoint{Endpoint: &Endpoint{KeepaliveInterval: -1}}
	interval, count := never.keepalive(keepaliveInterval)
	if n := (&conn{}); interval != 0 || count != keepaliveCount || n.keepaliveDue(interval, count) {
		t.Errorf("got %v and %d, want no questions", interval, count)
	}
}

func TestOptionalIdentities(t *testing.T) {
	dir := t.TempDir()
	_, good := userKey(t)
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	_, locked := lockedKey(t)
	for _, tt := range []struct {
		name     string
		paths    []string
		keys     int
		warnings int
	}{
		{"some", []string{missing, broken, good}, 1, 1},
		{"none that exists", []string{missing}, 0, 0},
		{"none at all", []string{}, 0, 0},
		{"a locked one, and no prompter", []string{missing, locked}, 0, 1},
		{"a locked one that is not needed", []string{locked, good}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			c := newClient(t, Options{
				Endpoints:         []Endpoint{{Address: "h", User: "u", Identities: tt.paths, IdentitiesOptional: true}},
				DefaultIdentities: []string{good},
				Warn:              func(w string) { warnings = append(warnings, w) },
			})
			if len(c.endpoints[0].keys) != tt.keys || len(warnings) != tt.warnings {
				t.Errorf("got %d keys and warnings %q, want %d and %d", len(c.endpoints[0].keys), warnings, tt.keys, tt.warnings)
			}
		})
	}
}

// TestAgentPerEndpoint: an endpoint has an agent of its own, or none.
func TestAgentPerEndpoint(t *testing.T) {
	usual, _ := newAgent(t, 1)
	other, held := newAgent(t, 2)
	dir := t.TempDir()
	public := filepath.Join(dir, "id.pub")
	if err := os.WriteFile(public, gossh.MarshalAuthorizedKey(held[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	named := []string{filepath.Join(dir, "id")} // only its public half is here
	c := newClient(t, Options{AgentSocket: usual.socket, Endpoints: []Endpoint{
		{Address: "h", User: "u"},
		{Address: "h", User: "u", Agent: other.socket},
		{Address: "h", User: "u", Agent: "none"},
		{Address: "h", User: "u", Agent: other.socket, Identities: named, IdentitiesOptional: true, IdentitiesOnly: true},
		{Address: "h", User: "u", Identities: named, IdentitiesOptional: true, IdentitiesOnly: true},
	}})
	for i, want := range []int{1, 2, 0, 1, 0} {
		if got := len(c.endpoints[i].keys); got != want {
			t.Errorf("endpoint %d: got %d keys, want %d", i, got, want)
		}
	}
}

// TestSSHDCertificate logs in to an sshd that knows nothing but a certificate
// authority.
func TestSSHDCertificate(t *testing.T) {
	authority, user := fleet.NewKey(), fleet.NewKey()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := filepath.Join(dir, "id")
	if err := user.WriteFile(key, ""); err != nil {
		t.Fatal(err)
	}
	ca := write("ca.pub", authority.AuthorizedKey())
	b, s := realBench(t, 1, sshdtest.Options{Config: []string{"TrustedUserCAKeys " + ca, "AuthorizedKeysFile none"}}, func(o *Options) {
		o.Endpoints[0].Identities = []string{key}
	})
	b.exec(t.Context(), 0, "true").wantOp(t, fanout.OpLogin, false)

	cert := &gossh.Certificate{
		Key: user.PublicKey(), CertType: gossh.UserCert, KeyId: "test", ValidPrincipals: []string{s.User}, ValidBefore: gossh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	named := write("named", gossh.MarshalAuthorizedKey(cert))
	for _, files := range [][]string{{named}, nil} {
		if files == nil {
			write("id-cert.pub", gossh.MarshalAuthorizedKey(cert))
		}
		e := b.opts.Endpoints[0]
		e.Certificates = files
		c := newClient(t, Options{Endpoints: []Endpoint{e}, KnownHosts: b.opts.KnownHosts, Warn: func(w string) { t.Error(w) }})
		execOn(t.Context(), c, b.targets[0], "true").wantExit(t, fanout.Exit{})
	}
}

func TestCertificatesThatDoNotFit(t *testing.T) {
	_, key := userKey(t)
	other := fleet.NewKey()
	cert := &gossh.Certificate{Key: other.PublicKey(), CertType: gossh.UserCert, ValidBefore: gossh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, other); err != nil {
		t.Fatal(err)
	}
	foreign := keytest.KnownHosts(t, string(gossh.MarshalAuthorizedKey(cert)))
	plain := keytest.KnownHosts(t, string(other.AuthorizedKey()))
	var warnings []string
	c := newClient(t, Options{
		Endpoints: []Endpoint{{Address: "h", User: "u", Identities: []string{key}, Certificates: []string{foreign, plain, "/nowhere"}}},
		Warn:      func(w string) { warnings = append(warnings, w) },
	})
	text := strings.Join(warnings, "\n")
	for _, want := range []string{foreign + " is not used: no key for it", plain + " is not used: not a user certificate", "/nowhere"} {
		if !strings.Contains(text, want) {
			t.Errorf("got warnings %q, want %q among them", warnings, want)
		}
	}
	if len(c.endpoints[0].keys) != 1 {
		t.Errorf("got %d keys, want the one without a certificate", len(c.endpoints[0].keys))
	}
}
