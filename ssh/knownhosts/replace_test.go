package knownhosts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/internal/sshdtest"
)

// TestTrustReplaces: a host's old keys go, whatever their lines look like, and
// those of other hosts do not.
func TestTrustReplaces(t *testing.T) {
	a, old, fresh := keytest.Numbered(t, 1), keytest.Numbered(t, 2), keytest.Numbered(t, 3)
	added := keytest.Line("web1", fresh)
	tests := []struct {
		name, content, want string
		refused             string // in the error; then nothing changes
	}{
		{"new", "# mine\n" + keytest.Line("db", a), "# mine\n" + keytest.Line("db", a) + added, ""},
		{"empty", "", added, ""},
		{"no final newline", strings.TrimSpace(keytest.Line("db", a)), keytest.Line("db", a) + added, ""},
		{"plain", keytest.Line("web1", old) + keytest.Line("db", a), keytest.Line("db", a) + added, ""},
		{"two", keytest.Line("web1", old) + keytest.Line("db", a) + keytest.Line("WEB1", a), keytest.Line("db", a) + added, ""},
		{"one of several names", keytest.Line("web1,x,WEB1,y", old), keytest.Line("x,y", old) + added, ""},
		{"hashed", keytest.Line("db", a) + keytest.Line(goknownhosts.HashHostname("web1"), old), keytest.Line("db", a) + added, ""},
		{"known already", keytest.Line("web1", fresh), keytest.Line("web1", fresh), ""},
		{"wildcard", keytest.Line("web*", old), "", ":1 covers more hosts than web1"},
		{"revoked", "@revoked " + keytest.Line("*", fresh), "", "revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := keytest.KnownHosts(t, tt.content)
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.Symlink(file, link); err != nil {
				t.Fatal(err)
			}
			h := Open([]string{link}, func(string) {})
			err := h.Replace(t.Context(), []Change{{Host{Address: "Web1", Port: 22}, fresh}})
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
	global := keytest.KnownHosts(t, keytest.Line("web1", keytest.Numbered(t, 1)))
	h := Open([]string{filepath.Join(t.TempDir(), "known_hosts"), global}, func(string) {})
	err := h.Replace(t.Context(), []Change{{Host{Address: "web1", Port: 22}, keytest.Numbered(t, 2)}})
	if err == nil || !strings.Contains(err.Error(), global+":1") {
		t.Errorf("got error %v, want one that names %s:1", err, global)
	}
}

// TestTrustAndAcceptNewAtOnce: a process that replaces the file and one that adds to it do
// not take anything from each other.
func TestTrustAndAcceptNewAtOnce(t *testing.T) {
	const hosts = 40
	file := keytest.KnownHosts(t, "")
	var wg sync.WaitGroup
	write := func(h *Files, i int) error {
		e := Host{Address: fmt.Sprintf("h%d", i), Port: 22, Mode: hostkeys.AcceptNew}
		if i%2 == 0 {
			return h.Check(t.Context(), e, keytest.Numbered(t, i), true)
		}
		return h.Replace(t.Context(), []Change{{e, keytest.Numbered(t, i)}})
	}
	for range 2 { // as two processes would
		h := Open([]string{file}, func(w string) { t.Error(w) })
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
	k := newIndex()
	k.add(file, data, func(w string) { t.Error(w) })
	for i := range hosts {
		blob := string(keytest.Numbered(t, i).Marshal())
		if k.classify(hostNames{full: []string{fmt.Sprintf("h%d", i)}}, blob).verdict != Known {
			t.Errorf("host %d is lost", i)
		}
	}
}

// TestWrittenNames: a new line has the name that the inventory gives the host
// and the one that plain ssh looks it up by, unless others lay claim to that.
func TestWrittenNames(t *testing.T) {
	old, other, fresh := keytest.Numbered(t, 1), keytest.Numbered(t, 2), keytest.Numbered(t, 3)
	at := Host{Alias: "Web1", Address: "10.0.0.1", Port: 22, Mode: hostkeys.AcceptNew}
	changed := func(change func(*Host)) Host {
		e := at
		change(&e)
		return e
	}
	tests := []struct {
		name          string
		endpoint      Host
		content, want string
		changed       bool // there is another key, which only trust replaces
	}{
		{"two names", at, "", keytest.Line("web1,10.0.0.1", fresh), false},
		{"port", changed(func(e *Host) { e.Port = 2222 }), "", keytest.Line("[web1]:2222,[10.0.0.1]:2222", fresh), false},
		{"one name", changed(func(e *Host) { e.Alias = e.Address }), "", keytest.Line("10.0.0.1", fresh), false},
		{"no name", changed(func(e *Host) { e.Alias = "" }), "", keytest.Line("10.0.0.1", fresh), false},
		{"HostKeyAlias", changed(func(e *Host) { e.HostKeyAlias = "Cluster" }), "", keytest.Line("cluster", fresh), false},
		{"behind a bastion", changed(func(e *Host) { e.Indirect = true }), "", keytest.Line("web1", fresh), false},
		{"rebuilt", at, keytest.Line("web1,10.0.0.1", old), keytest.Line("web1,10.0.0.1", fresh), true},
		{"rebuilt, known by the address", at, keytest.Line("10.0.0.1", old), keytest.Line("web1,10.0.0.1", fresh), true},
		{"the address is another's", at, keytest.Line("web1", old) + keytest.Line("10.0.0.1", other), keytest.Line("10.0.0.1", other) + keytest.Line("web1", fresh), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ways := map[string]func(*Files) error{
				"trust": func(h *Files) error { return h.Replace(t.Context(), []Change{{tt.endpoint, fresh}}) },
			}
			if !tt.changed {
				ways["accept-new"] = func(h *Files) error { return h.Check(t.Context(), tt.endpoint, fresh, true) }
			}
			for way, write := range ways {
				file := keytest.KnownHosts(t, tt.content)
				h := Open([]string{file}, func(w string) { t.Error(w) })
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
				if v := h.classify(tt.endpoint.names(), string(fresh.Marshal())).verdict; v != Known {
					t.Errorf("%s: got verdict %v afterwards, want the host known", way, v)
				}
			}
		})
	}
}

// TestWrittenNamesOfTwo: of two hosts at one address that are written together,
// only the first gets the address.
func TestWrittenNamesOfTwo(t *testing.T) {
	file := keytest.KnownHosts(t, "")
	h := Open([]string{file}, func(w string) { t.Error(w) })
	a, b := keytest.Numbered(t, 1), keytest.Numbered(t, 2)
	at := func(alias string) Host { return Host{Alias: alias, Address: "10.0.0.1", Port: 22} }
	if err := h.Replace(t.Context(), []Change{{at("a"), a}, {at("b"), b}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := keytest.Line("a,10.0.0.1", a) + keytest.Line("b", b); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestHashedNames: names are written as hashes where that is wanted, one to a
// line, and found again by ssh-keygen and by us.
func TestHashedNames(t *testing.T) {
	keygen := sshdtest.Tool(t, "ssh-keygen")
	e := Host{Address: "192.0.2.7", Alias: "Web1", Port: 2222, Mode: hostkeys.AcceptNew, HashNames: true}
	key := keytest.Numbered(t, 1)
	ways := map[string]func(h *Files) error{
		"accept-new": func(h *Files) error { return h.Check(t.Context(), e, key, true) },
		"trust":      func(h *Files) error { return h.Replace(t.Context(), []Change{{e, key}}) },
	}
	for name, learn := range ways {
		t.Run(name, func(t *testing.T) {
			file := keytest.KnownHosts(t, "")
			if err := learn(Open([]string{file}, func(w string) { t.Error(w) })); err != nil {
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
			again := Open([]string{file}, func(w string) { t.Error(w) })
			if v := again.classify(e.names(), string(key.Marshal())); v.verdict != Known {
				t.Errorf("got verdict %d, want known", v.verdict)
			}
			if v := again.classify(e.names(), string(keytest.Numbered(t, 2).Marshal())); v.verdict != Changed {
				t.Errorf("got verdict %d for another key, want changed", v.verdict)
			}
		})
	}
}
