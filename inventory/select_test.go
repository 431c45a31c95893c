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
		{"all,!wbe1", "web1 web2 db2 db1", []string{`!wbe1: "wbe1" is neither a host nor a group; nearest: web1, web, web2`}},
		{"all,!web[2-3]", "web1 db2 db1", []string{`!web[2-3]: "web[2-3]" stands for 1 name that is neither a host nor a group: web3; nearest: web, web1, web2`}},
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
		{"web[1-4]", `"web[1-4]" stands for 2 names that are neither hosts nor groups: web[3-4]; nearest: web, web1, web2`, []string{"web", "web1", "web2"}},
		{"empty", `"empty" is a group without hosts`, nil},
		{"x*", `"x*" matches no host's name`, nil},
		{"web[1-3]*", `"web3*" matches no host's name`, nil},
		{"~^x", `"~^x" matches no host's name`, nil},
		{"dc=fro", `"dc=fro" matches no host; nearest: dc=fra, dc=ber`, []string{"dc=fra", "dc=ber"}},
		{"cd!=fra", `"cd!=fra" matches nothing: no host has a label "cd"; nearest: dc`, []string{"dc"}},
		{"run:7", `"run:7" names only hosts that are no longer in the inventory: gone1`, nil},
		{"run:8", `"run:8" matches no host of that run`, nil},
		{"web,!web*", `"web,!web*" selects no host: !web* leaves none`, nil},
		{"web,&db", `"web,&db" selects no host: &db leaves none`, nil},
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
		{"no runs here", "run:7", "run:7: earlier runs cannot be referred to here"},
		{"missing file", "@/nowhere/x", "read the hosts in @/nowhere/x: open /nowhere/x: no such file or directory"},
		{"folder", "@" + t.TempDir(), "is a directory"},
		{"bad item", file("web1\n  web[1-\n"), `list:2:6: [ is not closed`},
		{"operator", file("web1\n!web2\n"), "list:2:1: !web2: a file holds plain items, without & or !"},
		{"file in a file", file("@x\n"), "list:1:1: @x: a file cannot refer to files or runs"},
		{"run in a file", file("run:1\n"), "list:1:1: run:1: a file cannot refer to files or runs"},
		{"no such host", file("web1\nweb9\n"), `"web9" is neither a host nor a group (`},
		{"empty file", file("# nothing\n"), "names no host: the file is empty"},
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

// A name that no longer exists must not keep the others from being excluded.
func TestExcludeGoesOnAfterAMiss(t *testing.T) {
	inv := load(t, small)
	file := write(t, "bad", "gone\nweb1\nx*,web2\n")
	tests := []struct{ text, want string }{
		{"all,!@" + file, "db2 db1"},
		{"all,![gone,empty,web1]", "web2 db2 db1"},
		{"all,![x,w]*", "db2 db1"},
	}
	for _, tt := range tests {
		got, warnings, err := selectHosts(t, inv, tt.text, SelectOptions{})
		if err != nil || got != tt.want || len(warnings) != 1 {
			t.Errorf("%s: got %s, warnings %q, %v, want %s and one warning", tt.text, got, warnings, err, tt.want)
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
	inv, err := Load(t.Context(), []File{{Path: path, Trust: Named}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = selectHosts(t, inv, "all", SelectOptions{})
	var conflict *ConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 {
		t.Fatalf("got %v, want one conflict", err)
	}
	want := fmt.Sprintf(`hosts a[1-2]: user is "ann" by %[1]s:4:32 (group x) and "bob" by %[1]s:5:32 (group y), which are equally near; set it on the host itself`, path)
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

func TestParseHosts(t *testing.T) {
	inv, err := ParseHosts("web[2-1/1],x")
	if err == nil || err.Error() != `"web[2-1/1],x": column 5: the range 2-1/1 runs backwards` {
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
	if o, ok := host(t, inv, "db1").Origin(KeyPort); !ok || o.File != "" || o.Column != 11 {
		t.Errorf("origin of db1's port: got %+v, %v", o, ok)
	}
	if s, _, err := selectHosts(t, inv, "[2001:db8::1],db*,!db8", SelectOptions{}); s != "db1 [2001:db8::1] db9" || err != nil {
		t.Errorf("select: got %s, %v", s, err)
	}
	for text, want := range map[string]string{
		"":               `"": column 1: a host is missing`,
		"a,":             `"a,": column 3: a host is missing`,
		"a,root@a":       `"a,root@a": column 8: host a is named differently at column 1`,
		"a:22,a:23":      `"a:22,a:23": column 6: host a is named differently at column 1`,
		"web*":           `"web*": column 4: '*' cannot be in the name "web*"; letters, digits and _ . : - can`,
		"a:0":            `"a:0": column 3: port: 0 is not between 1 and 65535`,
		"a:":             `"a:": column 3: port: the value is empty`,
		"-oX@a":          `"-oX@a": column 1: user: "-oX" is not a login name`,
		"all":            `"all": column 1: the name "all" is reserved: it stands for every host`,
		"[2001:db8::1]x": `"[2001:db8::1]x": column 14: want :PORT after the address in brackets`,
		"::1:x":          `"::1:x": column 1: "::1:x" is not an IPv6 address; with a port it needs brackets: [ADDRESS]:PORT`,
	} {
		if _, err := ParseHosts(text); err == nil || err.Error() != want {
			t.Errorf("ParseHosts(%q): got %v, want %s", text, err, want)
		}
	}
}

func TestPlainList(t *testing.T) {
	path := write(t, "host.list", "\ufeff# all\r\nweb[1-2] # two\r\n\r\n  root@db1:2222\nweb1\nlast#not-a-comment")
	_, err := Load(t.Context(), []File{{Path: path, Trust: Named}})
	if err == nil || !strings.Contains(err.Error(), `host.list:6:5: '#' cannot be in the name`) {
		t.Errorf("got %v", err)
	}
	path = write(t, "host.list", "\ufeff# all\r\nweb[1-2] # two\r\n\r\n  root@db1:2222\nweb1\nlast")
	inv, err := Load(t.Context(), []File{{Path: path, Trust: Named}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(inv.hostNames(), " "), "web1 web2 db1 last"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	db := host(t, inv, "db1")
	if o, _ := db.Origin(KeyUser); db.User != "root" || db.Port != 2222 || o.Line != 4 || o.Column != 3 {
		t.Errorf("db1: got %s %d from %v", db.User, db.Port, o)
	}
}

func TestP34TwoNamesOnOneAddressAreTwoHosts(t *testing.T) {
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
	sel, err := ParseSelector("prod,&dc=fra,!run:1,!~x,!@" + write(t, "none", "web2"))
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
	if want := `selector "web,db[1-": column 7: [ is not closed; put the item in quotes ('…') if it is meant so`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = ParseSelector(strings.Repeat("a", 200) + "/")
	if err == nil || len(err.Error()) > 400 || !strings.Contains(err.Error(), "column 201") {
		t.Errorf("a long selector: got %v, want it shortened", err)
	}
	missing := &NotFoundError{Looked: []string{"./hosts.yaml", "/etc/tutti/hosts.yaml"}}
	if got, want := missing.Error(), "no inventory; looked for ./hosts.yaml, /etc/tutti/hosts.yaml"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
