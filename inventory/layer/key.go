package layer

import (
	"fmt"
	"strings"

	"tutti/internal/yamltree"
)

// The words for exit_status.
const (
	exitStatusSent = "sent"
	// ExitStatusNone is for hosts that send none.
	ExitStatusNone = "none"
)

// A Key names a setting, with the word that stands in the file.
type Key string

// The keys of settings. A label's key is that of [LabelKey], a variable's that of [EnvKey].
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
	// KeyConnection is set for hosts that are not reached over SSH; all of these are
	// unusable.
	KeyConnection Key = "connection"
)

const (
	labelPrefix = "labels."
	envPrefix   = "env."
)

// LabelKey is the key of the label with the given name.
func LabelKey(name string) Key { return Key(labelPrefix + name) }

// Label is the name of the label that k is the key of, if it is one.
func (k Key) Label() (string, bool) { return strings.CutPrefix(string(k), labelPrefix) }

// EnvKey is the key of the environment variable with the given name.
func EnvKey(name string) Key { return Key(envPrefix + name) }

// Env is the name of the environment variable that k is the key of, if it is one.
func (k Key) Env() (string, bool) { return strings.CutPrefix(string(k), envPrefix) }

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
	return fmt.Sprintf("%s (%s)", o.Place(), o.Via)
}

// Inline is String for a place inside parentheses.
func (o Origin) Inline() string {
	if o.File == "" {
		return o.Via
	}
	return o.Place() + ", " + o.Via
}

// Place is the position without Via.
func (o Origin) Place() string {
	if o.File == "" {
		return fmt.Sprintf("column %d", o.Column)
	}
	return o.Pos().String()
}

// A Setting is a value that a host has, as text, and where it comes from.
type Setting struct {
	Key    Key
	Value  string
	Origin Origin
}

// Pos is the origin's position.
func (o Origin) Pos() yamltree.Pos {
	return yamltree.Pos{File: o.File, Line: o.Line, Column: o.Column}
}
