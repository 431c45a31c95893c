package knownhosts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
)

// TestJudgeOfEveryFormOfLine holds key "a" against files of all forms.
func TestJudgeOfEveryFormOfLine(t *testing.T) {
	a, other, third := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey(), keytest.ECDSA(t).PublicKey()
	web := Host{Address: "Web1.example.com", Port: 22}
	high := Host{Address: "web1.example.com", Port: 2222}
	v6 := Host{Address: "2001:DB8::1", Port: 22}
	alias := Host{Address: "10.0.0.7", Port: 22, Alias: "Web1"}
	hashed := func(name string, k gossh.PublicKey) string { return keytest.Line(goknownhosts.HashHostname(name), k) }
	tests := []struct {
		name     string
		content  string
		endpoint Host
		want     Verdict
	}{
		{"empty", "", web, Unknown},
		{"plain", keytest.Line("web1.example.com", a), web, Known},
		{"upper case in the file", keytest.Line("WEB1.Example.COM", a), web, Known},
		{"list", keytest.Line("x,web1.example.com,y", a), web, Known},
		{"other host", keytest.Line("web2.example.com", a), web, Unknown},
		{"changed", keytest.Line("web1.example.com", other), web, Changed},
		{"other type", keytest.Line("web1.example.com", third), web, Changed},
		{"one of two", keytest.Line("web1.example.com", third) + keytest.Line("web1.example.com", a), web, Known},
		{"port", keytest.Line("[web1.example.com]:2222", a), high, Known},
		{"no port in the file", keytest.Line("web1.example.com", a), high, Known},
		{"no port in the file, other key", keytest.Line("web1.example.com", other), high, Unknown},
		{"port in the file, other key", keytest.Line("[web1.example.com]:2222", other) + keytest.Line("web1.example.com", a), high, Changed},
		{"port in the file only", keytest.Line("[web1.example.com]:2222", a), web, Unknown},
		{"wildcard", keytest.Line("*.example.com", a), web, Known},
		{"wildcard with port", keytest.Line("[*.example.com]:2222", a), high, Known},
		{"question mark", keytest.Line("web?.example.com", a), web, Known},
		{"negated", keytest.Line("*.example.com,!web1.*", a), web, Unknown},
		{"only negated", keytest.Line("!web2.*", a), web, Unknown},
		{"hashed", hashed("web1.example.com", a), web, Known},
		{"hashed with port", hashed("[web1.example.com]:2222", a), high, Known},
		{"hashed without port", hashed("web1.example.com", a), high, Known},
		{"hashed, changed", hashed("web1.example.com", other), web, Changed},
		{"hashed, other host", hashed("web2.example.com", a), web, Unknown},
		{"IPv6", keytest.Line("2001:db8::1", a), v6, Known},
		{"alias", keytest.Line("web1", a), alias, Known},
		{"address of an alias", keytest.Line("10.0.0.7", a), alias, Known},
		{"alias wins", keytest.Line("web1", other) + keytest.Line("10.0.0.7", a), alias, Changed},
		{"address changed", keytest.Line("10.0.0.7", other), alias, Changed},
		{"revoked", keytest.Line("web1.example.com", a) + "@revoked " + keytest.Line("*", a), web, Revoked},
		{"revoked elsewhere", keytest.Line("web1.example.com", a) + "@revoked " + keytest.Line("db*", a), web, Known},
		{"revoked hashed", "@revoked " + hashed("web1.example.com", a), web, Revoked},
		{"authority is no host key", "@cert-authority " + keytest.Line("*", a), web, Unknown},
		{"CRLF", strings.ReplaceAll(keytest.Line("web1.example.com", a), "\n", "\r\n"), web, Known},
		{"no final newline", strings.TrimSpace(keytest.Line("web1.example.com", a)), web, Known},
		{"comment and blank lines", "# hello\n\n  \n" + keytest.Line("web1.example.com", a), web, Known},
		{"tabs and a comment behind", strings.ReplaceAll(strings.TrimSpace(keytest.Line("web1.example.com", a)), " ", "\t") + "\tme@here\n", web, Known},
		{"bad lines around", "web1.example.com\nweb1.example.com ssh-ed25519 ???\n" + keytest.Line("web1.example.com", a) + "|1|x|y ssh-rsa AAAA\n", web, Known},
		{"unknown type", "web1.example.com ssh-future AAAACnNzaC1mdXR1cmU=\n" + keytest.Line("web1.example.com", a), web, Known},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Open([]string{keytest.KnownHosts(t, tt.content)}, func(string) {})
			if got := h.classify(tt.endpoint.names(), string(a.Marshal())).verdict; got != tt.want {
				t.Errorf("got verdict %d, want %d", got, tt.want)
			}
		})
	}
}

