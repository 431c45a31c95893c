package sshconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/inventory/layer"
)

// writeFiles writes files below a home directory, the first of them
// ~/.ssh/config, and returns how to load them.
func writeFiles(tb testing.TB, files map[string]string) Options {
	tb.Helper()
	home := tb.TempDir()
	for name, text := range files {
		path := filepath.Join(home, ".ssh", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return Options{
		File: filepath.Join(home, ".ssh", "config"), Home: home, User: "me",
		Getenv: func(name string) string { return map[string]string{"SOCK": "/run/a%b"}[name] },
	}
}

func resolve(tb testing.TB, text string, q Query) *Settings {
	tb.Helper()
	c, err := Load(writeFiles(tb, map[string]string{"config": text}))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := c.Resolve(q)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestExpands is about what ssh -G does not show.
func TestExpands(t *testing.T) {
	s := resolve(t, `HostName %h.prod
HostKeyAlias Al
Port 2200
User them
IdentityFile %d/%h-%n-%p-%r-%u-%k-%%
IdentityFile none
CertificateFile ${SOCK}
IdentityAgent $SOCK
ProxyCommand nc %h %p %%
`, Query{Name: "Web"})
	home := strings.TrimSuffix(s.values.identities[0].origin.File, "/.ssh/config")
	if want := []string{home + "/web.prod-Web-2200-them-me-al-%"}; !slices.Equal(s.Identity, want) {
		t.Errorf("identity: got %q, want %q", s.Identity, want)
	}
	if want := []string{"/run/a%b"}; !slices.Equal(s.Certificate, want) {
		t.Errorf("certificate: got %q, want %q", s.Certificate, want)
	}
	if s.Agent != "/run/a%b" {
		t.Errorf("agent: got %q", s.Agent)
	}
	if s.ProxyCommand != "nc web.prod 2200 %" {
		t.Errorf("proxy command: got %q", s.ProxyCommand)
	}
}

func TestOnlyNone(t *testing.T) {
	s := resolve(t, "IdentityFile none\nUserKnownHostsFile none\nIdentityAgent $NOT_SET\n", Query{Name: "a"})
	if s.Identity == nil || len(s.Identity) > 0 || s.KnownHosts == nil || len(s.KnownHosts) > 0 {
		t.Errorf("got identity %#v and known_hosts %#v, want both empty and not nil", s.Identity, s.KnownHosts)
	}
	if s.GlobalKnownHosts != nil {
		t.Errorf("global known_hosts: got %q, want nil", s.GlobalKnownHosts)
	}
	if s.Agent != "none" {
		t.Errorf("agent: got %q, want none, as for a variable that is not set", s.Agent)
	}
}

func TestOrigins(t *testing.T) {
	s := resolve(t, "Host web*\n  User www\nHost *\n  User other\n  Port 2222\n  ProxyJump none\n", Query{Name: "web1"})
	var got []string
	for _, x := range s.Settings() {
		_, place, _ := strings.Cut(x.Origin.String(), ".ssh/")
		got = append(got, fmt.Sprintf("%s=%s %s", x.Key, x.Value, place))
	}
	want := []string{"port=2222 config:5:3 (ssh_config Port)", "user=www config:2:3 (ssh_config User)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, set := s.Origin(layer.KeyJump); set {
		t.Error("a jump through nothing counts as one")
	}
}

// TestErrors is about files that are refused.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no value":                   {"User\n", "config:1:1: User: missing value"},
		"empty value":                {"\n  User \"\"\n", "config:2:3: User: missing value"},
		"two values":                 {"User a b\n", "config:1:1: User: want one value"},
		"open quote":                 {"Host a\n  ProxyCommand it's\n", "config:2:3: ProxyCommand: unclosed quote"},
		"open keyword":               {"\"User a\n", "config:1:1: unclosed quote"},
		"port":                       {"Port 70000\n", `"70000": want a port`},
		"time":                       {"ConnectTimeout 1.5\n", `"1.5": want a time`},
		"count":                      {"ServerAliveCountMax -1\n", `"-1" is not a number`},
		"switch":                     {"IdentitiesOnly maybe\n", `"maybe": want yes or no`},
		"mode":                       {"StrictHostKeyChecking often\n", `"often": want`},
		"none of many":               {"UserKnownHostsFile a none\n", "none cannot be combined with others"},
		"jump user":                  {"ProxyJump @a\n", "missing user"},
		"jump host":                  {"ProxyJump a,,b\n", "missing host"},
		"jump port":                  {"ProxyJump a:0\n", "invalid port"},
		"jump IPv6":                  {"ProxyJump ::1\n", "an IPv6 address needs brackets"},
		"empty host":                 {"Host \"\"\n", "Host: empty pattern"},
		"match all":                  {"Match all host a\n", "Match: all cannot be combined with other conditions"},
		"match nothing":              {"Match # a\n", "Match: missing condition"},
		"match half":                 {"Match host\n", "Match: host needs an argument"},
		"match unknown":              {"Match hosts a\n", `Match: unknown condition "hosts"; did you mean host?`},
		"include circle":             {"Host a\n  Include config\n", "config:2:3: Include forms a cycle: "},
		"several":                    {"Port x\nHost a\nPort y\n", "config:3:1: Port"},
		"wrong where it is not used": {"Host never\nPort x\n", "config:2:1: Port"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(writeFiles(t, map[string]string{"config": test.text}))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestResolveErrors is about values that mean nothing for a host; they
// do not matter where they do not count.
func TestResolveErrors(t *testing.T) {
	for name, test := range map[string]struct{ line, want string }{
		"token":     {"IdentityFile /k/%Z", "config:2:1: IdentityFile: unknown %Z"},
		"HostName":  {"HostName %n", "config:2:1: HostName: unknown %n"},
		"at an end": {"UserKnownHostsFile /k%", "a % at the end"},
		"variable":  {"CertificateFile ${NOT_SET}", "the variable ${NOT_SET} is not set"},
		"brace":     {"IdentityAgent ${SOCK", "${ needs a variable name and }"},
		"command":   {"ProxyCommand nc %d", "unknown %d"},
		"user":      {"IdentityFile ~no-such-user-here/k", "unknown user"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Load(writeFiles(t, map[string]string{"config": "Host bad\n" + test.line + "\n"}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Resolve(Query{Name: "bad"}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if _, err := c.Resolve(Query{Name: "good"}); err != nil {
				t.Errorf("a host that the line is not for: %v", err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	o := writeFiles(t, map[string]string{"config": `IgnoreUnknown mine*
MineOnly yes
HostNam x
HostNam y
Match exec "true"
  User wrong
Match !exec "false" user me
  User wrong
Match tagged x
  User wrong
Host a
  RevokedHostKeys /etc/revoked
  AddressFamily any
  ForwardAgent yes
`})
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, strings.TrimPrefix(w, o.File))
	}
	want := []string{
		`:3: unknown keyword "hostnam"; did you mean hostname?`,
		`:5: Match exec is not supported: its block is skipped`,
		`:9: Match tagged is not supported: its block is skipped`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s, err := c.Resolve(Query{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if s.User != "" {
		t.Errorf("user: got %q of a block that cannot be judged", s.User)
	}
	if len(s.Ignored) != 1 || s.Ignored[0].Key != "ForwardAgent" || s.Ignored[0].Origin.Line != 14 {
		t.Errorf("ignored: got %v, want ForwardAgent of line 14", s.Ignored)
	}
	if s.RevokedHostKeys != "/etc/revoked" {
		t.Errorf("revoked host keys: got %q, want /etc/revoked", s.RevokedHostKeys)
	}
	if s, _ := c.Resolve(Query{Name: "b"}); s == nil || len(s.Ignored) > 0 {
		t.Errorf("got %v for a host that has nothing to ignore", s)
	}
}

// TestTrust expects that the user's own file and what is included are
// refused if others may have written them, and a named file is not.
func TestTrust(t *testing.T) {
	o := writeFiles(t, map[string]string{"config": "Include more\n", "more": "User a\n"})
	path := filepath.Dir(o.File)
	usual := o
	usual.File = ""
	for _, test := range []struct {
		exposed string
		o       Options
		refused string
	}{
		{"config", usual, "config"},
		{"config", o, ""},
		{"more", usual, "more"},
		{"more", o, "more"},
	} {
		exposed := filepath.Join(path, test.exposed)
		if err := os.Chmod(exposed, 0o620); err != nil {
			t.Fatal(err)
		}
		_, err := Load(test.o)
		switch {
		case test.refused == "" && err != nil:
			t.Errorf("%s exposed, file %q: %v", test.exposed, test.o.File, err)
		case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused) || !strings.Contains(err.Error(), "others can write it")):
			t.Errorf("%s exposed, file %q: got %v, want a refusal", test.exposed, test.o.File, err)
		}
		if err := os.Chmod(exposed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	o := writeFiles(t, map[string]string{
		"config":       "Include d/*\nUser last\n",
		"d/.hidden":    "User hidden\n",
		"d/b/not-read": "User deep\n",
		"d/c":          "Host a\nUser included\n",
	})
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "included", "b": "last"} {
		if s, err := c.Resolve(Query{Name: name}); err != nil || s.User != want {
			t.Errorf("%s: got %v, %v, want user %q", name, s, err, want)
		}
	}
	o.File = filepath.Join(o.Home, "absent")
	if _, err := Load(o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is absent: got %v", err)
	}
	if c, err := Load(Options{File: "none", Home: "/nowhere"}); err != nil || len(c.files) > 0 {
		t.Errorf("none: got %v, %v, want no file", c, err)
	}
}

func TestIncludeDepth(t *testing.T) {
	files := map[string]string{"config": "Include f0\n"}
	for i := range 17 {
		files[fmt.Sprintf("f%d", i)] = fmt.Sprintf("Include f%d\n", i+1)
	}
	o := writeFiles(t, files)
	if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "f15:1:1: Include is nested more than 16 files deep") {
		t.Errorf("got %v, want an end at the seventeenth file", err)
	}
	if err := os.WriteFile(filepath.Join(o.Home, ".ssh", "f15"), []byte("User deep\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Resolve(Query{Name: "a"}); err != nil || s.User != "deep" {
		t.Errorf("got %v, %v, want the user of the sixteenth file", s, err)
	}
}

// noFiles is a disk without files.
type noFiles struct{}

func (noFiles) read(string, bool) (string, error)     { return "", os.ErrNotExist }
func (noFiles) glob(pattern string) ([]string, error) { return []string{pattern}, nil }

// FuzzConfig expects that whatever a file holds is either refused with a
// position or answers for every host, the same each time.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"Host a b !c \"d e\"\n  HostName=%h.x\nMatch host a,!b user root\nPort 22\n",
		"Match final all\nInclude x y\nIdentityFile ~/%d\nProxyJump u@[::1]:22,ssh://b\n",
		"Match exec \"a b\" canonical\nIgnoreUnknown x*,y\nXyz 'a\\'\nUserKnownHostsFile none\nConnectTimeout 1h2M3\n",
		"Host\n\"\n=\nUser=\\\"x\n\x00\f\r\n", "Host *?*?*?*\nHostName %%%h%\n",
	} {
		f.Add(s, "web1")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p := newParser(Options{Home: "/home/me", User: "me"})
		p.disk = noFiles{}
		p.top("f", text, true)
		if err := p.problems.Err(); err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("%v has no position", err)
			}
			return
		}
		s, err := p.config.Resolve(Query{Name: name})
		again, errAgain := p.config.Resolve(Query{Name: name})
		if (err == nil) != (errAgain == nil) || err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatalf("got %v, then %v", err, errAgain)
		}
		if err != nil {
			return
		}
		if fmt.Sprint(s.Settings()) != fmt.Sprint(again.Settings()) {
			t.Fatalf("got %v, then %v", s.Settings(), again.Settings())
		}
		for _, x := range s.Settings() {
			if o, set := s.Origin(x.Key); !set || o.Line < 1 || o.Column < 1 {
				t.Fatalf("%s has the origin %v", x.Key, o)
			}
		}
		if s.Jump != "" && s.ProxyCommand != "" {
			t.Fatal("a jump and a command at once")
		}
	})
}

// BenchmarkResolve resolves 10,000 hosts against 200 blocks.
func BenchmarkResolve(b *testing.B) {
	var text strings.Builder
	for i := range 200 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&text, "Host web%03d* *.rack%d.fra\n", i, i)
		case 1:
			fmt.Fprintf(&text, "Host db%d.fra\n", i)
		case 2:
			fmt.Fprintf(&text, "Match host *.zone%d,!*9* user root\n", i)
		case 3:
			fmt.Fprintf(&text, "Host !web0* *%d.fra\n", i)
		}
		fmt.Fprintf(&text, "  User u%d\n  IdentityFile ~/.ssh/k%d\n", i, i)
	}
	text.WriteString("Host *\n  HostName %h.example.com\n  UserKnownHostsFile ~/.ssh/kh %d/other\n  ServerAliveInterval 30\n")
	c, err := Load(writeFiles(b, map[string]string{"config": text.String()}))
	if err != nil {
		b.Fatal(err)
	}
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("web%05d.fra", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			if _, err := c.Resolve(Query{Name: name}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
