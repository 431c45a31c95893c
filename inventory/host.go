package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
)

// A Host is one machine as the inventory has it. It is immutable: what its
// fields refer to is shared between hosts and read-only.
//
// A setting that nothing sets has its field's zero value; [Host.Origin] tells
// that apart from a zero that was written.
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
	HostKeys HostKeys
	// NoExitStatus says that the host never sends the exit status of a command.
	NoExitStatus bool
	// Jump is the hosts to go through, as [ParseJump] reads them. Empty: none.
	Jump string
	// ProxyCommand is the command that connects, with tokens such as %h;
	// [Host.Proxy] replaces them. Empty: none; only Ansible's inventories have one.
	ProxyCommand string
	Labels       map[string]string
	// Groups are the names of all groups the host is in, the nearest first.
	Groups []string
	// Refusals are why the host cannot be used; of most hosts there are none.
	Refusals []Refusal
	// Gates of those groups that have one.
	Gates []fanout.Gate

	// own settings win over those that the host shares with others.
	own    settings
	shared *profile
}

// HostKeys says what to do about a host key that known_hosts does not have.
type HostKeys int

const (
	// Strict refuses an unknown key. It is the zero value.
	Strict HostKeys = iota
	// AcceptNew trusts an unknown key and records it; it refuses a changed one.
	AcceptNew
	// Off trusts any key.
	Off
)

var hostKeysNames = []string{"strict", "accept-new", "off"}

// String is the word that stands in files and flags.
func (k HostKeys) String() string {
	if k < 0 || int(k) >= len(hostKeysNames) {
		return fmt.Sprintf("host_keys(%d)", int(k))
	}
	return hostKeysNames[k]
}

// ParseHostKeys reads what String gives.
func ParseHostKeys(text string) (HostKeys, error) {
	i := slices.Index(hostKeysNames, text)
	if i < 0 {
		return Strict, fmt.Errorf("%q is not one of %s", text, strings.Join(hostKeysNames, ", "))
	}
	return HostKeys(i), nil
}

// The words for exit_status.
const (
	exitStatusSent = "sent"
	exitStatusNone = "none"
)

// A Key names a setting, with the word that stands in the file.
type Key string

// The keys of settings. A label's key is that of [LabelKey].
const (
	KeyAddress        Key = "address"
	KeyPort           Key = "port"
	KeyUser           Key = "user"
	KeyIdentity       Key = "identity"
	KeyConnectTimeout Key = "connect_timeout"
	KeyTimeout        Key = "timeout"
	KeyRetries        Key = "retries"
	KeyHostKeys       Key = "host_keys"
	KeyExitStatus     Key = "exit_status"
	KeyJump           Key = "jump"
	// KeyConnection is set for hosts that are not reached over SSH, all of
	// which are refused.
	KeyConnection Key = "connection"
)

const labelPrefix = "labels."

// LabelKey is the key of the label with the given name.
func LabelKey(name string) Key { return Key(labelPrefix + name) }

// label is the name of the label that k is the key of, if it is one.
func (k Key) label() (string, bool) { return strings.CutPrefix(string(k), labelPrefix) }

// An Origin is where a value comes from.
type Origin struct {
	// File is the path as it was given; empty for hosts from the command line.
	File string
	// Line and Column count from 1, the column in characters; without a File
	// the column is that in the command line's word list. What a program says
	// has neither.
	Line, Column int
	// Via is what gave the value: "host web[01-20].fra", "group web",
	// "defaults".
	Via string
}

// String is file:line:column (via).
func (o Origin) String() string {
	if o.File == "" {
		return o.Via
	}
	return fmt.Sprintf("%s (%s)", o.place(), o.Via)
}

// text is String for a place inside parentheses.
func (o Origin) text() string {
	if o.File == "" {
		return o.Via
	}
	return o.place() + ", " + o.Via
}

// place is the position without what stands there.
func (o Origin) place() string {
	if o.File == "" {
		return fmt.Sprintf("column %d", o.Column)
	}
	return o.pos().String()
}

// A Setting is a value that a host has, as text, and where it comes from.
type Setting struct {
	Key    Key
	Value  string
	Origin Origin
}

// Origin is where the host's value for key comes from, and whether it has one.
func (h *Host) Origin(key Key) (Origin, bool) {
	if s := h.own.find(key); s != nil {
		return s.origin, true
	}
	if s := h.inherited().find(key); s != nil {
		return s.origin, true
	}
	return Origin{}, false
}

// Settings returns everything that is set for the host, labels included, sorted
// by key.
func (h *Host) Settings() []Setting {
	var list []Setting
	for _, s := range h.own {
		list = append(list, s.setting())
	}
	for _, s := range h.inherited() {
		if h.own.find(s.key) == nil {
			list = append(list, s.setting())
		}
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return list
}

// inherited settings are those of groups and defaults.
func (h *Host) inherited() settings {
	if h.shared == nil {
		return nil
	}
	return h.shared.settings
}
