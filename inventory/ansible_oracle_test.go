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

	"tutti/inventory/layer"
)

// ansibleDir holds inventories as people have them. Each line of its file cases is
// the name of a case and the files of its inventory, one on top of the other. What
// Ansible itself makes of them stands in NAME.json, as printed by
// `ansible-inventory --list`, and what tutti makes of them in NAME.golden. Where
// ansible-inventory is installed, -update asks it again.
const ansibleDir = "testdata/ansible"

func TestAnsibleOracle(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	cases, err := os.ReadFile(filepath.Join(ansibleDir, "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(cases)) {
		words := strings.Fields(line)
		t.Run(words[0], func(t *testing.T) {
			var files []layer.File
			for _, name := range words[1:] {
				files = append(files, layer.File{Path: filepath.Join(ansibleDir, name), Trust: layer.Named})
			}
			golden := filepath.Join(ansibleDir, words[0]+".json")
			if *update {
				askAnsible(t, golden, files)
			}
			want := readAnswer(t, golden)
			inv, err := Load(t.Context(), files)
			if err != nil {
				t.Fatal(err)
			}
			checkMembers(t, inv, want)
			checkGolden(t, filepath.Join(ansibleDir, words[0]+".golden"), describe(inv))
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

// An ansibleAnswer is what ansible-inventory says of groups: the hosts of each.
type ansibleAnswer struct{ members map[string][]string }

func readAnswer(t *testing.T, path string) ansibleAnswer {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type group struct{ Hosts, Children []string }
	groups := make(map[string]group)
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatal(err)
	}
	delete(groups, "_meta")
	o := ansibleAnswer{members: make(map[string][]string)}
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

// checkMembers compares the hosts of each group.
func checkMembers(t *testing.T, inv *Inventory, want ansibleAnswer) {
	t.Helper()
	names := slices.Sorted(slices.Values(inv.hostNames()))
	if !slices.Equal(names, want.members["all"]) {
		t.Errorf("hosts: got %v, and ansible-inventory says %v", names, want.members["all"])
	}
	all := make(map[string]bool)
	for _, g := range inv.Groups() {
		all[g] = true
	}
	for g := range want.members {
		all[g] = true
	}
	delete(all, "all")
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
		for _, r := range h.Unusable {
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
