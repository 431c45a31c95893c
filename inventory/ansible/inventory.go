package ansible

import (
	"cmp"
	"encoding/binary"
	"slices"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The groups that every inventory of Ansible's has.
const (
	groupAll       = "all"
	groupUngrouped = "ungrouped"
)

// An Inventory is what Ansible's inventories say, one file on top of the other as
// Ansible does it. Which of two groups wins differs from tutti's own
// files: the one further from all, then the one with the higher priority, then the
// one whose name sorts last. So it is decided here, and the resulting layer has
// settings for hosts only.
type Inventory struct {
	tally      *layer.Tally
	problems   yamltree.Problems
	hosts      []*host
	hostIndex  map[string]*host
	groups     []*group
	groupIndex map[string]*group
	// sources are the files so far, of each directory the last.
	sources []*source
	// merged holds what groups give to their hosts, by the groups' indexes.
	merged map[string]values
	warned map[string]bool
}

// A source is one inventory file.
type source struct {
	file layer.File
	// dir is its directory, to which paths of keys are relative.
	dir string
}

// A host is a host with its own variables.
type host struct {
	name   string
	origin layer.Origin
	vars   values
	groups []*group // that name it
}

// A group is a group and its variables.
type group struct {
	index  int
	name   string
	origin layer.Origin
	// declared says that there is more of the group than its variables or its
	// name in another group.
	declared bool
	// hidden says that the group has a name that no selector can have.
	hidden   bool
	vars     values
	priority int
	children []layer.Reference
	parents  []*group
	// depth is the longest way from all.
	depth int
}

// New returns an inventory without hosts. t counts the names that its files use up, and
// takes their warnings.
func New(t *layer.Tally) *Inventory {
	a := &Inventory{
		tally:      t,
		hostIndex:  make(map[string]*host),
		groupIndex: make(map[string]*group),
		merged:     make(map[string]values),
		warned:     make(map[string]bool),
	}
	for _, name := range []string{groupAll, groupUngrouped} {
		a.group(name, layer.Origin{Via: "Ansible"}).declared = true
	}
	return a
}

// group returns the group of that name, which is new if there is none.
func (a *Inventory) group(name string, origin layer.Origin) *group {
	g, ok := a.groupIndex[name]
	if !ok {
		g = &group{index: len(a.groups), name: name, origin: origin, priority: 1}
		a.groupIndex[name] = g
		a.groups = append(a.groups, g)
	}
	if g.origin.File == "" {
		g.origin = origin
	}
	return g
}

// checkGroup explains why a group cannot have that name, or returns nil.
func checkGroup(name string) *hostlist.SyntaxError {
	if name == groupAll {
		return nil
	}
	return hostlist.CheckName(name, false)
}

// addChild puts one group into another. Cycles are found later.
func (a *Inventory) addChild(parent, child *group, origin layer.Origin) {
	if child.name == groupAll {
		a.problems.Addf(origin.Pos(), "%s: all contains every group, and cannot be in one", origin.Via)
		return
	}
	if slices.Contains(child.parents, parent) {
		return
	}
	child.parents = append(child.parents, parent)
	parent.children = append(parent.children, layer.Reference{Name: child.name, Origin: origin})
}

// addHost puts a host, which may be new, into a group. Only a new host takes
// the port.
func (a *Inventory) addHost(name string, origin layer.Origin, g *group, port *value) *host {
	h, ok := a.hostIndex[name]
	if !ok {
		h = &host{name: name, origin: origin}
		h.vars[varPort] = port
		a.hostIndex[name] = h
		a.hosts = append(a.hosts, h)
	}
	if !slices.Contains(h.groups, g) {
		h.groups = append(h.groups, g)
	}
	return h
}

// setHost gives a host variables. Where a group has the host's name Ansible
// gives them to the group.
func (a *Inventory) setHost(h *host, vars *values) {
	if g, ok := a.groupIndex[h.name]; ok {
		g.vars.update(vars)
		return
	}
	h.vars.update(vars)
}

// set gives a group a variable.
func (g *group) set(name string, v *value) {
	if name == priorityVariable {
		if n, ok := parseSigned(v.text); ok {
			g.priority = n
		}
		return
	}
	g.vars.set(name, v)
}

// addSource records where the directories of variables next to the file may be.
func (a *Inventory) addSource(s *source) {
	a.sources = slices.DeleteFunc(a.sources, func(other *source) bool { return other.dir == s.dir })
	a.sources = append(a.sources, s)
}

// Layer is everything, with the variables of each host turned into settings.
func (a *Inventory) Layer() (*layer.Layer, error) {
	vars := a.resolve()
	l := layer.New()
	groups := make(map[*group]*layer.Group, len(a.groups))
	for _, g := range a.groups {
		if g.name == groupAll || g.hidden {
			continue
		}
		lg := &layer.Group{Name: g.name, Origin: g.origin, SameNameAsHost: true}
		groups[g] = lg
		l.Groups = append(l.Groups, lg)
	}
	a.addChildren(groups)
	for i, h := range a.hosts {
		own := a.settings(&vars[i])
		l.Index[h.name] = len(l.Hosts)
		l.Hosts = append(l.Hosts, layer.Host{Name: h.name, Origin: h.origin, Own: own})
		for _, g := range h.groups {
			for _, shown := range g.shownAs() {
				if lg := groups[shown]; lg != nil && !slices.Contains(lg.Hosts[max(0, len(lg.Hosts)-1):], h.name) {
					lg.Hosts = append(lg.Hosts, h.name)
				}
			}
		}
	}
	return l, a.problems.Err()
}

// addChildren puts the groups of a layer into each other; what is in a hidden one
// is in those around that.
func (a *Inventory) addChildren(groups map[*group]*layer.Group) {
	for _, g := range a.groups {
		for _, shown := range g.shownAs() {
			lg := groups[shown]
			if lg == nil {
				continue
			}
			for _, ref := range g.children {
				if !a.groupIndex[ref.Name].hidden {
					lg.Children = append(lg.Children, ref)
				}
			}
		}
	}
}

// resolve works out the variables of each host.
func (a *Inventory) resolve() []values {
	a.ungroup()
	list := make([]values, len(a.hosts))
	if !a.rank() {
		// Groups in a cycle have no order; the builder refuses them.
		return list
	}
	directories := a.directories()
	for i, h := range a.hosts {
		list[i] = a.groupVars(h.groups, directories)
		list[i].update(&h.vars)
		directories.update(&list[i], HostVars, h.name)
	}
	return list
}

// ungroup makes ungrouped the group of exactly those hosts that are in no group but
// all.
func (a *Inventory) ungroup() {
	all, ungrouped := a.groupIndex[groupAll], a.groupIndex[groupUngrouped]
	for _, h := range a.hosts {
		grouped := slices.ContainsFunc(h.groups, func(g *group) bool { return g != all && g != ungrouped })
		switch in := slices.Index(h.groups, ungrouped); {
		case grouped && in >= 0:
			h.groups = slices.Delete(h.groups, in, in+1)
		case !grouped && in < 0:
			h.groups = append(h.groups, ungrouped)
		}
	}
}

// rank computes the depth of each group; false if groups contain each other.
func (a *Inventory) rank() bool {
	waiting := make([]int, len(a.groups))
	var ready []*group
	for i, g := range a.groups {
		waiting[i] = len(g.parents)
		if waiting[i] == 0 {
			if g.name != groupAll {
				g.depth = 1
			}
			ready = append(ready, g)
		}
	}
	done := 0
	for ; done < len(ready); done++ {
		g := ready[done]
		for _, ref := range g.children {
			child := a.groupIndex[ref.Name]
			child.depth = max(child.depth, g.depth+1)
			if waiting[child.index]--; waiting[child.index] == 0 {
				ready = append(ready, child)
			}
		}
	}
	return done == len(a.groups)
}

// groupVars are the variables from groups for a host that is in exactly these.
func (a *Inventory) groupVars(direct []*group, directories varsDirectories) values {
	around := a.around(direct)
	key := make([]byte, 0, 2*len(around))
	for _, g := range around {
		key = binary.AppendUvarint(key, uint64(g.index))
	}
	if vars, ok := a.merged[string(key)]; ok {
		return vars
	}
	vars := a.groupIndex[groupAll].vars
	for _, g := range around {
		vars.update(&g.vars)
	}
	// The directories override all group variables of the files.
	directories.update(&vars, GroupVars, groupAll)
	names := make([]string, len(around))
	for i, g := range around {
		names[i] = g.name
	}
	directories.update(&vars, GroupVars, names...)
	a.merged[string(key)] = vars
	return vars
}

// around returns the groups and their ancestors except all, in the order of precedence,
// the strongest last.
func (a *Inventory) around(direct []*group) []*group {
	var list []*group
	queue := direct
	for i := 0; i < len(queue); i++ {
		g := queue[i]
		if g.name == groupAll || slices.Contains(list, g) {
			continue
		}
		list = append(list, g)
		queue = append(queue[:len(queue):len(queue)], g.parents...)
	}
	slices.SortFunc(list, func(g, h *group) int {
		return cmp.Or(cmp.Compare(g.depth, h.depth), cmp.Compare(g.priority, h.priority), cmp.Compare(g.name, h.name))
	})
	return list
}

// warnOnce adds a warning unless there is one with the same text.
func (a *Inventory) warnOnce(text string) {
	if !a.warned[text] {
		a.warned[text] = true
		a.tally.Warnings = append(a.tally.Warnings, text)
	}
}
