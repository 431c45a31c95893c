package layer

import (
	"fmt"

	"tutti/internal/yamltree"
)

// A Layer is the content of one file, or of several that are read as one.
type Layer struct {
	Defaults Values
	Hosts    []Host
	Index    map[string]int // of Hosts, by name
	Groups   []*Group
}

// A Host is what a file says about one host itself.
type Host struct {
	Name   string
	Origin Origin
	Own    Values
}

// A Group is what a file says about one group.
type Group struct {
	Name     string
	Origin   Origin
	Own      Values
	Parallel int // 0: not set
	Hosts    []string
	Children []Reference
	// SameNameAsHost says that a host may have the group's name.
	SameNameAsHost bool
}

// A Reference is a name that refers to something that is described elsewhere.
type Reference struct {
	Name   string
	Origin Origin
}

// New returns an empty layer.
func New() *Layer {
	return &Layer{Index: make(map[string]int)}
}

// AddHost adds a host, or more settings to one that the file has named before.
// Two places that disagree about a setting are an error.
func (l *Layer) AddHost(name string, origin Origin, own Values) error {
	i, ok := l.Index[name]
	if !ok {
		l.Index[name] = len(l.Hosts)
		l.Hosts = append(l.Hosts, Host{Name: name, Origin: origin, Own: own})
		return nil
	}
	h := &l.Hosts[i]
	for _, s := range own {
		if other := h.Own.Find(s.Key); other != nil && other.Text != s.Text {
			return fmt.Errorf("host %s: %s is %q here and %q at %s", name, s.Key, s.Text, other.Text, other.Origin.Place())
		}
	}
	h.Own = h.Own.Over(own)
	return nil
}

// AddEqual is AddHost for lists of words, in which a host that is named twice
// must be named in the same way.
func (l *Layer) AddEqual(name string, origin Origin, own Values) error {
	if i, ok := l.Index[name]; ok && !l.Hosts[i].Own.equal(own) {
		return yamltree.Mistakef("host %s has another name at %s", name, yamltree.Word(l.Hosts[i].Origin.Place()))
	}
	return l.AddHost(name, origin, own)
}

// equal reports whether both have the same values, wherever they come from.
func (s Values) equal(other Values) bool {
	if len(s) != len(other) {
		return false
	}
	for i := range s {
		if o := other.Find(s[i].Key); o == nil || o.Text != s[i].Text {
			return false
		}
	}
	return true
}
