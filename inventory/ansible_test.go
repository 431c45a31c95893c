package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

// loadAs loads one text as a file with the given name.
func loadAs(t *testing.T, name, text string) (*Inventory, error) {
	t.Helper()
	return Load(t.Context(), []layer.File{{Path: write(t, name, text), Trust: layer.Named}})
}

func TestINIErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no variable", "[web]\nweb1 port\n", `hosts.ini:2:6: want VARIABLE=VALUE; a value with spaces needs quotes`},
		{"open quote", "web1 a='b\n", "hosts.ini:1:8: the quote ' is not closed"},
		{"kind of section", "[web:hosst]\n", "hosts.ini:1:6: invalid section [web:hosst]: want"},
		{"heading", "[web servers]\nx y\n", `hosts.ini:1:1: invalid section heading "[web servers]"`},
		{"heading that does not end", " [web\n", `hosts.ini:1:2: invalid section heading "[web"`},
		{"heading with a comment of another kind", "[web] ; x\n", `invalid section heading`},
		{"vars without =", "[web]\n[web:vars]\nx\n", `hosts.ini:3:1: [web:vars]: want VARIABLE=VALUE`},
		{"vars of nothing", "[web]\n[wbe:vars]\nx=1\n", `hosts.ini:2:1: [wbe:vars]: no group "wbe"; did you mean web?`},
		{"child that is nothing", "[web]\n[all:children]\nwebb\n", `hosts.ini:3:1: [all:children]: no group "webb"; did you mean web?`},
		{"child with variables", "[web:children]\na b=c\n", `hosts.ini:2:1: [web:children]: want the name of a group`},
		{"circle", "[a:children]\nb\n[b:children]\na\n", "hosts.ini:4:1: groups form a cycle: a > b > a"},
		{"itself", "[a:children]\na\n", "hosts.ini:2:1: groups form a cycle: a > a"},
		{"all in a group", "[a:children]\nall\n", "hosts.ini:2:1: group a: all contains every group"},
		{"shell in a name", "web1;reboot\n", `hosts.ini:1:5: ';' is not allowed in the name "web1;reboot"`},
		{"path in a name", "../../etc/passwd\n", `hosts.ini:1:3: '/' is not allowed in the name`},
		{"option for a name", "-oProxyCommand=x\n", `hosts.ini:1:1: the name "-oProxyCommand=x" begins with a dash`},
		{"command in a name", "$(id) ansible_port=22\n", `hosts.ini:1:1: '$' is not allowed in the name`},
		{"all for a name", "all\n", `the name "all" is reserved`},
		{"path in a group", "[../x]\n", `hosts.ini:1:4: group: '/' is not allowed in the name`},
		{"range", "ok\nweb[1-3]\n", `hosts.ini:2:5: "1-3": want an Ansible range`},
		{"too many", "a[0:999999]\nb[0:999999]\n", `hosts.ini:2:1: the inventory has more than 1000000 hosts`},
		{"control", "web\x00\n", "hosts.ini:1:4:"},
		{"YAML", "---\nweb:\n", `hosts.ini:1:1: the name "---" begins with a dash`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The heading shows whose file it is, so that it may be quoted.
			text := strings.TrimSuffix(tt.text, "\n") + "\n[all:vars]\n"
			if _, err := loadAs(t, "hosts.ini", text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestAnsibleYAMLErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"group", "all: [a]\n", "h.yml:1:6: group all: want a mapping with hosts, vars or children, got a list"},
		{"list of hosts", "web:\n  hosts: [a]\n", "h.yml:2:10: group web: hosts: want a mapping, got a list"},
		{"host", "web:\n  hosts: {a: 22}\n", "h.yml:2:14: host a: want a mapping from variables to values"},
		{"vars", "web:\n  vars: [a]\n", "h.yml:2:9: group web: vars: want a mapping"},
		{"plugin", "plugin: amazon.aws.aws_ec2\nregions: [eu]\n", "h.yml:1:1: this configures an Ansible inventory plugin"},
		{"name", "web:\n  hosts:\n    'a b':\n", `h.yml:3:5: ' ' is not allowed in the name "a b"`},
		{"name of a group", "all:\n  children:\n    'a/b':\n", `h.yml:3:5: group: '/' is not allowed in the name`},
		{"circle", "a: {children: {b: {children: {a: }}}}\n", "groups form a cycle"},
		{"all within", "a: {children: {all: }}\n", "all contains every group"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := loadAs(t, "h.yml", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	inv, err := loadAs(t, "h.yml", "web:\n  host: {a: }\n  hosts: b\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(inv.Warnings, "\n"); !strings.Contains(got, `h.yml:2:3: group web: unknown key "host"; did you mean "hosts"?`) {
		t.Errorf("a key without a meaning: got warnings %q", got)
	}
}

func TestRefused(t *testing.T) {
	inv, err := loadAs(t, "hosts", "[lab]\nl[1:3] ansible_connection=local\nweb1\n[tpl]\nt1 ansible_host={{x}}\n")
	if err != nil {
		t.Fatal(err)
	}
	sel := func(text string, opts SelectOptions) error {
		s, err := ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = inv.Select(t.Context(), s, opts)
		return err
	}
	var refused *UnusableError
	if err := sel("all", SelectOptions{}); !errors.As(err, &refused) || len(refused.Hosts) != 4 {
		t.Fatalf("all: got %v, want four refused hosts", err)
	}
	got := refused.Error()
	for _, want := range []string{`hosts l[1-3]: ansible_connection: connection "local": tutti supports only ssh`, "hosts:2:8, host l[1:3])", "\nhost t1: ansible_host: \"{{x}}\" is a template", "hosts:5:4, host t1)"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
	if code, args := refused.Advice(); code != AdviceUnusable || len(args) != 1 || args[0] != "l[1-3],t1" {
		t.Errorf("advice: got %q %q, want %q with the hosts to leave out", code, args, AdviceUnusable)
	}
	for _, ok := range []string{"web1", "all,!l*,!tpl"} {
		if err := sel(ok, SelectOptions{}); err != nil {
			t.Errorf("%s: got %v, want no error", ok, err)
		}
	}
	if err := sel("all", SelectOptions{Unusable: true}); err != nil {
		t.Errorf("who only looks: got %v, want no error", err)
	}
}

func TestHomonymSelectsGroup(t *testing.T) {
	inv, err := loadAs(t, "hosts", "[web]\nweb1\n[db]\nweb\n")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSelector("web")
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := inv.Select(t.Context(), s, SelectOptions{})
	if err != nil || len(chosen.Hosts) != 1 || chosen.Hosts[0].Name != "web1" {
		t.Errorf("got %v, %v, want the host of the group", chosen.Hosts, err)
	}
	if len(inv.Warnings) != 1 || !strings.Contains(inv.Warnings[0], `hosts:1:1: "web" is a group here and a host at `) {
		t.Errorf("warnings: got %q", inv.Warnings)
	}
}

// TestAnsibleBesideOurs: our own files win over Ansible's, and lose to them, by
// their order.
func TestAnsibleBesideOurs(t *testing.T) {
	ini := layer.File{Path: write(t, "hosts.ini", "[web]\nweb1 ansible_port=x\nweb2\n[web:vars]\nansible_user=theirs\n"), Trust: layer.Named}
	ours := layer.File{Path: write(t, "hosts.yaml", "groups: {web: {hosts: [web1, web3], parallel: 1}}\nhosts: {web1: {user: ours, port: 22}}\n"), Trust: layer.Named}
	for _, tt := range []struct {
		name    string
		files   []layer.File
		user    string
		refused int
	}{{"ours last", []layer.File{ini, ours}, "ours", 0}, {"theirs last", []layer.File{ours, ini}, "theirs", 1}} {
		inv, err := Load(t.Context(), tt.files)
		if err != nil {
			t.Fatal(err)
		}
		h := host(t, inv, "web1")
		if h.User != tt.user || len(h.Unusable) != tt.refused || len(h.Gates) != 1 {
			t.Errorf("%s: got %+v, want user %s, %d refusals and a gate", tt.name, h, tt.user, tt.refused)
		}
		if got := hostlist.Fold(inv.hostNames()); got != "web[1-3]" {
			t.Errorf("%s: got %s, want web[1-3]", tt.name, got)
		}
	}
}

// TestAnsibleTrust: a file that was found, not named, must belong to the user, in every
// file that it leads to, and cannot switch checks off.
func TestAnsibleTrust(t *testing.T) {
	path := write(t, "hosts.yaml", "all: {hosts: {a: {ansible_ssh_common_args: '-o StrictHostKeyChecking=no'}}}\n")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Found}})
	if err != nil {
		t.Fatal(err)
	}
	if h := host(t, inv, "a"); h.HostKeys != hostkeys.Strict || len(inv.Warnings) != 1 {
		t.Errorf("got %v and warnings %q, want strict and one", h.HostKeys, inv.Warnings)
	}
	vars := filepath.Join(filepath.Dir(path), "group_vars")
	if err := os.Mkdir(vars, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(vars, "all")
	if err := os.WriteFile(file, []byte("ansible_user: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Found}}); err == nil || !strings.Contains(err.Error(), "others can write it") {
		t.Errorf("variables that others can write: got %v, want a refusal", err)
	}
	if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}}); err != nil {
		t.Errorf("the same in a file that was named: got %v", err)
	}
}

