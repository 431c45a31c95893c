package ansible

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// A variable is one that tutti uses. All others are left to Ansible.
type variable int

const (
	varHost variable = iota
	varSSHHost
	varPort
	varSSHPort
	varUser
	varSSHUser
	varKeyFile
	varSSHKeyFile
	varConnection
	varSSHArgs
	varSSHCommonArgs
	varSSHExtraArgs
	numVariables
)

var variableNames = [numVariables]string{
	"ansible_host", "ansible_ssh_host",
	"ansible_port", "ansible_ssh_port",
	"ansible_user", "ansible_ssh_user",
	"ansible_private_key_file", "ansible_ssh_private_key_file",
	"ansible_connection",
	"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args",
}

// priorityVariable orders groups; it is no variable of theirs.
const priorityVariable = "ansible_group_priority"

func variableNamed(name string) (variable, bool) {
	if !strings.HasPrefix(name, "ansible_") {
		return 0, false
	}
	i := slices.Index(variableNames[:], name)
	return variable(i), i >= 0
}

// A value is the value of a variable. It is immutable.
type value struct {
	variable variable
	text     string
	// null is a value that removes an inherited one.
	null bool
	// problem is why the value cannot be used; mostly empty.
	problem string
	origin  layer.Origin
	source  *source
}

// values are the values that there are, by variable.
type values [numVariables]*value

// set stores a value if tutti uses the variable.
func (vars *values) set(name string, v *value) {
	if i, ok := variableNamed(name); ok {
		v.variable = i
		vars[i] = v
	}
}

// update overrides vars with the values in later.
func (vars *values) update(later *values) {
	for i, v := range later {
		if v != nil {
			vars[i] = v
		}
	}
}

// last is the last of the variables that has a value, nil if none has: of two names for
// one setting Ansible uses the second.
func (vars *values) last(list ...variable) *value {
	for _, i := range slices.Backward(list) {
		if v := vars[i]; v != nil && !v.null && (v.text != "" || v.problem != "") {
			return v
		}
	}
	return nil
}

// settings are the settings that a host's variables make.
func (a *Inventory) settings(vars *values) layer.Values {
	var own layer.Values
	add := func(key layer.Key, v *value) {
		if v != nil {
			own = append(own, v.setting(key))
		}
	}
	add(layer.KeyAddress, vars.last(varHost, varSSHHost))
	add(layer.KeyPort, vars.last(varPort, varSSHPort))
	add(layer.KeyUser, vars.last(varUser, varSSHUser))
	add(layer.KeyIdentity, vars.last(varKeyFile, varSSHKeyFile))
	if v := vars.last(varConnection); v != nil && !overSSH(v.text) {
		add(layer.KeyConnection, v)
	}
	args := sshArgs{inventory: a}
	for _, i := range []variable{varSSHArgs, varSSHCommonArgs, varSSHExtraArgs} {
		if v := vars.last(i); v != nil {
			args.add(v)
		}
	}
	return own.Over(args.list)
}

// overSSH reports whether a connection plugin of Ansible's is SSH.
func overSSH(plugin string) bool {
	name := strings.TrimPrefix(plugin, "ansible.builtin.")
	return slices.Contains([]string{"ssh", "smart", "paramiko", "paramiko_ssh"}, name)
}

// setting is the value as a tutti setting. A mistake in it makes the hosts that have
// it unusable, not the inventory: Ansible's inventories hold much that is not meant
// for tutti.
func (v *value) setting(key layer.Key) layer.Value {
	s, err := v.parse(key)
	s.Key, s.Origin = key, v.origin
	if err != nil {
		s.Text, s.Unusable = v.text, fmt.Sprintf("%s: %v", variableNames[v.variable], err)
	}
	return s
}

func (v *value) parse(key layer.Key) (layer.Value, error) {
	if err := v.usable(); err != nil {
		return layer.Value{}, err
	}
	switch key {
	case layer.KeyConnection:
		return layer.Value{}, fmt.Errorf("connection %q: tutti supports only ssh", v.text)
	case layer.KeyIdentity:
		path, err := layer.IdentityPath(v.text, v.source.dir)
		return layer.Value{Text: path, List: []string{path}}, err
	}
	return layer.ParseValue(key, v.text)
}

// usable returns why the value cannot be used, or nil.
func (v *value) usable() error {
	if v.problem != "" {
		return fmt.Errorf("the value %s", v.problem)
	}
	for _, mark := range []string{"{{", "{%", "{#"} {
		if strings.Contains(v.text, mark) {
			return fmt.Errorf("%s is a template, which only Ansible can expand", hostlist.Quote(v.text))
		}
	}
	return nil
}

// parseSigned reads a whole number.
func parseSigned(text string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil
}
