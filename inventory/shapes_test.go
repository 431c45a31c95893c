package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tutti/inventory/layer"
)

// TestShapesOfYAML: what people write without having read the manual either has
// its one natural meaning, or is refused with the way out.
func TestShapesOfYAML(t *testing.T) {
	inv := load(t, `
defaults: &base {user: deploy, port: 22}
hosts:
  db1: 10.0.0.1
  "web[1-2]": "10.0.1.[1-2]"
  v6: "2001:db8::1"
  m1: &m {labels: {dc: fra}, port: 2222}
  m2: {<<: *m, port: 23}
  m3: {<<: [*m, *base]}
groups:
  web: ["web[1-2]"]
  one: db1
`)
	for name, want := range map[string]string{"db1": "10.0.0.1", "web2": "10.0.1.2", "v6": "2001:db8::1"} {
		if h := host(t, inv, name); h.Address != want {
			t.Errorf("%s: address %q, want %q", name, h.Address, want)
		}
	}
	if h := host(t, inv, "m2"); h.Port != 23 || h.Labels["dc"] != "fra" {
		t.Errorf("m2: got port %d and labels %v, want its own port and the merged label", h.Port, h.Labels)
	}
	if h := host(t, inv, "m3"); h.Port != 2222 || h.User != "deploy" {
		t.Errorf("m3: got port %d and user %q, want those of the first and of the second", h.Port, h.User)
	}
	for selector, want := range map[string]string{"web": "web1 web2", "one": "db1"} {
		if got, _, err := selectHosts(t, inv, selector, SelectOptions{}); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", selector, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"web: [a, b]\n":              `hosts.yaml:1:1: this is not an inventory: want one of the keys defaults, hosts, groups at the beginning of a line; put hosts and their settings under "hosts:", groups under "groups:"`,
		"SECRET: 10.0.0.1\n":         "hosts.yaml:1:1: this is not an inventory",
		"jobs: {}\n":                 "this is a jobs file, not an inventory",
		"hsots: {a: }\n":             `unknown key "hsots"; did you mean "hosts"?`,
		"hosts: {a: 10.0.0.1:22}\n":  "set the port separately",
		"groups: {a: [b], b: [c]}\n": `put a group in a group under "groups"`,
		"hosts: {a: {<<: 3}}\n":      "<<: want a mapping",
	} {
		_, err := loadAs(t, "hosts.yaml", text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestListBesideVariables: Ansible reads a list of bare names, and the variables
// that lie next to it.
func TestListBesideVariables(t *testing.T) {
	for name, text := range map[string]string{"hosts": "web1\nweb2\n", "hosts.list": "web1\n# x\nweb2\n", "production": "[2024]\nweb1\nweb2\n"} {
		dir := t.TempDir()
		writeAt(t, filepath.Join(dir, name), text)
		writeAt(t, filepath.Join(dir, "group_vars", "all.yml"), "ansible_user: deploy\n")
		writeAt(t, filepath.Join(dir, "host_vars", "web2"), "ansible_port: 2222\n")
		inv, err := Load(t.Context(), []layer.File{{Path: filepath.Join(dir, name), Trust: layer.Named}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h := host(t, inv, "web2"); h.User != "deploy" || h.Port != 2222 || len(inv.Warnings) > 0 {
			t.Errorf("%s: got user %q, port %d, warnings %q, want those of the directories", name, h.User, h.Port, inv.Warnings)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	writeAt(t, path, "root@web1\nweb[2-3]\n")
	writeAt(t, filepath.Join(dir, "group_vars", "all.yml"), "ansible_user: deploy\n")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil || len(inv.Hosts()) != 3 || len(inv.Warnings) != 1 || !strings.Contains(inv.Warnings[0], "are ignored") {
		t.Errorf("a plain list: got %v, %v, want three hosts and a warning", inv, err)
	}
}

func writeAt(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
