package inventory

import (
	"slices"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

// A Host is one machine as the inventory has it. It is immutable: what its
// fields refer to is shared between hosts and read-only.
//
// A setting that is not set has its field's zero value; [Host.Origin] distinguishes
// that from a zero that was written.
type Host struct {
	// Name is unique in its inventory.
	Name string
	// Address is the name or IP address to connect to, without brackets.
	// Empty: the Name.
	Address string
	// Port is 1 to 65535. 0: not set.
	Port int
	User string
	// Identity holds the absolute paths of private key files, in the order in
	// which they are tried.
	Identity []string
	// ConnectTimeout and Timeout are per attempt. 0: no bound, or not set.
	ConnectTimeout time.Duration
	Timeout        time.Duration
	// Retries is how many attempts may follow the first.
	Retries  int
	HostKeys hostkeys.Mode
	// NoExitStatus says that the host never sends the exit status of a command.
	NoExitStatus bool
	// Jump is the list of jump hosts, as [ParseJump] reads it. Empty: none.
	Jump string
	// ProxyCommand is the command that connects, with tokens such as %h;
	// [Host.Proxy] replaces them. Empty: none; only Ansible's inventories have one.
	ProxyCommand string
	Labels       map[string]string
	// Env are the environment variables of every command on the host, by name.
	Env map[string]string
	// Groups are the names of all groups the host is in, the nearest first.
	Groups []string
	// Unusable are the reasons why the host cannot be used; none for most hosts.
	Unusable []Unusable
	// Gates of those groups that have one.
	Gates []fanout.Gate

	// own settings win over those that the host shares with others.
	own    layer.Values
	shared *profile
}

// Origin is where the host's value for key comes from, and whether it has one.
func (h *Host) Origin(key layer.Key) (layer.Origin, bool) {
	if s := h.own.Find(key); s != nil {
		return s.Origin, true
	}
	if s := h.inherited().Find(key); s != nil {
		return s.Origin, true
	}
	return layer.Origin{}, false
}

// Settings returns everything that is set for the host, labels included, sorted
// by key.
func (h *Host) Settings() []layer.Setting {
	var list []layer.Setting
	for _, s := range h.own {
		list = append(list, s.Setting())
	}
	for _, s := range h.inherited() {
		if h.own.Find(s.Key) == nil {
			list = append(list, s.Setting())
		}
	}
	slices.SortFunc(list, func(a, b layer.Setting) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return list
}

// inherited settings are those of groups and defaults.
func (h *Host) inherited() layer.Values {
	if h.shared == nil {
		return nil
	}
	return h.shared.settings
}

// Proxy is the host's proxy command for a connection; empty if there is none.
func (h *Host) Proxy(to ansible.ProxyTarget) string {
	command, _ := ansible.ExpandProxy(h.ProxyCommand, to) // it was tried when it was read
	return command
}
