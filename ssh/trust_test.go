package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"
)

// TestTrustReplaces: a host's old keys go, whatever their lines look like, and
// nobody else's do.
func TestTrustReplaces(t *testing.T) {
	a, old, fresh := numbered(t, 1), numbered(t, 2), numbered(t, 3)
	added := line("web1", fresh)
	tests := []struct {
		name, content, want string
		refused             string // in the error; then nothing changes
	}{
		{"new", "# mine\n" + line("db", a), "# mine\n" + line("db", a) + added, ""},
		{"empty", "", added, ""},
		{"no final newline", strings.TrimSpace(line("db", a)), line("db", a) + added, ""},
		{"plain", line("web1", old) + line("db", a), line("db", a) + added, ""},
		{"two", line("web1", old) + line("db", a) + line("WEB1", a), line("db", a) + added, ""},
		{"one of several names", line("web1,x,WEB1,y", old), line("x,y", old) + added, ""},
		{"hashed", line("db", a) + line(knownhosts.HashHostname("web1"), old), line("db", a) + added, ""},
		{"known already", line("web1", fresh), line("web1", fresh), ""},
		{"wildcard", line("web*", old), "", ":1 is about more hosts than web1"},
		{"revoked", "@revoked " + line("*", fresh), "", "revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := writeKnownHosts(t, tt.content)
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.Symlink(file, link); err != nil {
				t.Fatal(err)
			}
			h := newHostKeys([]string{link}, func(string) {})
			err := h.trust(t.Context(), []change{{namesOf(Endpoint{Address: "Web1", Port: 22}), fresh, false}})
			want := tt.want
			if tt.refused != "" {
				want = tt.content
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("got error %v, want one that says %q", err, tt.refused)
				}
			} else if err != nil {
				t.Error(err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("got mode %v, error %v, want that of before", info.Mode(), err)
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".known_hosts*")); err != nil || len(left) > 0 {
				t.Errorf("got files %v, error %v, want nothing left", left, err)
			}
		})
	}
}

// TestTrustInAnotherFile: a file that is not ours to write is named.
func TestTrustInAnotherFile(t *testing.T) {
	global := writeKnownHosts(t, line("web1", numbered(t, 1)))
	h := newHostKeys([]string{filepath.Join(t.TempDir(), "known_hosts"), global}, func(string) {})
	err := h.trust(t.Context(), []change{{namesOf(Endpoint{Address: "web1", Port: 22}), numbered(t, 2), false}})
	if err == nil || !strings.Contains(err.Error(), global+":1") {
		t.Errorf("got error %v, want one that names %s:1", err, global)
	}
}

// TestP14TrustAndAcceptNew: whoever replaces the file and whoever adds to it do
// not take anything from each other.
func TestP14TrustAndAcceptNew(t *testing.T) {
	const hosts = 40
	file := writeKnownHosts(t, "")
	var wg sync.WaitGroup
	write := func(h *hostKeys, i int) error {
		e := Endpoint{Address: fmt.Sprintf("h%d", i), Port: 22, HostKeys: AcceptNew}
		if i%2 == 0 {
			return h.check(t.Context(), e, numbered(t, i), true)
		}
		return h.trust(t.Context(), []change{{namesOf(e), numbered(t, i), false}})
	}
	for range 2 { // as two processes would
		h := newHostKeys([]string{file}, func(w string) { t.Error(w) })
		for i := range hosts {
			wg.Go(func() {
				if err := write(h, i); err != nil {
					t.Errorf("host %d: %v", i, err)
				}
			})
		}
	}
	wg.Wait()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(data), "\n"); got != hosts {
		t.Errorf("got %d lines, want %d", got, hosts)
	}
	k := newKnownHosts()
	k.add(file, data, func(w string) { t.Error(w) })
	for i := range hosts {
		blob := string(numbered(t, i).Marshal())
		if k.judge(hostNames{full: []string{fmt.Sprintf("h%d", i)}}, blob).verdict != hostKnown {
			t.Errorf("host %d is lost", i)
		}
	}
}

// TestWrittenNames: a new line has the name that the inventory gives the host
// and the one that plain ssh looks it up by, unless others lay claim to that.
func TestWrittenNames(t *testing.T) {
	old, other, fresh := numbered(t, 1), numbered(t, 2), numbered(t, 3)
	at := Endpoint{Alias: "Web1", Address: "10.0.0.1", Port: 22, HostKeys: AcceptNew}
	changed := func(change func(*Endpoint)) Endpoint {
		e := at
		change(&e)
		return e
	}
	tests := []struct {
		name          string
		endpoint      Endpoint
		content, want string
		changed       bool // there is another key, which only trust replaces
	}{
		{"two names", at, "", line("web1,10.0.0.1", fresh), false},
		{"port", changed(func(e *Endpoint) { e.Port = 2222 }), "", line("[web1]:2222,[10.0.0.1]:2222", fresh), false},
		{"one name", changed(func(e *Endpoint) { e.Alias = e.Address }), "", line("10.0.0.1", fresh), false},
		{"no name", changed(func(e *Endpoint) { e.Alias = "" }), "", line("10.0.0.1", fresh), false},
		{"HostKeyAlias", changed(func(e *Endpoint) { e.HostKeyAlias = "Cluster" }), "", line("cluster", fresh), false},
		{"behind a bastion", changed(func(e *Endpoint) { e.Jumps = []Endpoint{{Address: "gate"}} }), "", line("web1", fresh), false},
		{"by a program", changed(func(e *Endpoint) { e.ProxyCommand = "nc" }), "", line("web1", fresh), false},
		{"rebuilt", at, line("web1,10.0.0.1", old), line("web1,10.0.0.1", fresh), true},
		{"rebuilt, known by the address", at, line("10.0.0.1", old), line("web1,10.0.0.1", fresh), true},
		{"the address is another's", at, line("web1", old) + line("10.0.0.1", other), line("10.0.0.1", other) + line("web1", fresh), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ways := map[string]func(*hostKeys) error{
				"trust": func(h *hostKeys) error { return h.trust(t.Context(), []change{{namesOf(tt.endpoint), fresh, false}}) },
			}
			if !tt.changed {
				ways["accept-new"] = func(h *hostKeys) error { return h.check(t.Context(), tt.endpoint, fresh, true) }
			}
			for way, write := range ways {
				file := writeKnownHosts(t, tt.content)
				h := newHostKeys([]string{file}, func(w string) { t.Error(w) })
				if err := write(h); err != nil {
					t.Errorf("%s: %v", way, err)
				}
				got, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != tt.want {
					t.Errorf("%s: got\n%s\nwant\n%s", way, got, tt.want)
				}
				if v := h.judge(namesOf(tt.endpoint), string(fresh.Marshal())).verdict; v != hostKnown {
					t.Errorf("%s: got verdict %v afterwards, want the host known", way, v)
				}
			}
		})
	}
}

// TestWrittenNamesOfTwo: of two hosts at one address that are written together,
// only the first gets the address.
func TestWrittenNamesOfTwo(t *testing.T) {
	file := writeKnownHosts(t, "")
	h := newHostKeys([]string{file}, func(w string) { t.Error(w) })
	a, b := numbered(t, 1), numbered(t, 2)
	names := func(alias string) hostNames { return namesOf(Endpoint{Alias: alias, Address: "10.0.0.1", Port: 22}) }
	if err := h.trust(t.Context(), []change{{names("a"), a, false}, {names("b"), b, false}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := line("a,10.0.0.1", a) + line("b", b); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
