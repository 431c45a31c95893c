package inventory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/inventory/layer"
)

func selectHosts(tb testing.TB, inv *Inventory, text string, opts SelectOptions) (string, []string, error) {
	tb.Helper()
	sel, err := ParseSelector(text)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := inv.Select(tb.Context(), sel, opts)
	var got []string
	for _, h := range s.Hosts {
		got = append(got, h.Name)
	}
	return strings.Join(got, " "), s.Warnings, err
}

const small = `
hosts:
  web1: {labels: {dc: fra, role: front}}
  web2: {labels: {dc: ber}}
  db2: {labels: {dc: fra, role: primary}}
  db1:
groups:
  web: {hosts: [web1, web2]}
  db: {hosts: [db1, db2]}
  prod: {groups: [web, db]}
  empty:
`

// pastRuns answers from a table.
type pastRuns map[string][]string

func (r pastRuns) Hosts(_ context.Context, ref string, outcomes []fanout.Outcome) ([]string, error) {
	names, ok := r[fmt.Sprint(ref, outcomes)]
	if !ok {
		return nil, fmt.Errorf("there is no run %s", ref)
	}
	return names, nil
}

func TestSelect(t *testing.T) {
	inv := load(t, small)
	file := write(t, "list", "# which\nweb1\r\n\ndb # all of them\n'dc=ber'")
	runs := pastRuns{"7[]": {"db1", "gone1", "gone2"}, "last[failed lost]": {"web2"}}
	tests := []struct {
		text, want string
		warnings   []string
	}{
		{"web1", "web1", nil},
		{"db", "db2 db1", nil},
		{"prod", "web1 web2 db2 db1", nil},
		{"all", "web1 web2 db2 db1", nil},
		{"db1,web1", "web1 db1", nil},
		{"web[1-2]", "web1 web2", nil},
		{"[web,db1]", "web1 web2 db1", nil},
		{"web*", "web1 web2", nil},
		{"*b1", "web1 db1", nil},
		{"[web,db][1-2]*", "web1 web2 db2 db1", nil},
		{"?b1", "db1", nil},
		{`~^(we|d)b\d{1,2}$`, "web1 web2 db2 db1", nil},
		{"~2", "web2 db2", nil},
		{"dc=fra", "web1 db2", nil},
		{"dc=*r*", "web1 web2 db2", nil},
		{"role!=primary", "web1 web2 db1", nil},
		{"@" + file, "web1 web2 db2 db1", nil},
		{"run:7", "db1", []string{"run:7: no longer in the inventory: gone[1-2]"}},
		{"run:last:failed+lost", "web2", nil},
		{"prod,&dc=fra", "web1 db2", nil},
		{"&dc=fra", "web1 db2", nil},
		{"!web", "db2 db1", nil},
		{"!web1,all,&dc=fra", "db2", nil},
		{"web,!web2,&prod", "web1", []string{"&prod changes nothing: every selected host is in it"}},
		{"web,!db", "web1 web2", []string{"!db changes nothing: no selected host is in it"}},
		{"all,!empty", "web1 web2 db2 db1", []string{`!empty: "empty" is a group without hosts`}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, warnings, err := selectHosts(t, inv, tt.text, SelectOptions{Runs: runs})
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("warnings: got %q, want %q", warnings, tt.warnings)
			}
		})
	}
}