func TestBadLinesAreWarnedOf(t *testing.T) {
	good := keytest.Line("web1", fleet.NewKey().PublicKey())
	tests := []struct {
		name, line string
		want       int
	}{
		{"good", good, 0},
		{"comment", "# x", 0},
		{"two fields", "web1 ssh-ed25519", 1},
		{"base64", "web1 ssh-ed25519 !!!!", 1},
		{"other type inside", strings.Replace(good, "ssh-ed25519", "ssh-rsa", 1), 1},
		{"hash", "|1|abc ssh-ed25519 " + strings.Fields(good)[2], 1},
		{"marker", "@nonsense " + good, 1},
		{"short key", "web1 ssh-ed25519 AAAA", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			k := newIndex()
			k.add("file", []byte(good+tt.line+"\n"), func(w string) { warnings = append(warnings, w) })
			if len(warnings) != tt.want {
				t.Fatalf("got warnings %q, want %d", warnings, tt.want)
			}
			if tt.want == 1 && !strings.HasPrefix(warnings[0], "file:2: ") {
				t.Errorf("got %q, want it to name the line file:2", warnings[0])
			}
		})
	}
}

// FuzzKnownHosts: whatever stands around it, a good line is found, and nothing
// panics.
func FuzzKnownHosts(f *testing.F) {
	key := fleet.NewKey().PublicKey()
	for _, seed := range []string{"", "a b c", "@revoked x", "|1|=|= ssh-rsa AAAA", "*,!* ssh-ed25519 AAAA\r\n", "\x00\xff"} {
		f.Add(seed, "web1")
	}
	f.Fuzz(func(t *testing.T, junk, name string) {
		k := newIndex()
		k.add("f", []byte(strings.ReplaceAll(junk, "@revoked", "@x")+"\n"+keytest.Line("web1", key)), func(string) {})
		if got := k.classify(hostNames{full: []string{"web1"}}, string(key.Marshal())).verdict; got != Known {
			t.Errorf("got verdict %d beside %q, want known", got, junk)
		}
		k.classify(hostNames{full: []string{name}, portless: []string{name}}, "blob")
	})
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "b", false},
		{"*", "", true},
		{"*", "abc", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"*b*", "abc", true},
		{"a?c", "abc", true},
		{"a?", "a", false},
		{"*a*b*c", "xaxbxc", true},
		{"*a*b*c", "xaxcxb", false},
		{"a**", "a", true},
		{"[a]", "a", false},
		{"*.x", "a.x.y", false},
		{"*.x", "a.x.x", true},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("Match(%q, %q): got %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
	if Match(strings.Repeat("*a", 500), strings.Repeat("a", 5000)+"b") { // does not take for ever
		t.Error("got a match that is none")
	}
}

// TestHostsLearnedAtOnceAreWrittenOnce: two clients, as two processes would, learn the same
// hosts at once, each of which is written once.
func TestHostsLearnedAtOnceAreWrittenOnce(t *testing.T) {
	const hosts, each = 20, 10
	var keys []gossh.PublicKey
	for range hosts {
		keys = append(keys, fleet.NewKey().PublicKey())
	}
	file := filepath.Join(t.TempDir(), "new", "known_hosts")
	clients := []*Files{Open([]string{file}, func(w string) { t.Error(w) }), Open([]string{file}, func(w string) { t.Error(w) })}
	var wg sync.WaitGroup
	for i := range hosts * each {
		e := Host{Address: fmt.Sprintf("h%d", i%hosts), Port: 22, Mode: hostkeys.AcceptNew}
		for _, h := range clients {
			wg.Go(func() {
				if err := h.Check(t.Context(), e, keys[i%hosts], true); err != nil {
					t.Errorf("%s: %v", e.Address, err)
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
		t.Errorf("got %d lines, want %d:\n%s", got, hosts, data)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("got mode %v, want %v", got, want)
	}
	e := Host{Address: "h0", Port: 22, Mode: hostkeys.AcceptNew}
	if err := clients[0].Check(t.Context(), e, fleet.NewKey().PublicKey(), true); err == nil {
		t.Error("got no error for another key of a host just learned, want one")
	}
}

func TestAcceptNewEndsTheLastLine(t *testing.T) {
	old, fresh := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey()
	file := keytest.KnownHosts(t, strings.TrimSpace(keytest.Line("old", old)))
	h := Open([]string{file}, func(string) {})
	if err := h.Check(t.Context(), Host{Address: "New", Port: 2200, Mode: hostkeys.AcceptNew}, fresh, true); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := keytest.Line("old", old) + keytest.Line("[new]:2200", fresh); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// BenchmarkHashedLookup asks a file of 10,000 hashed lines for one of them.
func BenchmarkHashedLookup(b *testing.B) {
	var content strings.Builder
	var last gossh.PublicKey
	for i := range 10_000 {
		last = fleet.NewKey().PublicKey()
		content.WriteString(keytest.Line(goknownhosts.HashHostname(fmt.Sprintf("h%d", i)), last))
	}
	h := Open([]string{keytest.KnownHosts(b, content.String())}, func(string) {})
	n, blob := Host{Address: "h9999", Port: 22}.names(), string(last.Marshal())
	for b.Loop() {
		if h.classify(n, blob).verdict != Known {
			b.Fatal("not found")
		}
	}
}
