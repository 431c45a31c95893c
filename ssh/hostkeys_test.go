package ssh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"tutti/fanout"
	"tutti/internal/fleet"
)

func ecdsaKey(tb testing.TB) gossh.Signer {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// line is a line of known_hosts.
func line(hosts string, key gossh.PublicKey) string {
	return hosts + " " + key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal()) + "\n"
}

func writeKnownHosts(tb testing.TB, content string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// TestP13Judge holds key "a" against files of all forms.
func TestP13Judge(t *testing.T) {
	a, other, third := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey(), ecdsaKey(t).PublicKey()
	web := Endpoint{Address: "Web1.example.com", Port: 22}
	high := Endpoint{Address: "web1.example.com", Port: 2222}
	v6 := Endpoint{Address: "2001:DB8::1", Port: 22}
	alias := Endpoint{Address: "10.0.0.7", Port: 22, Alias: "Web1"}
	hashed := func(name string, k gossh.PublicKey) string { return line(knownhosts.HashHostname(name), k) }
	tests := []struct {
		name     string
		content  string
		endpoint Endpoint
		want     verdict
	}{
		{"empty", "", web, hostUnknown},
		{"plain", line("web1.example.com", a), web, hostKnown},
		{"upper case in the file", line("WEB1.Example.COM", a), web, hostKnown},
		{"list", line("x,web1.example.com,y", a), web, hostKnown},
		{"other host", line("web2.example.com", a), web, hostUnknown},
		{"changed", line("web1.example.com", other), web, hostChanged},
		{"other type", line("web1.example.com", third), web, hostChanged},
		{"one of two", line("web1.example.com", third) + line("web1.example.com", a), web, hostKnown},
		{"port", line("[web1.example.com]:2222", a), high, hostKnown},
		{"no port in the file", line("web1.example.com", a), high, hostKnown},
		{"no port in the file, other key", line("web1.example.com", other), high, hostUnknown},
		{"port in the file, other key", line("[web1.example.com]:2222", other) + line("web1.example.com", a), high, hostChanged},
		{"port in the file only", line("[web1.example.com]:2222", a), web, hostUnknown},
		{"wildcard", line("*.example.com", a), web, hostKnown},
		{"wildcard with port", line("[*.example.com]:2222", a), high, hostKnown},
		{"question mark", line("web?.example.com", a), web, hostKnown},
		{"negated", line("*.example.com,!web1.*", a), web, hostUnknown},
		{"only negated", line("!web2.*", a), web, hostUnknown},
		{"hashed", hashed("web1.example.com", a), web, hostKnown},
		{"hashed with port", hashed("[web1.example.com]:2222", a), high, hostKnown},
		{"hashed without port", hashed("web1.example.com", a), high, hostKnown},
		{"hashed, changed", hashed("web1.example.com", other), web, hostChanged},
		{"hashed, other host", hashed("web2.example.com", a), web, hostUnknown},
		{"IPv6", line("2001:db8::1", a), v6, hostKnown},
		{"alias", line("web1", a), alias, hostKnown},
		{"address of an alias", line("10.0.0.7", a), alias, hostKnown},
		{"alias wins", line("web1", other) + line("10.0.0.7", a), alias, hostChanged},
		{"address changed", line("10.0.0.7", other), alias, hostChanged},
		{"revoked", line("web1.example.com", a) + "@revoked " + line("*", a), web, hostRevoked},
		{"revoked elsewhere", line("web1.example.com", a) + "@revoked " + line("db*", a), web, hostKnown},
		{"revoked hashed", "@revoked " + hashed("web1.example.com", a), web, hostRevoked},
		{"authority is no host key", "@cert-authority " + line("*", a), web, hostUnknown},
		{"CRLF", strings.ReplaceAll(line("web1.example.com", a), "\n", "\r\n"), web, hostKnown},
		{"no final newline", strings.TrimSpace(line("web1.example.com", a)), web, hostKnown},
		{"comment and blank lines", "# hello\n\n  \n" + line("web1.example.com", a), web, hostKnown},
		{"tabs and a comment behind", strings.ReplaceAll(strings.TrimSpace(line("web1.example.com", a)), " ", "\t") + "\tme@here\n", web, hostKnown},
		{"bad lines around", "web1.example.com\nweb1.example.com ssh-ed25519 ???\n" + line("web1.example.com", a) + "|1|x|y ssh-rsa AAAA\n", web, hostKnown},
		{"unknown type", "web1.example.com ssh-future AAAACnNzaC1mdXR1cmU=\n" + line("web1.example.com", a), web, hostKnown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHostKeys([]string{writeKnownHosts(t, tt.content)}, func(string) {})
			if got := h.judge(namesOf(tt.endpoint), string(a.Marshal())).verdict; got != tt.want {
				t.Errorf("got verdict %d, want %d", got, tt.want)
			}
		})
	}
}

