package inventory

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
	ansibleAll       = "all"
	ansibleUngrouped = "ungrouped"
)

// An ansible is what Ansible's inventories say, one file on top of the other as
// Ansible does it. Which of two groups wins is another matter there than in our
// own files: the one further from all, then the one with the higher priority,
// then the one whose name sorts last. So it is decided here, and the layer that
// comes of it has settings for hosts only.
type ansible struct {
	builder    *builder
	problems   yamltree.Problems
	hosts      []*ansibleHost
	hostIndex  map[string]*ansibleHost
	groups     []*ansibleGroup
	groupIndex map[string]*ansibleGroup
	// sources are the files so far, of each folder the last.
	sources []*ansibleSource
	// merged holds what groups give to their hosts, by the groups' indexes.
	merged map[string]ansibleVars
	warned map[string]bool
}

// An ansibleSource is one inventory file.
type ansibleSource struct {
	file layer.File
	// dir is its folder, to which paths of keys are relative.
	dir string
}

// An ansibleHost is a host and the variables that stand at its name.
type ansibleHost struct {
	name   string
	origin layer.Origin
	vars   ansibleVars
	groups []*ansibleGroup // that name it
}

// An ansibleGroup is a group and its variables.
type ansibleGroup struct {
	index  int
	name   string
	origin layer.Origin
	// declared says that there is more of the group than its variables or its
	// name in another group.
	declared bool
	// hidden says that the group has a name that no selector can have.
	hidden   bool
	vars     ansibleVars
	priority int
	children []layer.Reference
	parents  []*ansibleGroup
	// depth is the longest way from all.
	depth int
}

func newAnsible(b *builder) *ansible {
	a := &ansible{
		builder:    b,
		hostIndex:  make(map[string]*ansibleHost),
		groupIndex: make(map[string]*ansibleGroup),
		merged:     make(map[string]ansibleVars),
		warned:     make(map[string]bool),
	}
	for _, name := range []string{ansibleAll, ansibleUngrouped} {
		a.group(name, layer.Origin{Via: "Ansible"}).declared = true
	}
	return a
}

// group returns the group of that name, which is new if there is none.
func (a *ansible) group(name string, origin layer.Origin) *ansibleGroup {
	g, ok := a.groupIndex[name]
	if !ok {
		g = &ansibleGroup{index: len(a.groups), name: name, origin: origin, priority: 1}
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
	if name == ansibleAll {
		return nil
	}
	return hostlist.CheckName(name, false)
}

// addChild puts one group into another. The ways round are found later.
func (a *ansible) addChild(parent, child *ansibleGroup, origin layer.Origin) {
	if child.name == ansibleAll {
		a.problems.Addf(origin.Pos(), "%s: all holds every group, and cannot be in one", origin.Via)
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
func (a *ansible) addHost(name string, origin layer.Origin, g *ansibleGroup, port *ansibleVar) *ansibleHost {
	h, ok := a.hostIndex[name]
	if !ok {
		h = &ansibleHost{name: name, origin: origin}
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
func (a *ansible) setHost(h *ansibleHost, vars *ansibleVars) {
	if g, ok := a.groupIndex[h.name]; ok {
		g.vars.update(vars)
		return
	}
	h.vars.update(vars)
}

// set gives a group a variable.
func (g *ansibleGroup) set(name string, v *ansibleVar) {
	if name == ansiblePriority {
		if n, ok := parseSigned(v.text); ok {
			g.priority = n
		}
		return
	}
	g.vars.set(name, v)
}

// addSource remembers where variables may stand in folders beside the file.
func (a *ansible) addSource(s *ansibleSource) {
	a.sources = slices.DeleteFunc(a.sources, func(other *ansibleSource) bool { return other.dir == s.dir })
	a.sources = append(a.sources, s)
}

// layer is everything, with the variables of each host turned into settings.
func (a *ansible) layer() (*layer.Layer, error) {
	vars := a.resolve()
	l := layer.New()
	groups := make(map[*ansibleGroup]*layer.Group, len(a.groups))
	for _, g := range a.groups {
		if g.name == ansibleAll || g.hidden {
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
func (a *ansible) addChildren(groups map[*ansibleGroup]*layer.Group) {
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
func (a *ansible) resolve() []ansibleVars {
	a.ungroup()
	list := make([]ansibleVars, len(a.hosts))
	if !a.rank() {
		// A circle of groups has no order; the builder is going to refuse it.
		return list
	}
	folders := a.folders()
	for i, h := range a.hosts {
		list[i] = a.groupVars(h.groups, folders)
		list[i].update(&h.vars)
		folders.update(&list[i], hostVarsFolder, h.name)
	}
	return list
}

// ungroup puts those hosts into ungrouped that are in no group but all, and
// only those.
func (a *ansible) ungroup() {
	all, ungrouped := a.groupIndex[ansibleAll], a.groupIndex[ansibleUngrouped]
	for _, h := range a.hosts {
		grouped := slices.ContainsFunc(h.groups, func(g *ansibleGroup) bool { return g != all && g != ungrouped })
		switch in := slices.Index(h.groups, ungrouped); {
		case grouped && in >= 0:
			h.groups = slices.Delete(h.groups, in, in+1)
		case !grouped && in < 0:
			h.groups = append(h.groups, ungrouped)
		}
	}
}

// rank works out how deep each group is, and reports whether that has an
// answer: groups that contain each other have none.
func (a *ansible) rank() bool {
	waiting := make([]int, len(a.groups))
	var ready []*ansibleGroup
	for i, g := range a.groups {
		waiting[i] = len(g.parents)
		if waiting[i] == 0 {
			if g.name != ansibleAll {
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

// groupVars is what groups give to a host that is in exactly these.
func (a *ansible) groupVars(direct []*ansibleGroup, folders varsFolders) ansibleVars {
	around := a.around(direct)
	key := make([]byte, 0, 2*len(around))
	for _, g := range around {
		key = binary.AppendUvarint(key, uint64(g.index))
	}
	if vars, ok := a.merged[string(key)]; ok {
		return vars
	}
	vars := a.groupIndex[ansibleAll].vars
	for _, g := range around {
		vars.update(&g.vars)
	}
	// What stands in the folders wins over all that the files say of groups.
	folders.update(&vars, groupVarsFolder, ansibleAll)
	names := make([]string, len(around))
	for i, g := range around {
		names[i] = g.name
	}
	folders.update(&vars, groupVarsFolder, names...)
	a.merged[string(key)] = vars
	return vars
}

// around returns the groups and all that they are in, but for all, those last
// that win.
func (a *ansible) around(direct []*ansibleGroup) []*ansibleGroup {
	var list []*ansibleGroup
	queue := direct
	for i := 0; i < len(queue); i++ {
		g := queue[i]
		if g.name == ansibleAll || slices.Contains(list, g) {
			continue
		}
		list = append(list, g)
		queue = append(queue[:len(queue):len(queue)], g.parents...)
	}
	slices.SortFunc(list, func(g, h *ansibleGroup) int {
		return cmp.Or(cmp.Compare(g.depth, h.depth), cmp.Compare(g.priority, h.priority), cmp.Compare(g.name, h.name))
	})
	return list
}

// warnOnce adds a warning unless there is one with the same text.
func (a *ansible) warnOnce(text string) {
	if !a.warned[text] {
		a.warned[text] = true
		a.builder.warnings = append(a.builder.warnings, text)
	}
}
