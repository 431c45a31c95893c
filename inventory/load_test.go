package inventory

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// write makes a file with a name in a directory of its own, and returns its path.
func write(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// load loads texts as files of their own, each named with -i.
func load(tb testing.TB, texts ...string) *Inventory {
	tb.Helper()
	var list []layer.File
	for _, text := range texts {
		list = append(list, layer.File{Path: write(tb, "hosts.yaml", text), Trust: layer.Named})
	}
	inv, err := Load(tb.Context(), list)
	if err != nil {
		tb.Fatal(err)
	}
	return inv
}

func host(tb testing.TB, inv *Inventory, name string) *Host {
	tb.Helper()
	h, ok := inv.Host(name)
	if !ok {
		tb.Fatalf("there is no host %s among %s", name, hostlist.Fold(inv.hostNames()))
	}
	return h
}

const fleet = `
defaults: {user: deploy, identity: keys/id, connect_timeout: 10s, labels: {site: main}}
hosts:
  db1: {address: 10.0.0.11, port: 2222, labels: {role: primary}}
  "web[01-20].fra": {labels: {dc: fra}}
groups:
  web:  {hosts: ["web[01-20].fra"], user: www, labels: {tier: front}}
  db:   {hosts: [db1, db2], timeout: 30m, parallel: 1}
  prod: {groups: [web, db], retries: 2, parallel: 5, host_keys: accept-new, labels: {tier: any}}
`

func TestLoadFleet(t *testing.T) {
	inv := load(t, fleet)
	if got, want := hostlist.Fold(inv.hostNames()), "db[1-2],web[01-20].fra"; got != want {
		t.Errorf("hosts: got %s, want %s", got, want)
	}
	if got, want := inv.hostNames()[:2], []string{"db1", "web01.fra"}; !slices.Equal(got, want) {
		t.Errorf("order: got %v, want %v first", got, want)
	}
	if got, want := inv.Groups(), []string{"web", "db", "prod"}; !slices.Equal(got, want) {
		t.Errorf("groups: got %v, want %v", got, want)
	}
	if got, want := inv.Labels(), []string{"dc=fra", "role=primary", "site=main", "tier=any", "tier=front"}; !slices.Equal(got, want) {
		t.Errorf("labels: got %v, want %v", got, want)
	}
	db1, web := host(t, inv, "db1"), host(t, inv, "web07.fra")
	if db1.Address != "10.0.0.11" || db1.Port != 2222 || db1.User != "deploy" || db1.Timeout != 30*time.Minute ||
		db1.ConnectTimeout != 10*time.Second || db1.Retries != 2 || db1.HostKeys != hostkeys.AcceptNew {
		t.Errorf("db1: got %+v", db1)
	}
	if web.User != "www" || web.Labels["tier"] != "front" || web.Labels["dc"] != "fra" || web.Labels["site"] != "main" {
		t.Errorf("web07.fra: got user %q, labels %v", web.User, web.Labels)
	}
	if got, want := db1.Groups, []string{"db", "prod"}; !slices.Equal(got, want) {
		t.Errorf("db1's groups: got %v, want %v", got, want)
	}
	if got, want := db1.Gates, []fanout.Gate{{Name: "db", Parallel: 1}, {Name: "prod", Parallel: 5}}; !slices.Equal(got, want) {
		t.Errorf("db1's gates: got %v, want %v", got, want)
	}
	if got, want := web.Gates, []fanout.Gate{{Name: "prod", Parallel: 5}}; !slices.Equal(got, want) {
		t.Errorf("web07's gates: got %v, want %v", got, want)
	}
}

func TestOrigins(t *testing.T) {
	path := write(t, "hosts.yaml", fleet)
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	var got []string
	for _, s := range host(t, inv, "db1").Settings() {
		got = append(got, strings.ReplaceAll(string(s.Key)+" "+s.Value+" "+s.Origin.String(), dir+"/", ""))
	}
	want := []string{
		"address 10.0.0.11 hosts.yaml:4:18 (host db1)",
		"connect_timeout 10s hosts.yaml:2:62 (defaults)",
		"host_keys accept-new hosts.yaml:9:65 (group prod)",
		"identity keys/id hosts.yaml:2:36 (defaults)",
		"labels.role primary hosts.yaml:4:56 (host db1)",
		"labels.site main hosts.yaml:2:82 (defaults)",
		"labels.tier any hosts.yaml:9:92 (group prod)",
		"port 2222 hosts.yaml:4:35 (host db1)",
		"retries 2 hosts.yaml:9:38 (group prod)",
		"timeout 30m hosts.yaml:8:38 (group db)",
		"user deploy hosts.yaml:2:18 (defaults)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, ok := host(t, inv, "web01.fra").Origin(layer.KeyTimeout); ok {
		t.Error("web01.fra has no timeout, but it has an origin")
	}
	if o, ok := host(t, inv, "db1").Origin(layer.LabelKey("role")); !ok || o.Line != 4 {
		t.Errorf("label role: got %v, %v, want line 4", o, ok)
	}
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name  string
		texts []string
		want  string // user of host a
	}{
		{"defaults", []string{"{defaults: {user: d}, hosts: [a]}"}, "d"},
		{"outer group", []string{"{defaults: {user: d}, groups: {g: {hosts: [a]}, o: {groups: [g], user: o}}}"}, "o"},
		{"nearest group", []string{"{groups: {g: {hosts: [a], user: g}, o: {groups: [g], user: o}}}"}, "g"},
		{"shortest path", []string{"{groups: {x: {hosts: [a]}, y: {groups: [x], user: y}, z: {groups: [y], hosts: [a], user: z}}}"}, "z"},
		{"host", []string{"{hosts: {a: {user: h}}, groups: {g: {hosts: [a], user: g}}}"}, "h"},
		{"later file, host", []string{"hosts: {a: {user: one, port: 1}}", "hosts: {a: {user: two}}"}, "two"},
		{"later file, group", []string{"groups: {g: {hosts: [a], user: one}}", "groups: {g: {user: two}}"}, "two"},
		{"groups beat a later file's defaults", []string{"groups: {g: {hosts: [a], user: g}}", "{defaults: {user: d}, hosts: [a]}"}, "g"},
		{"defaults stay in their file", []string{"hosts: [a]", "{defaults: {user: d}, hosts: [b]}"}, ""},
		{"later defaults of two that name the host", []string{"{defaults: {user: d}, hosts: [a]}", "{defaults: {user: e}, hosts: [a]}"}, "e"},
		{"two groups agree", []string{"groups: {g: {hosts: [a], user: x}, h: {hosts: [a], user: x}}"}, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := host(t, load(t, tt.texts...), "a").User; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLaterFilesUniteGroups(t *testing.T) {
	inv := load(t, "groups: {web: {hosts: [a], parallel: 2}}", "groups: {web: {hosts: [b], parallel: 3}, all2: {groups: [web]}}")
	for _, name := range []string{"a", "b"} {
		h := host(t, inv, name)
		if want := []string{"web", "all2"}; !slices.Equal(h.Groups, want) {
			t.Errorf("%s: got groups %v, want %v", name, h.Groups, want)
		}
		if want := []fanout.Gate{{Name: "web", Parallel: 3}}; !slices.Equal(h.Gates, want) {
			t.Errorf("%s: got gates %v, want %v", name, h.Gates, want)
		}
	}
}

func TestIdentityPaths(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	path := write(t, "hosts.yaml", "hosts: {a: {identity: [k/id, ~/.ssh/id, /etc/../key]}, b: {identity: k}}")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if got, want := host(t, inv, "a").Identity, []string{dir + "/k/id", "/home/ann/.ssh/id", "/key"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	t.Setenv("HOME", "")
	_, err = Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err == nil || !strings.Contains(err.Error(), `:1:30: host a: identity: "~/.ssh/id": cannot determine your home directory`) {
		t.Errorf("without HOME: got %v", err)
	}
}

func TestAddressesInStep(t *testing.T) {
	inv := load(t, `hosts: {"n[1-3]": {address: "10.0.0.[7-9]", port: 22}, six: {address: "[2001:db8::1]"}}`)
	if got := host(t, inv, "n3").Address; got != "10.0.0.9" {
		t.Errorf("got %s, want 10.0.0.9", got)
	}
	if got := host(t, inv, "six").Address; got != "2001:db8::1" {
		t.Errorf("got %s, want 2001:db8::1", got)
	}
}

func TestNamesKeepTheirText(t *testing.T) {
	inv := load(t, "hosts: [NO, 0644, 1e3, null, 1.10]\ngroups: {yes: {hosts: [NO]}}")
	if got, want := inv.hostNames(), []string{"NO", "0644", "1e3", "null", "1.10"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEmptyInventory(t *testing.T) {
	for _, name := range []string{"hosts.yaml", "hosts.list", "hosts"} {
		for _, text := range []string{"", "# nothing\n", "\ufeff", "\r\n"} {
			inv, err := Load(t.Context(), []layer.File{{Path: write(t, name, text), Trust: layer.Named}})
			if err != nil || len(inv.Hosts()) != 0 {
				t.Errorf("%s with %q: got %v, want an empty inventory", name, text, err)
			}
		}
	}
	if inv := load(t, "defaults:\nhosts:\ngroups:\n"); len(inv.Hosts()) != 0 {
		t.Errorf("sections without contents: got %d hosts, want none", len(inv.Hosts()))
	}
}

func TestExampleLoads(t *testing.T) {
	inv, err := Load(t.Context(), []layer.File{{Path: "../hosts.example.yaml", Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hostlist.Fold(inv.hostNames()), "bastion.example.com,db[1-3],web[01-20].fra"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	data, err := os.ReadFile("../hosts.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Concat(topKeys, hostKeys, groupKeys) {
		if !strings.Contains(string(data), key+":") {
			t.Errorf("the example does not show %s", key)
		}
	}
	if len(inv.Warnings) > 0 {
		t.Errorf("got warnings %q, want none", inv.Warnings)
	}
}

// Every testdata/bad/*.yaml and *.list has its errors in a file next to it.
func TestBadFilesGolden(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	paths, err := filepath.Glob("testdata/bad/*.*")
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, path := range paths {
		golden := path + ".golden"
		if strings.HasSuffix(path, ".golden") {
			continue
		}
		tested++
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
			if err == nil {
				t.Fatal("got no error, want one")
			}
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	if tested < 10 {
		t.Errorf("only %d files found", tested)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(t.Context(), []layer.File{{Path: dir, Trust: layer.Named}}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := Load(t.Context(), []layer.File{{Path: dir + "/none", Trust: layer.Named}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	tests := []struct{ name, file, text, want string }{
		{"not UTF-8", "h.list", "web1\nweb\xff\n", "h.list:2:4: the file is not UTF-8: byte 0xff"},
		{"UTF-16", "h.yaml", "\xff\xfeh\x00", "h.yaml:1:1: the file is UTF-16; save it as UTF-8"},
		{"a script that is not executable", "hosts", "#!/bin/sh\n", "hosts looks like a program but is not executable"},
		{"Ansible YAML among tutti's keys", "h.yaml", "hosts: {a: }\nall:\n  children: {web: {}}\n", `h.yaml:2:1: "all" is a group at the top of the file`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(t.Context(), []layer.File{{Path: write(t, tt.file, tt.text), Trust: layer.Named}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFormatOf(t *testing.T) {
	tests := []struct {
		path, text string
		want       format
	}{
		{"hosts", "hosts:\n  a:\n", formatYAML},
		{"hosts", "# c\n\n{hosts: [a]}", formatYAML},
		{"hosts", "---\n", formatYAML},
		{"hosts", "web1\nweb2\n", formatPlain},
		{"hosts", "root@web1:22\n", formatPlain},
		{"hosts", "[2001:db8::1]\n", formatPlain},
		{"hosts", "[1-3]\n", formatPlain},
		{"hosts", "[web:children]\n", formatINI},
		{"hosts", "# x\n[web]\nweb1\n", formatINI},
		{"hosts", "mail.example.com\n\n[web]\nweb1\n", formatINI},
		{"hosts", "web1 ansible_host=10.0.0.1\n", formatINI},
		{"hosts", "web1\nweb2 user=x # y\n", formatINI},
		{"hosts", "web[01:20].fra\n", formatINI},
		{"hosts", "; old style\nweb1\n", formatINI},
		{"hosts.list", "web1\n[web]\n", formatINI},
		{"hosts.ini", "web1\n", formatINI},
		{"hosts", "[fe80::1]:22\nroot@web[1-3]:22 # a=b\n", formatPlain},
		{"hosts.YML", "web1\n", formatYAML},
		{"a.list", "web1: x\n", formatPlain},
	}
	for _, tt := range tests {
		if got := formatOf(tt.path, tt.text, 0o600); got != tt.want {
			t.Errorf("%s with %q: got %v, want %v", tt.path, tt.text, got, tt.want)
		}
	}
}