func TestAnsibleFolderErrors(t *testing.T) {
	path := write(t, "hosts.ini", "[web]\na\n")
	dir := filepath.Dir(path)
	for _, d := range []string{"group_vars", "host_vars"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"group_vars/web.yml": "a: [",
		"group_vars/all":     "- a\n",
		"host_vars/a":        "$ANSIBLE_VAULT;1.1;AES256\n3333\n",
		"host_vars/other":    "x: [",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	var errs *yamltree.Errors
	if !errors.As(err, &errs) || len(errs.List) != 2 {
		t.Fatalf("got %v, want two errors", err)
	}
	got := err.Error()
	for _, want := range []string{"group_vars/web.yml:2:1: ", "group_vars/all:1:1: group all: want a mapping from variables to values, got a list"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
}

func TestIdentityIsRelativeToInventory(t *testing.T) {
	path := write(t, "hosts", "a ansible_ssh_private_key_file=keys/id ansible_ssh_common_args='-i k2'\nb ansible_ssh_common_args='-i k2'\n")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if got, want := host(t, inv, "a").Identity, []string{filepath.Join(dir, "keys/id")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := host(t, inv, "b").Identity, []string{filepath.Join(dir, "k2")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzINI(f *testing.F) {
	for _, s := range []string{
		"a\n[web]\nweb[01:20] ansible_user='x y' # c\n[web:vars]\nansible_port = 22 # c\n[all:children]\nweb\n",
		"[a:children]\nb\n[b]\nb\n[b:vars]\nansible_group_priority=3\nansible_user='\\xe9' \"b\"\n",
		"[::1]:22 ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p g\" -Jx -oPort=1'\n", "[", "a'\n", "x[a:z:3]:1\n[x]\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := parseText(func(f layer.File, b *builder) (*layer.Layer, error) {
			a := ansible.New(&b.Tally)
			if err := a.ReadINI(f, text); err != nil {
				return nil, err
			}
			return a.Layer()
		})
		checkLoaded(t, inv, err)
	})
}

func FuzzAnsibleYAML(f *testing.F) {
	for _, s := range []string{
		"all: {hosts: {a: {ansible_port: 22}}, children: {web: {hosts: {'w[1:3]:22': }}}, vars: {ansible_user: !vault x}}",
		"x: {hosts: &h {a: }}\ny: {hosts: {<<: *h, b: }}", "web: {hosts: a}", "plugin: x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := parseText(func(f layer.File, b *builder) (*layer.Layer, error) {
			root, err := yamltree.ParseLoose(f.Path, []byte(text))
			if err != nil {
				return nil, err
			}
			a := ansible.New(&b.Tally)
			if err := a.ReadYAML(f, root); err != nil {
				return nil, err
			}
			return a.Layer()
		})
		checkLoaded(t, inv, err)
	})
}