func TestP13WarnsOfBadLines(t *testing.T) {
	good := line("web1", fleet.NewKey().PublicKey())
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
			k := newKnownHosts()
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
		k := newKnownHosts()
		k.add("f", []byte(strings.ReplaceAll(junk, "@revoked", "@x")+"\n"+line("web1", key)), func(string) {})
		if got := k.judge(hostNames{full: []string{"web1"}}, string(key.Marshal())).verdict; got != hostKnown {
			t.Errorf("got verdict %d beside %q, want known", got, junk)
		}
		k.judge(hostNames{full: []string{name}, portless: []string{name}}, "blob")
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
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q): got %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
	if glob(strings.Repeat("*a", 500), strings.Repeat("a", 5000)+"b") { // does not take for ever
		t.Error("got a match that is none")
	}
}

func TestHostKeyModes(t *testing.T) {
	for _, m := range []HostKeyMode{Strict, AcceptNew, Off} {
		if got, err := ParseHostKeyMode(m.String()); err != nil || got != m {
			t.Errorf("ParseHostKeyMode(%q): got %v, %v, want %v", m.String(), got, err, m)
		}
	}
	var zero HostKeyMode
	if zero != Strict {
		t.Errorf("got zero value %v, want strict", zero)
	}
	if _, err := ParseHostKeyMode("Accept"); err == nil || !strings.Contains(err.Error(), `"accept-new"?`) {
		t.Errorf("got error %v, want one that offers accept-new", err)
	}
}

func TestP11HostKeyDecides(t *testing.T) {
	first, second := fleet.NewKey(), ecdsaKey(t)
	swapped := fleet.NewKey()
	tests := []struct {
		name  string
		host  fleet.Host
		known func(address string) string
		mode  HostKeyMode
		want  []string // in the message; nil: the command runs
	}{
		{
			"known by the less preferred type",
			fleet.Host{Name: "h", HostKey: first, MoreHostKeys: []gossh.Signer{second}},
			func(a string) string { return line(a, second.PublicKey()) }, Strict, nil,
		},
		{
			"hashed, known by the less preferred type",
			fleet.Host{Name: "h", HostKey: first, MoreHostKeys: []gossh.Signer{second}},
			func(a string) string {
				return line(knownhosts.HashHostname(a), second.PublicKey()) + line(knownhosts.HashHostname("x"), swapped.PublicKey())
			}, Strict, nil,
		},
		{
			"unknown",
			fleet.Host{Name: "h", HostKey: first},
			func(string) string { return "" }, Strict,
			[]string{"is unknown", gossh.FingerprintSHA256(first.PublicKey()), "tutti trust", "accept-new"},
		},
		{
			"changed",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return "# comment\n" + line(a, swapped.PublicKey()) }, Strict,
			[]string{"CHANGED", gossh.FingerprintSHA256(first.PublicKey()), gossh.FingerprintSHA256(swapped.PublicKey()), "known_hosts:2"},
		},
		{
			"changed is no news to accept",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return line(a, swapped.PublicKey()) }, AcceptNew,
			[]string{"CHANGED"},
		},
		{
			"another type is no news to accept",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return line(a, second.PublicKey()) }, AcceptNew,
			[]string{"CHANGED"},
		},
		{
			"revoked",
			fleet.Host{Name: "h", HostKey: first},
			func(string) string { return "@revoked " + line("*", first.PublicKey()) }, Off,
			[]string{"revoked"},
		},
		{
			"off",
			fleet.Host{Name: "h", HostKey: first},
			func(a string) string { return line(a, swapped.PublicKey()) }, Off, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{tt.host}, nil)
			opts := b.opts
			e := opts.Endpoints[0]
			opts.Endpoints = []Endpoint{e}
			opts.Endpoints[0].HostKeys = tt.mode
			opts.KnownHosts = []string{writeKnownHosts(t, tt.known(bracketed(e.Address, e.Port)))}
			r := execOn(t.Context(), newClient(t, opts), b.targets[0], "x")
			if tt.want == nil {
				r.wantExit(t, fanout.Exit{})
				return
			}
			r.wantOp(t, fanout.OpHostKey, false)
			if strings.Contains(r.Failure.Message, "SHA256") {
				t.Errorf("got message %q, want none of what differs from host to host", r.Failure.Message)
			}
			for _, want := range tt.want {
				if !r.Failure.Final || !strings.Contains(r.Failure.Text()+" "+r.Failure.Hint, want) {
					t.Errorf("got %+v, want a final failure that says %q", *r.Failure, want)
				}
			}
			if strings.Contains(r.Failure.Message, "\n") {
				t.Errorf("got %q, want one line", r.Failure.Message)
			}
		})
	}
}

