package inventory

import (
	"fmt"
	"slices"
	"strings"

	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// A builder merges layers and computes the settings of each host.
type builder struct {
	problems *yamltree.Problems
	layer.Tally

	hosts      []*hostDraft
	hostIndex  map[string]int
	groups     []*groupDraft
	groupIndex map[string]int
	defaults   []layer.Values // of each layer
}

// A hostDraft is a host in all layers.
type hostDraft struct {
	name   string
	origin layer.Origin
	own    layer.Values
	groups []int // that name it
	layers []int // that name it
}

// A groupDraft is a group in all layers.
type groupDraft struct {
	name           string
	origin         layer.Origin
	own            layer.Values
	parallel       int
	children       []layer.Reference
	parents        []int
	sameNameAsHost bool // a host may have the group's name
}

func newBuilder(problems *yamltree.Problems) *builder {
	return &builder{problems: problems, hostIndex: make(map[string]int), groupIndex: make(map[string]int)}
}

// add puts a layer over those before it.
func (b *builder) add(l *layer.Layer) {
	number := len(b.defaults)
	b.defaults = append(b.defaults, l.Defaults)
	for _, lh := range l.Hosts {
		h := b.host(lh.Name, lh.Origin)
		h.own = lh.Own.Over(h.own)
		h.layers = append(h.layers, number)
	}
	for _, lg := range l.Groups {
		i := b.group(lg)
		g := b.groups[i]
		g.own = lg.Own.Over(g.own)
		g.children = append(g.children, lg.Children...)
		g.sameNameAsHost = lg.SameNameAsHost
		if lg.Parallel > 0 {
			g.parallel = lg.Parallel
		}
		for _, name := range lg.Hosts {
			h := b.hosts[b.hostIndex[name]]
			if !slices.Contains(h.groups, i) {
				h.groups = append(h.groups, i)
			}
		}
	}
}

func (b *builder) host(name string, origin layer.Origin) *hostDraft {
	i, ok := b.hostIndex[name]
	if !ok {
		i = len(b.hosts)
		b.hostIndex[name] = i
		b.hosts = append(b.hosts, &hostDraft{name: name, origin: origin})
	}
	return b.hosts[i]
}

func (b *builder) group(lg *layer.Group) int {
	i, ok := b.groupIndex[lg.Name]
	if !ok {
		i = len(b.groups)
		b.groupIndex[lg.Name] = i
		b.groups = append(b.groups, &groupDraft{name: lg.Name, origin: lg.Origin})
	}
	return i
}

// build makes the checks that need all layers, and the inventory.
func (b *builder) build() (*Inventory, error) {
	b.checkNames()
	b.link()
	b.checkCycles()
	if err := b.problems.Err(); err != nil {
		return nil, err
	}
	inv := &Inventory{
		Warnings: b.Warnings,
		hosts:    make([]*Host, len(b.hosts)),
		byName:   b.hostIndex,
		members:  make(map[string][]int, len(b.groups)),
		defaults: b.defaults,
	}
	for _, g := range b.groups {
		inv.groups = append(inv.groups, g.name)
		inv.members[g.name] = nil
	}
	r := resolver{b: b, profiles: make(map[string]*profile)}
	hosts := make([]Host, len(b.hosts))
	for i, draft := range b.hosts {
		r.host(draft, &hosts[i])
		inv.hosts[i] = &hosts[i]
		for _, group := range hosts[i].Groups {
			inv.members[group] = append(inv.members[group], i)
		}
	}
	b.warnOfNames(inv)
	return inv, nil
}

// checkNames refuses names of both a host and a group, unless the layer allows them.
func (b *builder) checkNames() {
	for _, g := range b.groups {
		if i, ok := b.hostIndex[g.name]; ok && !g.sameNameAsHost {
			b.problems.Addf(b.hosts[i].origin.Pos(), "%q is a host here and a group at %s; "+
				`put a group in a group under "groups"`, g.name, g.origin.Place())
		}
	}
}

// warnOfNames warns of groups with the name of a host, unless that host is the only one
// in the group.
func (b *builder) warnOfNames(inv *Inventory) {
	for _, g := range b.groups {
		i, ok := b.hostIndex[g.name]
		if members := inv.members[g.name]; ok && (len(members) != 1 || members[0] != i) {
			inv.Warnings = append(inv.Warnings, fmt.Sprintf("%s: %q is a group here and a host at %s; selectors use the group",
				g.origin.Place(), g.name, b.hosts[i].origin.Place()))
		}
	}
}

// link finds the groups that other groups name.
func (b *builder) link() {
	for parent, g := range b.groups {
		for _, ref := range g.children {
			child, ok := b.groupIndex[ref.Name]
			if !ok {
				b.problems.Addf(ref.Origin.Pos(), "%s: no group %q%s", ref.Origin.Via, ref.Name, b.hint(ref.Name))
				continue
			}
			if c := b.groups[child]; !slices.Contains(c.parents, parent) {
				c.parents = append(c.parents, parent)
			}
		}
	}
}

// hint suggests what an unknown group may be.
func (b *builder) hint(name string) string {
	if _, ok := b.hostIndex[name]; ok {
		return `; it is a host: put hosts under "hosts"`
	}
	known := make([]string, len(b.groups))
	for i, g := range b.groups {
		known[i] = g.name
	}
	if near := yamltree.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// maxGroupDepth is how deep groups may be nested.
const maxGroupDepth = 1000

// checkCycles refuses groups that contain themselves, and shows each cycle once.
func (b *builder) checkCycles() {
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(b.groups))
	var path []string
	tooDeep := false
	var visit func(i int)
	visit = func(i int) {
		if len(path) >= maxGroupDepth {
			if !tooDeep {
				tooDeep = true
				b.problems.Addf(b.groups[i].origin.Pos(), "groups are nested more than %d deep", maxGroupDepth)
			}
			return
		}
		state[i] = open
		g := b.groups[i]
		path = append(path, g.name)
		for _, ref := range g.children {
			child, ok := b.groupIndex[ref.Name]
			switch {
			case !ok || state[child] == done:
			case state[child] == open:
				cycle := append(slices.Clone(path[slices.Index(path, ref.Name):]), ref.Name)
				b.problems.Addf(ref.Origin.Pos(), "groups form a cycle: %s", strings.Join(cycle, " > "))
			default:
				visit(child)
			}
		}
		path = path[:len(path)-1]
		state[i] = done
	}
	for i := range b.groups {
		if state[i] == unseen {
			visit(i)
		}
	}
}
