package ssh

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
)

// lockedKey returns a file with an encrypted key, whose passphrase is "open".
// There is one for all tests, and few of them open it: the key's derivation
// is slow on purpose.
func lockedKey(tb testing.TB) (fleet.Key, string) {
	tb.Helper()
	made, err := makeLocked()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "id_locked")
	if err := os.WriteFile(path, made.data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return made.key, path
}

type lockedFile struct {
	key  fleet.Key
	data []byte
}

var makeLocked = sync.OnceValues(func() (lockedFile, error) {
	dir, err := os.MkdirTemp("", "locked")
	if err != nil {
		return lockedFile{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover does no harm
	k := fleet.NewKey()
	path := filepath.Join(dir, "key")
	if err := k.WriteFile(path, "open"); err != nil {
		return lockedFile{}, err
	}
	data, err := os.ReadFile(path)
	return lockedFile{k, data}, err
})

// answers is a Passphrase that gives one answer after the other, and counts.
type answers struct {
	list  []string
	asked []string
}

func (a *answers) ask(_ context.Context, path string) ([]byte, error) {
	a.asked = append(a.asked, path)
	if len(a.asked) > len(a.list) {
		return nil, errors.New("no terminal")
	}
	return []byte(a.list[len(a.asked)-1]), nil
}

func TestNamedKeyErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, good := userKey(t)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	_, locked := lockedKey(t)
	public := fleet.NewKey()
	tests := []struct {
		name       string
		path       string
		want, hint string
	}{
		{"missing", filepath.Join(dir, "none"), "does not exist", ""},
		{"directory", dir, "regular file", ""},
		{"readable by others", write("open", string(data), 0o644), "other users can read", "chmod 600 "},
		{"readable by the group", write("group", string(data), 0o640), "other users can read", "chmod 600 "},
		{"no key", write("text", "hello", 0o600), "not a private key", ""},
		{"empty", write("empty", "", 0o600), "not a private key", ""},
		{"broken", write("broken", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", 0o600), "not a readable private key", ""},
		{"encrypted", locked, "encrypted", "ssh-add "},
		{"public", write("id.pub", string(public.AuthorizedKey()), 0o644), "public key", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(t.Context(), Options{Endpoints: []Endpoint{{Address: "h", User: "u", Identities: []string{tt.path}}}})
			ke, ok := errors.AsType[*KeyError](err)
			if !ok || ke.Path != tt.path {
				t.Fatalf("got error %v, want a KeyError about %s", err, tt.path)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(ke.Hint(), tt.hint) || (tt.hint == "") != (ke.Hint() == "") {
				t.Errorf("got %q with hint %q, want %q with hint %q", err, ke.Hint(), tt.want, tt.hint)
			}
		})
	}
	_, err = New(t.Context(), Options{Endpoints: []Endpoint{{Address: "h", User: "u", Identities: []string{filepath.Join(dir, "none")}}}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error that is fs.ErrNotExist", err)
	}
}

func TestPassphrase(t *testing.T) {
	key, locked := lockedKey(t)
	tests := []struct {
		name    string
		answers []string
		asked   int
		ok      bool
	}{
		{"right at last", []string{"a", "open"}, 2, true},
		{"wrong", []string{"a", "b", "c", "open"}, 3, false},
		{"no answer", nil, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answers{list: tt.answers}
			e := Endpoint{Address: "h", User: "u", Identities: []string{locked}}
			c, err := New(t.Context(), Options{Endpoints: []Endpoint{e, e, e}, Passphrase: a.ask})
			if (err == nil) != tt.ok || len(a.asked) != tt.asked {
				t.Fatalf("got error %v after %d questions, want ok %v after %d", err, len(a.asked), tt.ok, tt.asked)
			}
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			if got, want := gossh.FingerprintSHA256(c.endpoints[2].keys[0].public), gossh.FingerprintSHA256(key.PublicKey()); got != want {
				t.Errorf("got key %s, want %s", got, want)
			}
		})
	}
}

func TestDefaultIdentities(t *testing.T) {
	dir := t.TempDir()
	_, good := userKey(t)
	_, locked := lockedKey(t)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	exposed := filepath.Join(dir, "exposed")
	if err := os.WriteFile(exposed, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(exposed, 0o666); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	tests := []struct {
		name     string
		defaults []string
		answers  []string
		asked    int
		keys     int
		warnings int
	}{
		{"all sorts", []string{missing, locked, exposed, good}, []string{"open"}, 0, 1, 1},
		{"only a locked one", []string{missing, locked}, []string{"open"}, 1, 1, 0},
		{"only a locked one, no answer", []string{locked}, nil, 1, 0, 0},
		{"none", []string{missing}, nil, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answers{list: tt.answers}
			var warnings []string
			c := newClient(t, Options{
				Endpoints:         []Endpoint{{Address: "h", User: "u"}, {Address: "i", User: "u"}},
				DefaultIdentities: tt.defaults, Passphrase: a.ask,
				Warn: func(w string) { warnings = append(warnings, w) },
			})
			if len(c.endpoints[1].keys) != tt.keys || len(a.asked) != tt.asked || len(warnings) != tt.warnings {
				t.Errorf("got %d keys, %d questions, warnings %q, want %d, %d, %d",
					len(c.endpoints[1].keys), len(a.asked), warnings, tt.keys, tt.asked, tt.warnings)
			}
		})
	}
}

// TestNoKeys: a login without any key says what to do.
func TestNoKeys(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, func(o *Options) { o.Endpoints[0].Identities = nil })
	r := b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if !r.Failure.Final || !strings.Contains(r.Failure.Message, "no key to offer") {
		t.Errorf("got %+v, want a final failure that says there is no key", *r.Failure)
	}
}

// TestRSAUsesSHA2: an RSA key logs in, and never with SHA-1.
func TestRSAUsesSHA2(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "id_rsa")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Start(fleet.Options{
		Hosts: []fleet.Host{{Name: "h"}}, Authorized: []gossh.PublicKey{signer.PublicKey()}, Exec: fleet.Canned(answer),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	address, port := f.Endpoint("h")
	c := newClient(t, Options{Endpoints: []Endpoint{{
		Address: address, Port: port, User: "u", Identities: []string{path}, HostKeys: hostkeys.Off,
	}}})
	execOn(t.Context(), c, fanout.Target{Limits: fanout.Limits{ConnectTimeout: patience}}, "x").wantExit(t, fanout.Exit{})
	for _, a := range c.endpoints[0].keys[0].algorithms() {
		if a != gossh.KeyAlgoRSASHA256 && a != gossh.KeyAlgoRSASHA512 {
			t.Errorf("got algorithm %s, want only SHA-2", a)
		}
	}
}
