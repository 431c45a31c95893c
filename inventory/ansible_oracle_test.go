package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// ansibleCases are inventories as people have them, in testdata/ansible. What
// Ansible itself makes of each stands beside it in NAME.json, as printed by
// `ansible-inventory --list`, and what we make of it in NAME.golden. Where
// ansible-inventory is installed, -update asks it again.
var ansibleCases = []struct {
	name  string
	files []string
}{
	{"simple", []string{"simple/hosts"}},
	{"ranges", []string{"ranges/hosts.ini"}},
	{"groups", []string{"groups/production"}},
	{"priority", []string{"priority/hosts.ini"}},
	{"folders", []string{"folders/inventory.ini"}},
	{"yaml", []string{"yaml/hosts.yml"}},
	{"yamlfull", []string{"yamlfull/inventory.yaml"}},
	{"merge", []string{"merge/one.ini", "merge/two.yml"}},
	{"merge-reverse", []string{"merge/two.yml", "merge/one.ini"}},
	{"merge-folders", []string{"folders/inventory.ini", "merge/one.ini", "vault/hosts"}},
	{"quotes", []string{"quotes/hosts"}},
	{"addresses", []string{"addresses/hosts"}},
	{"args", []string{"args/hosts"}},
	{"connection", []string{"connection/hosts.ini"}},
	{"vault", []string{"vault/hosts"}},
	{"homonym", []string{"homonym/hosts"}},
	{"vagrant", []string{"vagrant/vagrant_ansible_inventory"}},
	{"cloud", []string{"program/cloud.sh"}},
	{"old", []string{"program/old.sh"}},
	{"cloud-and-groups", []string{"program/cloud.sh", "groups/production"}},
}

const ansibleDir = "testdata/ansible"

func TestAnsibleOracle(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for _, tt := range ansibleCases {
		t.Run(tt.name, func(t *testing.T) {
			var files []layer.File
			for _, name := range tt.files {
				files = append(files, layer.File{Path: filepath.Join(ansibleDir, name), Trust: layer.Named})
			}
			golden := filepath.Join(ansibleDir, tt.name+".json")
			if *update {
				askAnsible(t, golden, files)
			}
			want := readAnswer(t, golden)
			checkVariables(t, files, want)
			inv, err := Load(t.Context(), files)
			if err != nil {
				t.Fatal(err)
			}
			checkMembers(t, inv, want)
			checkGolden(t, filepath.Join(ansibleDir, tt.name+".golden"), describe(inv))
		})
	}
}

// askAnsible writes what ansible-inventory says of files, if it is installed.
func askAnsible(t *testing.T, golden string, files []layer.File) {
	t.Helper()
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Logf("%s stays as it is: %v", golden, err)
		return
	}
	args := []string{"--list"}
	for _, f := range files {
		args = append(args, "-i", f.Path)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+write(t, "ansible.cfg", ""), "ANSIBLE_HOME="+t.TempDir(),
		"ANSIBLE_LOCAL_TEMP="+t.TempDir(), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true", "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	if err := os.WriteFile(golden, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An ansibleAnswer is what ansible-inventory says.
type ansibleAnswer struct {
	vars    map[string]map[string]json.RawMessage
	members map[string][]string
}

func readAnswer(t *testing.T, path string) ansibleAnswer {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type group struct{ Hosts, Children []string }
	var meta struct {
		Meta struct {
			HostVars map[string]map[string]json.RawMessage
		} `json:"_meta"`
	}
	groups := make(map[string]group)
	if err := json.Unmarshal(data, &meta); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatal(err)
	}
	delete(groups, metaKey)
	o := ansibleAnswer{vars: meta.Meta.HostVars, members: make(map[string][]string)}
	var collect func(name string, into map[string]bool)
	collect = func(name string, into map[string]bool) {
		for _, h := range groups[name].Hosts {
			into[h] = true
		}
		for _, child := range groups[name].Children {
			collect(child, into)
		}
	}
	for name := range groups {
		hosts := make(map[string]bool)
		collect(name, hosts)
		o.members[name] = slices.Sorted(maps.Keys(hosts))
	}
	return o
}

// checkVariables compares the variables that mean something to us, host by host.
func checkVariables(t *testing.T, files []layer.File, want ansibleAnswer) {
	t.Helper()
	var problems yamltree.Problems
	l := &loader{builder: newBuilder(&problems)}
	for _, f := range files {
		data, info, err := layer.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.file(t.Context(), f, data, info); err != nil {
			t.Fatal(err)
		}
	}
	vars := l.ansible.resolve()
	for i, h := range l.ansible.hosts {
		for v, name := range variableNames {
			got := "nothing"
			if x := vars[i][v]; x != nil {
				got = fmt.Sprintf("%q null %v %s", x.text, x.null, x.problem)
			}
			expected := "nothing"
			if raw, ok := want.vars[h.name][name]; ok {
				r := programReader{source: &ansibleSource{}}
				x := r.value(raw, "")
				expected = fmt.Sprintf("%q null %v %s", x.text, x.null, x.problem)
			}
			if got != expected {
				t.Errorf("host %s: %s: got %s, and ansible-inventory says %s", h.name, name, got, expected)
			}
		}
	}
}

// checkMembers compares the hosts of each group.
func checkMembers(t *testing.T, inv *Inventory, want ansibleAnswer) {
	t.Helper()
	names := slices.Sorted(slices.Values(inv.hostNames()))
	if !slices.Equal(names, want.members[ansibleAll]) {
		t.Errorf("hosts: got %v, and ansible-inventory says %v", names, want.members[ansibleAll])
	}
	all := make(map[string]bool)
	for _, g := range inv.Groups() {
		all[g] = true
	}
	for g := range want.members {
		all[g] = true
	}
	delete(all, ansibleAll)
	for g := range all {
		var got []string
		for _, i := range inv.members[g] {
			got = append(got, inv.hosts[i].Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want.members[g]) {
			t.Errorf("group %s: got %v, and ansible-inventory says %v", g, got, want.members[g])
		}
	}
}

// describe is an inventory as text.
func describe(inv *Inventory) []byte {
	var b bytes.Buffer
	for _, w := range inv.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	for _, h := range inv.Hosts() {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, strings.Join(h.Groups, ", "))
		for _, s := range h.Settings() {
			fmt.Fprintf(&b, "  %s %s  %s\n", s.Key, s.Value, s.Origin)
		}
		for _, r := range h.Refusals {
			fmt.Fprintf(&b, "  refused: %s  %s\n", r.Reason, r.Origin)
		}
	}
	return b.Bytes()
}

// checkGolden compares got with a file, which -update rewrites.
func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
