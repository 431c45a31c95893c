package inventory

import (
	"maps"
	"slices"
	"strings"

	"tutti/inventory/layer"
)

// An Inventory is hosts and groups, in the order in which the files name them.
// The zero value is empty. It is immutable.
type Inventory struct {
	// Warnings are about what was read and is ignored, a line each.
	Warnings []string

	hosts  []*Host
	byName map[string]int
	groups []string
	// members of every group, directly or through other groups: indexes of
	// hosts, in their order.
	members  map[string][]int
	defaults []layer.Values // of each file, in their order
}

// Hosts returns all hosts, in inventory order.
func (inv *Inventory) Hosts() []*Host { return slices.Clone(inv.hosts) }

// Host returns the host of that name, and whether there is one.
func (inv *Inventory) Host(name string) (*Host, bool) {
	i, ok := inv.byName[name]
	if !ok {
		return nil, false
	}
	return inv.hosts[i], true
}

// Among returns the inventory as it would be with only the hosts that sees is true of,
// and the groups and labels that one of them has. It shares the hosts, and has no
// warnings.
func (inv *Inventory) Among(sees func(host string) bool) *Inventory {
	some := &Inventory{byName: make(map[string]int), members: make(map[string][]int), defaults: inv.defaults}
	at := make([]int, len(inv.hosts)) // in some, from 1; 0: it is not
	for i, h := range inv.hosts {
		if sees(h.Name) {
			some.byName[h.Name] = len(some.hosts)
			some.hosts = append(some.hosts, h)
			at[i] = len(some.hosts)
		}
	}
	for _, group := range inv.groups {
		for _, i := range inv.members[group] {
			if at[i] > 0 {
				some.members[group] = append(some.members[group], at[i]-1)
			}
		}
		if some.members[group] != nil {
			some.groups = append(some.groups, group)
		}
	}
	return some
}

// Groups returns the names of all groups, in inventory order.
func (inv *Inventory) Groups() []string { return slices.Clone(inv.groups) }

// Labels returns every label that some host has, as name=value, sorted.
func (inv *Inventory) Labels() []string {
	set := make(map[string]bool)
	for _, h := range inv.hosts {
		for name, value := range h.Labels {
			set[name+"="+value] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// hostNames returns the names of all hosts, in inventory order.
func (inv *Inventory) hostNames() []string {
	names := make([]string, len(inv.hosts))
	for i, h := range inv.hosts {
		names[i] = h.Name
	}
	return names
}

// sorted returns the indexes of all hosts, sorted by name, byte by byte.
func (inv *Inventory) sorted() []int {
	list := make([]int, len(inv.hosts))
	for i := range list {
		list[i] = i
	}
	slices.SortFunc(list, func(a, b int) int { return strings.Compare(inv.hosts[a].Name, inv.hosts[b].Name) })
	return list
}