// TestProxyCommands: what does no more than go through a host is a jump, and the
// rest is a command that is run.
func TestProxyCommands(t *testing.T) {
	for command, want := range map[string]string{
		"ssh -W %h:%p bastion":                                       "jump bastion",
		"ssh -W %h:%p -q bastion":                                    "jump bastion",
		"ssh -A -q -W %h:%p -l ops -p 2222 bastion":                  "jump ops@bastion:2222",
		"ssh ops@bastion -W %h:%p":                                   "jump ops@bastion",
		"/usr/bin/ssh -o User=ops -o Port=2222 bastion -W [%h]:%p":   "jump ops@bastion:2222",
		"ssh -o 'ConnectTimeout=5' -oBatchMode=yes -W %h:%p bastion": "jump bastion",
		"exec ssh -W %h:%p -o StrictHostKeyChecking=yes bastion":     "jump bastion",
		"none": "jump ",
		"ssh -W %h:%p -i ~/k -o StrictHostKeyChecking=no bastion": "command ssh -W 10.0.0.1:2222 -i ~/k -o StrictHostKeyChecking=no bastion",
		"ssh -o UserKnownHostsFile=/dev/null -W %h:%p bastion":    "command ssh -o UserKnownHostsFile=/dev/null -W 10.0.0.1:2222 bastion",
		"ssh -o ProxyJump=a -W %h:%p b":                           "command ssh -o ProxyJump=a -W 10.0.0.1:2222 b",
		"ssh bastion nc %h %p":                                    "command ssh bastion nc 10.0.0.1 2222",
		"cloud connect %n --as %r --rate 50%%":                    "command cloud connect web1 --as me --rate 50%",
		"connect %z":                                              "refused",
	} {
		for _, form := range []string{`-o ProxyCommand="%s"`, `-o "ProxyCommand %s"`, `-C -oProxyCommand="%s" -q`} {
			args := strings.Replace(form, "%s", command, 1)
			text := "web1 ansible_host=10.0.0.1 ansible_ssh_common_args=" + strconv.Quote(args) + "\n"
			inv, err := loadAs(t, "hosts.ini", text)
			if err != nil {
				t.Fatal(err)
			}
			h := host(t, inv, "web1")
			got := "jump " + h.Jump
			switch {
			case len(h.Unusable) > 0:
				got = "refused"
			case h.ProxyCommand != "":
				got = "command " + h.Proxy(ansible.ProxyTarget{Name: "web1", Address: h.Address, Port: 2222, User: "me"})
			}
			if got != want {
				t.Errorf("%s: got %s %v, want %s", args, got, h.Unusable, want)
			}
		}
	}
	path := write(t, "hosts.ini", "web1 ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'\n")
	inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.FromEnvironment}})
	if err != nil {
		t.Fatal(err)
	}
	if h := host(t, inv, "web1"); h.ProxyCommand != "" || len(h.Unusable) != 1 {
		t.Errorf("a file that was found: got command %q and refusals %v, want a refusal", h.ProxyCommand, h.Unusable)
	}
}