func TestSelectNothing(t *testing.T) {
	inv := load(t, small)
	runs := pastRuns{"7[]": {"gone1"}, "8[]": {}}
	tests := []struct {
		text, want string
		nearest    []string
	}{
		{"wbe", `"wbe" is neither a host nor a group; nearest: web, web1, web2`, []string{"web", "web1", "web2"}},
		{"web1,nothing-like-it", `"nothing-like-it" is neither a host nor a group`, nil},
		{"web[1-4]", `"web[1-4]" expands to 2 names that are neither hosts nor groups: web[3-4]; nearest: web, web1, web2`, []string{"web", "web1", "web2"}},
		{"empty", `"empty" is a group without hosts`, nil},
		{"x*", `"x*" matches no host's name`, nil},
		{"web[1-3]*", `"web3*" matches no host's name`, nil},
		{"~^x", `"~^x" matches no host's name`, nil},
		{"dc=fro", `"dc=fro" matches no host; nearest: dc=fra, dc=ber`, []string{"dc=fra", "dc=ber"}},
		{"cd!=fra", `"cd!=fra" matches nothing: no host has a label "cd"; nearest: dc`, []string{"dc"}},
		{"run:7", `"run:7" names only hosts that are no longer in the inventory: gone1`, nil},
		{"run:8", `"run:8" matches no host of that run`, nil},
		{"web,!web*", `"web,!web*" selects no host: none is left after !web*`, nil},
		{"web,&db", `"web,&db" selects no host: none is left after &db`, nil},
		{"web,&bd1", `"bd1" is neither a host nor a group; nearest: db1, db2`, []string{"db1", "db2"}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, _, err := selectHosts(t, inv, tt.text, SelectOptions{Runs: runs})
			var none *NoMatchError
			if !errors.As(err, &none) || none.Error() != tt.want || !slices.Equal(none.Nearest, tt.nearest) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	var none *NoMatchError
	if _, err := load(t, "").Select(t.Context(), Selector{}, SelectOptions{}); !errors.As(err, &none) {
		t.Errorf("an empty inventory: got %v, want a NoMatchError", err)
	}
}

func TestSelectOtherErrors(t *testing.T) {
	inv := load(t, small)
	file := func(text string) string { return "@" + write(t, "list", text) }
	tests := []struct{ name, text, want string }{
		{"no runs here", "run:7", "run:7: earlier runs cannot be used here"},
		{"missing file", "@/nowhere/x", "read the hosts in @/nowhere/x: open /nowhere/x: no such file or directory"},
		{"directory", "@" + t.TempDir(), "is a directory"},
		{"bad item", file("web1\n  web[1-\n"), `list:2:6: [ is not closed`},
		{"operator", file("web1\n!web2\n"), "list:2:1: a file contains plain items, without & or !"},
		{"file in a file", file("@x\n"), "list:1:1: a file cannot refer to files or runs"},
		{"run in a file", file("run:1\n"), "list:1:1: a file cannot refer to files or runs"},
		{"no such host", file("web1\nweb9\n"), `"web9" is neither a host nor a group (`},
		{"empty file", file("# nothing\n"), "contains no hosts: the file is empty"},
		{"not UTF-8", file("a\xff"), "list:1:2: the file is not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := selectHosts(t, inv, tt.text, SelectOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	_, _, err := selectHosts(t, inv, "run:9", SelectOptions{Runs: pastRuns{}})
	if err == nil || err.Error() != "run:9: there is no run 9" {
		t.Errorf("got %v, want what Runs said", err)
	}
}

// A host that was to be left out must not be run on because of a misspelling,
// whatever the item looks like and whatever else it names.
func TestWhatIsLeftOutMustBeKnown(t *testing.T) {
	inv := load(t, small)
	file := write(t, "bad", "gone\nweb1\nx*,web2\n")
	strangers := write(t, "strangers", "SECRET1\nSECRET2\n")
	runs := pastRuns{"7[]": {"gone1"}, "8[]": {}}
	tests := []struct{ item, want string }{
		{"wbe1", `"wbe1" is neither a host nor a group, so it would exclude nothing; nearest: web1, web, web2`},
		{"web[2-3]", `"web[2-3]" expands to 1 name that is neither a host nor a group: web3, so it would exclude nothing; nearest: web, web1, web2`},
		{"[gone,empty,web1]", `expands to 1 name that is neither a host nor a group: gone`},
		{"@" + file, `"x*" matches no host's name (` + file + `:3)`},
		{"@" + strangers, `"@` + strangers + `" contains nothing that is in the inventory (` + strangers + `:2), so it would exclude nothing`},
		{"@" + file + ".gone", "no such file"},
		{"[x,w]*", `"x*" matches no host's name, so it would exclude nothing`},
		{"~^wbe", `"~^wbe" matches no host's name, so it would exclude nothing`},
		{"dcc=fra", `matches nothing: no host has a label "dcc", so it would exclude nothing; nearest: dc`},
		{"dcc!=fra", `no host has a label "dcc"`},
		{"dc=frra", `"dc=frra" matches no host, so it would exclude nothing; nearest: dc=fra`},
		{"run:9", "there is no run 9"},
	}
	for _, tt := range tests {
		for _, text := range []string{"all,!" + tt.item, "!" + tt.item, "web1,!" + tt.item} {
			got, _, err := selectHosts(t, inv, text, SelectOptions{Runs: runs})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %s, %v, want %s", text, got, err, tt.want)
			}
		}
		want, _, _ := strings.Cut(tt.want, ", so it")
		if got, _, err := selectHosts(t, inv, "all,&"+tt.item, SelectOptions{Runs: runs}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("&%s: got %s, %v, want %s", tt.item, got, err, want)
		}
	}
	nothing := write(t, "nothing", "# none today\n")
	for _, item := range []string{"empty", "run:7", "run:8", "@" + nothing} {
		if got, warnings, err := selectHosts(t, inv, "all,!"+item, SelectOptions{Runs: runs}); err != nil || len(warnings) != 1 {
			t.Errorf("all,!%s: got %s, warnings %q, %v, want all hosts and a warning", item, got, warnings, err)
		}
	}
}

func TestLimitAndPick(t *testing.T) {
	inv := load(t, `hosts: ["n[1-9]"]`)
	if got, _, err := selectHosts(t, inv, "all", SelectOptions{Limit: 3}); got != "n1 n2 n3" || err != nil {
		t.Errorf("Limit: got %s, %v", got, err)
	}
	if got, _, err := selectHosts(t, inv, "n[8-9]", SelectOptions{Limit: 3, Pick: 5}); got != "n8 n9" || err != nil {
		t.Errorf("more than there are: got %s, %v", got, err)
	}
	seen := make(map[string]bool)
	for seed := range uint64(50) {
		got, _, err := selectHosts(t, inv, "all", SelectOptions{Pick: 4, Rand: rand.New(rand.NewPCG(seed, 0))})
		names := strings.Fields(got)
		if err != nil || len(names) != 4 || !slices.IsSorted(names) || len(slices.Compact(names)) != 4 {
			t.Fatalf("Pick: got %s, %v, want four different hosts in order", got, err)
		}
		seen[got] = true
	}
	if len(seen) < 10 {
		t.Errorf("50 draws gave only %d different picks", len(seen))
	}
	if len(inv.Hosts()) != 9 || inv.Hosts()[0].Name != "n1" {
		t.Error("Pick changed the inventory")
	}
}

func TestConflicts(t *testing.T) {
	path := write(t, "hosts.yaml", `
hosts: {a3: {user: mine}, free: }
groups:
  x: {hosts: ["a[1-3]"], user: ann, labels: {l: one}}
  y: {hosts: ["a[1-3]"], user: bob, labels: {l: one}}
  far: {groups: [x], user: eve}
`)
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = selectHosts(t, inv, "all", SelectOptions{})
	var conflict *ConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 {
		t.Fatalf("got %v, want one conflict", err)
	}
	want := fmt.Sprintf(`hosts a[1-2]: user is "ann" from %[1]s:4:32 (group x) and "bob" from %[1]s:5:32 (group y), with the same precedence; set it on the host itself`, path)
	if got := err.Error(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for _, text := range []string{"a3", "free", "all,!a[1-2]"} {
		if _, _, err := selectHosts(t, inv, text, SelectOptions{}); err != nil {
			t.Errorf("%s: got %v, want no error", text, err)
		}
	}
	if got := host(t, inv, "a3").User; got != "mine" {
		t.Errorf("a3: got user %q, want mine", got)
	}
}

// TestParseHostsAsTyped: the ways in which people write lists of hosts.
func TestParseHostsAsTyped(t *testing.T) {
	for text, want := range map[string]string{
		"a,":                               "a",
		"a,b , c\n":                        "a b c",
		"a b\tc":                           "a b c",
		"web1\nweb2\n\n# gone\nweb3 # x\n": "web1 web2 web3",
		"web1\r\nweb2\r\n":                 "web1 web2",
		"n[1, 2]":                          "n1 n2",
		"n[1, 2] m":                        "n1 n2 m",
		"ssh://root@web1:2222":             "root@web1:2222",
		"ssh://web1/":                      "web1",
		"SSH://corp%5Cme@web[1-2]:22":      "corp\\me@web1:22 corp\\me@web2:22",
		"ssh://me;fingerprint=x@web1":      "me@web1",
		"ssh://[2001:db8::1]:22":           "[2001:db8::1]:22",
		`CORP\svc$@web1`:                   `CORP\svc$@web1`,
		"me@realm.example@web1":            "me@realm.example@web1",
		"a#b@web1":                         "a#b@web1",
	} {
		inv, err := ParseHosts(text)
		if err != nil {
			t.Errorf("ParseHosts(%q): %v", text, err)
			continue
		}
		var got []string
		for _, h := range inv.Hosts() {
			word := h.Name
			if h.User != "" {
				word = h.User + "@" + word
			}
			if h.Port != 0 {
				word += fmt.Sprintf(":%d", h.Port)
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("ParseHosts(%q): got %q, want %s", text, got, want)
		}
	}
}

func TestHostsOf(t *testing.T) {
	got, err := HostsOf("f", []byte("\ufeff# all of them\nweb1\nroot@web2:22, n[1, 2],\r\n\n"))
	if want := "web1,root@web2:22,n[1, 2]"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for text, want := range map[string]string{
		"web1\nSECRET/x\n": "f:2:7: '/' is not allowed in the name …: want letters, digits and _ . : -",
		"":                 `"f" contains no hosts: the file is empty`,
		"a\x00":            "f:1:2: control character 0x00",
		"web1:SECRET\n":    "f:1:6: port: … is not a number",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n": "f: this is a private key",
		"ghp_SECRETSECRETSECRETSECRET\n":                "f:1:1: this looks like a token or a key, not a host",
	} {
		if _, err := HostsOf("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("HostsOf(%q): got %v, want %s", text, err, want)
		}
	}
}

func TestParseHosts(t *testing.T) {
	inv, err := ParseHosts("web[2-1/1],x")
	if err == nil || err.Error() != `"web[2-1/1],x": column 5: the range 2-1/1 is reversed` {
		t.Errorf("got %v, %v", inv, err)
	}
	inv, err = ParseHosts("web[2,1], db1:2222,root@10.0.0.7,[2001:db8::1]:22,fe80::1,u@db[8-9]:23,db1:2222,[fe80::1%eth0]")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range inv.Hosts() {
		got = append(got, fmt.Sprintf("%s %s %d %s", h.Name, h.Address, h.Port, h.User))
	}
	want := []string{
		"web2  0 ", "web1  0 ", "db1  2222 ", "10.0.0.7  0 root", "[2001:db8::1] 2001:db8::1 22 ",
		"fe80::1 fe80::1 0 ", "db8  23 u", "db9  23 u", "[fe80::1%eth0] fe80::1%eth0 0 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if o, ok := host(t, inv, "db1").Origin(layer.KeyPort); !ok || o.File != "" || o.Column != 11 {
		t.Errorf("origin of db1's port: got %+v, %v", o, ok)
	}
	if s, _, err := selectHosts(t, inv, "[2001:db8::1],db*,!db8", SelectOptions{}); s != "db1 [2001:db8::1] db9" || err != nil {
		t.Errorf("select: got %s, %v", s, err)
	}
	for text, want := range map[string]string{
		"":               `"": column 1: missing host`,
		",a":             `",a": column 1: missing host`,
		"a,,b":           `"a,,b": column 3: missing host`,
		"a, ,b":          `"a, ,b": column 4: missing host`,
		"a,#b":           `"a,#b": column 3: '#' is not allowed in the name "#b": want letters, digits and _ . : -`,
		"http://a":       `"http://a": column 1: "http": want ssh://user@host:port or user@host:port`,
		"ssh://u:p@a":    `"ssh://u:p@a": column 7: a password in a URL is visible to every user of this machine: remove it; with the flag ask-pass it is asked for`,
		"ssh://a/tmp":    `"ssh://a/tmp": column 8: a host URL has no path: want ssh://user@host:port`,
		"a,root@a":       `"a,root@a": column 8: host a has another name at column 1`,
		"a:22,a:23":      `"a:22,a:23": column 6: host a has another name at column 1`,
		"web*":           `"web*": column 4: '*' is not allowed in the name "web*": want letters, digits and _ . : -`,
		"a:0":            `"a:0": column 3: port: 0: want 1 to 65535`,
		"a:":             `"a:": column 3: port: empty value`,
		"-oX@a":          `"-oX@a": column 1: user: "-oX" is not a login name`,
		"all":            `"all": column 1: the name "all" is reserved for every host`,
		"[2001:db8::1]x": `"[2001:db8::1]x": column 14: want :PORT after the address in brackets`,
		"::1:x":          `"::1:x": column 1: "::1:x" is not an IPv6 address; with a port, write [ADDRESS]:PORT`,
	} {
		if _, err := ParseHosts(text); err == nil || err.Error() != want {
			t.Errorf("ParseHosts(%q): got %v, want %s", text, err, want)
		}
	}
}

func TestPlainList(t *testing.T) {
	path := write(t, "host.list", "\ufeff# all\r\nweb[1-2] # two\r\n\r\n  root@db1:2222\nweb1\nlast#not-a-comment")
	_, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err == nil || !strings.Contains(err.Error(), `host.list:6:5: '#' is not allowed in the name`) {
		t.Errorf("got %v", err)
	}
	path = write(t, "host.list", "\ufeff# all\r\nweb[1-2] # two\r\n\r\n  root@db1:2222\nweb1\nlast")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(inv.hostNames(), " "), "web1 web2 db1 last"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	db := host(t, inv, "db1")
	if o, _ := db.Origin(layer.KeyUser); db.User != "root" || db.Port != 2222 || o.Line != 4 || o.Column != 3 {
		t.Errorf("db1: got %s %d from %v", db.User, db.Port, o)
	}
}

func TestTwoNamesOnOneAddressAreTwoHosts(t *testing.T) {
	inv := load(t, "hosts: {a: {address: 10.0.0.1, user: x}, b: {address: 10.0.0.1, user: x}}")
	if got, _, err := selectHosts(t, inv, "all", SelectOptions{}); got != "a b" || err != nil {
		t.Errorf("got %s, %v, want both", got, err)
	}
}

// A long range of wildcards is answered by looking at few hosts each.
func TestManyWildcards(t *testing.T) {
	inv := load(t, `hosts: ["web[0001-9999]"]`)
	_, _, err := selectHosts(t, inv, "web[000001-020000]*", SelectOptions{})
	var none *NoMatchError
	if !errors.As(err, &none) || none.Item != "web000001*" {
		t.Errorf("got %v, want that web000001* matches nothing", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	sel, err := ParseSelector("web*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inv.Select(ctx, sel, SelectOptions{}); !errors.Is(err, cause) {
		t.Errorf("a canceled selection: got %v, want its cause", err)
	}
}

func TestInventoryServesManyAtOnce(t *testing.T) {
	inv := load(t, small)
	sel, err := ParseSelector("prod,&dc=fra,!run:1,!~^web2,!@" + write(t, "none", "web2"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := inv.Select(t.Context(), sel, SelectOptions{Runs: pastRuns{"1[]": {"db1"}}})
			if err != nil || len(s.Hosts) != 2 {
				t.Errorf("got %d hosts, %v, want 2", len(s.Hosts), err)
				return
			}
			s.Hosts[0].Settings()
			inv.Labels()
		})
	}
	wg.Wait()
}

func TestErrorTexts(t *testing.T) {
	_, err := ParseSelector("web,db[1-")
	if want := `selector "web,db[1-": column 7: [ is not closed; if that is intended, quote the item ('…')`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = ParseSelector(strings.Repeat("a", 200) + "/")
	if err == nil || len(err.Error()) > 400 || !strings.Contains(err.Error(), "column 201") {
		t.Errorf("a long selector: got %v, want it shortened", err)
	}
	missing := &NotFoundError{Looked: []string{"./hosts.yaml", "/etc/tutti/hosts.yaml"}}
	if got, want := missing.Error(), "no inventory found; tried ./hosts.yaml, /etc/tutti/hosts.yaml"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNearestOfAShortName: a name without its domain is meant before a group that
// looks like it.
func TestNearestOfAShortName(t *testing.T) {
	inv := load(t, `{hosts: ["web[01-12].demo", db1], groups: {web: {hosts: ["web[01-12].demo"]}}}`)
	for text, want := range map[string]string{"web01": "[web01.demo]", "WEB02": "[web02.demo]", "wbe": "[web]"} {
		_, _, err := selectHosts(t, inv, text, SelectOptions{})
		var none *NoMatchError
		if !errors.As(err, &none) || !strings.HasPrefix(fmt.Sprint(none.Nearest), strings.TrimSuffix(want, "]")) {
			t.Errorf("%s: got %v, want nearest %s", text, err, want)
		}
	}
}
