package inventory

import (
	"fmt"

	"tutti/internal/yamltree"
)

// A layer is what one file says.
type layer struct {
	defaults settings
	hosts    []layerHost
	index    map[string]int // of hosts, by name
	groups   []*layerGroup
}

// A layerHost is what a file says of one host itself.
type layerHost struct {
	name   string
	origin Origin
	own    settings
}

// A layerGroup is what a file says of one group.
type layerGroup struct {
	name     string
	origin   Origin
	own      settings
	parallel int // 0: not set
	hosts    []string
	children []reference
	// homonym says that a host may have the group's name.
	homonym bool
}

// A reference is a name that stands somewhere for what is described elsewhere.
type reference struct {
	name   string
	origin Origin
}

func newLayer() *layer {
	return &layer{index: make(map[string]int)}
}

// addHost adds a host, or more settings to one that the file has named before.
// Two places that disagree about a setting are an error.
func (l *layer) addHost(name string, origin Origin, own settings) error {
	i, ok := l.index[name]
	if !ok {
		l.index[name] = len(l.hosts)
		l.hosts = append(l.hosts, layerHost{name: name, origin: origin, own: own})
		return nil
	}
	h := &l.hosts[i]
	for _, s := range own {
		if other := h.own.find(s.key); other != nil && other.text != s.text {
			return fmt.Errorf("host %s: %s is %q here and %q at %s", name, s.key, s.text, other.text, other.origin.place())
		}
	}
	h.own = h.own.over(own)
	return nil
}

// addEqual is addHost for lists of words, in which a host that is named twice
// must be named in the same way.
func (l *layer) addEqual(name string, origin Origin, own settings) error {
	if i, ok := l.index[name]; ok && !l.hosts[i].own.equal(own) {
		return yamltree.Mistakef("host %s is named differently at %s", name, yamltree.Word(l.hosts[i].origin.place()))
	}
	return l.addHost(name, origin, own)
}

// equal reports whether both have the same values, wherever they come from.
func (s settings) equal(other settings) bool {
	if len(s) != len(other) {
		return false
	}
	for i := range s {
		if o := other.find(s[i].key); o == nil || o.text != s[i].text {
			return false
		}
	}
	return true
}

// pos is the origin's position.
func (o Origin) pos() yamltree.Pos {
	return yamltree.Pos{File: o.File, Line: o.Line, Column: o.Column}
}
