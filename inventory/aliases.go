package inventory

import (
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

// The types of an inventory, for its users.
type (
	// A File is an inventory file that is to be loaded.
	File = layer.File
	// Trust says how far an inventory file is trusted.
	Trust = layer.Trust
	// A Key names a setting, with the word that stands in the file.
	Key = layer.Key
	// A Setting is a value that a host has, as text, and where it comes from.
	Setting = layer.Setting
	// An Origin is where a value comes from.
	Origin = layer.Origin
	// A Hop is a host on the way to another.
	Hop = layer.Hop
	// A ProxyTarget is the host that a proxy command is to connect to.
	ProxyTarget = ansible.ProxyTarget
)

// How a file came to be used; see [layer.Trust].
const (
	Found           = layer.Found
	FromEnvironment = layer.FromEnvironment
	Named           = layer.Named
)

// The keys of settings; see [layer.Key].
const (
	KeyAddress        = layer.KeyAddress
	KeyIdentity       = layer.KeyIdentity
	KeyConnectTimeout = layer.KeyConnectTimeout
	KeyTimeout        = layer.KeyTimeout
	KeyRetries        = layer.KeyRetries
	KeyHostKeys       = layer.KeyHostKeys
	KeyJump           = layer.KeyJump
)

// MaxJumps is how many hosts may be on the way to another.
const MaxJumps = layer.MaxJumps

// LabelKey is the key of the label with the given name.
func LabelKey(name string) Key { return layer.LabelKey(name) }

// ParseJump parses a list of jump hosts; see [layer.ParseJump].
func ParseJump(text string) ([]Hop, error) { return layer.ParseJump(text) }

// CheckUser returns why text cannot be a login name, or nil.
func CheckUser(text string) error { return layer.CheckUser(text) }