// TestP14AcceptNewRaces: two clients, as two processes would, learn the same
// hosts at once, each of which is written once.
func TestP14AcceptNewRaces(t *testing.T) {
	const hosts, each = 20, 10
	var keys []gossh.PublicKey
	for range hosts {
		keys = append(keys, fleet.NewKey().PublicKey())
	}
	file := filepath.Join(t.TempDir(), "new", "known_hosts")
	clients := []*hostKeys{newHostKeys([]string{file}, func(w string) { t.Error(w) }), newHostKeys([]string{file}, func(w string) { t.Error(w) })}
	var wg sync.WaitGroup
	for i := range hosts * each {
		e := Endpoint{Address: fmt.Sprintf("h%d", i%hosts), Port: 22, HostKeys: AcceptNew}
		for _, h := range clients {
			wg.Go(func() {
				if err := h.check(t.Context(), e, keys[i%hosts], true); err != nil {
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
	e := Endpoint{Address: "h0", Port: 22, HostKeys: AcceptNew}
	if err := clients[0].check(t.Context(), e, fleet.NewKey().PublicKey(), true); err == nil {
		t.Error("got no error for another key of a host just learned, want one")
	}
}

func TestAcceptNewEndsTheLastLine(t *testing.T) {
	old, fresh := fleet.NewKey().PublicKey(), fleet.NewKey().PublicKey()
	file := writeKnownHosts(t, strings.TrimSpace(line("old", old)))
	h := newHostKeys([]string{file}, func(string) {})
	if err := h.check(t.Context(), Endpoint{Address: "New", Port: 2200, HostKeys: AcceptNew}, fresh, true); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := line("old", old) + line("[new]:2200", fresh); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// BenchmarkHashedLookup asks a file of 10,000 hashed lines for one of them.
func BenchmarkHashedLookup(b *testing.B) {
	var content strings.Builder
	var last gossh.PublicKey
	for i := range 10_000 {
		last = fleet.NewKey().PublicKey()
		content.WriteString(line(knownhosts.HashHostname(fmt.Sprintf("h%d", i)), last))
	}
	h := newHostKeys([]string{writeKnownHosts(b, content.String())}, func(string) {})
	n, blob := namesOf(Endpoint{Address: "h9999", Port: 22}), string(last.Marshal())
	for b.Loop() {
		if h.judge(n, blob).verdict != hostKnown {
			b.Fatal("not found")
		}
	}
}
