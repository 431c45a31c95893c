package inventory

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// A profile is what hosts of the same groups and files have in common. Most
// inventories have few of them, however many hosts there are.
type profile struct {
	// base has everything but the name and the host's own settings.
	base     Host
	settings layer.Values
	// conflicts apply to a host without a value of its own for the key.
	conflicts []disagreement
}

// A disagreement is two groups, equally near, that set a key differently.
type disagreement struct{ a, b layer.Value }

// A resolver computes what hosts inherit from groups and defaults.
type resolver struct {
	b        *builder
	profiles map[string]*profile
	key      []byte
}

// host fills in h.
func (r *resolver) host(draft *hostDraft, h *Host) {
	p := r.profile(draft)
	*h = p.base
	h.Name = draft.name
	h.own = draft.own
	h.shared = p
	applyOwn(draft.own, h)
}

// profile returns the profile of a host's groups and files.
func (r *resolver) profile(draft *hostDraft) *profile {
	groups := slices.Sorted(slices.Values(draft.groups))
	r.key = binary.AppendUvarint(r.key[:0], uint64(len(groups)))
	for _, i := range groups {
		r.key = binary.AppendUvarint(r.key, uint64(i))
	}
	for _, i := range draft.layers {
		r.key = binary.AppendUvarint(r.key, uint64(i))
	}
	if p, ok := r.profiles[string(r.key)]; ok {
		return p
	}
	p := r.newProfile(groups, draft.layers)
	r.profiles[string(r.key)] = p
	return p
}

func (r *resolver) newProfile(direct, layers []int) *profile {
	p := &profile{}
	for _, level := range r.levels(direct) {
		p.addLevel(r.b.groups, level)
	}
	for _, i := range slices.Backward(layers) {
		p.settings = p.settings.Over(r.b.defaults[i])
	}
	apply(p.settings, &p.base)
	return p
}

// levels returns the groups around a host by their distance, each level in inventory
// order. The distance of a group that is reached in several ways is the shortest.
func (r *resolver) levels(direct []int) [][]int {
	var levels [][]int
	seen := make(map[int]bool)
	for level := direct; len(level) > 0; {
		for _, i := range level {
			seen[i] = true
		}
		levels = append(levels, level)
		var next []int
		for _, i := range level {
			for _, parent := range r.b.groups[i].parents {
				if !seen[parent] && !slices.Contains(next, parent) {
					next = append(next, parent)
				}
			}
		}
		slices.Sort(next)
		level = next
	}
	return levels
}

// addLevel adds the groups of one distance.
func (p *profile) addLevel(groups []*groupDraft, level []int) {
	var here layer.Values
	for _, i := range level {
		g := groups[i]
		p.base.Groups = append(p.base.Groups, g.name)
		if g.parallel > 0 {
			p.base.Gates = append(p.base.Gates, fanout.Gate{Name: g.name, Parallel: g.parallel})
		}
		for _, s := range g.own {
			if p.settings.Find(s.Key) != nil {
				continue
			}
			other := here.Find(s.Key)
			if other == nil {
				here = append(here, s)
			} else if other.Text != s.Text {
				p.conflicts = append(p.conflicts, disagreement{*other, s})
			}
		}
	}
	p.settings = p.settings.Over(here)
}

// A ConflictError says that groups disagree about settings of hosts that were
// selected.
type ConflictError struct {
	// Conflicts is not empty.
	Conflicts []Conflict
}

// A Conflict is a setting that two groups at the same distance from the hosts
// give different values to, while the hosts have none of their own.
type Conflict struct {
	// Hosts are the names of the selected hosts that are concerned.
	Hosts []string
	// A and B are the two values. Their Origin.Via names the groups.
	A, B layer.Setting
}

// Error is a line for each conflict.
func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Conflicts))
	for i, c := range e.Conflicts {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// String names the hosts, the groups and where they stand.
func (c Conflict) String() string {
	who := "host "
	if len(c.Hosts) > 1 {
		who = "hosts "
	}
	return fmt.Sprintf("%s%s: %s is %q from %s and %q from %s, with the same precedence; set it on the host itself",
		who, cut(hostlist.Fold(c.Hosts)), c.A.Key, c.A.Value, c.A.Origin, c.B.Value, c.B.Origin)
}

// cut shortens a text that would fill the screen.
func cut(text string) string {
	const longest = 200
	if len(text) <= longest {
		return text
	}
	return text[:longest] + "…"
}

// conflictsOf returns the conflicts of hosts as a *ConflictError, or nil.
func conflictsOf(hosts []*Host) error {
	type place struct {
		p *profile
		i int
	}
	index := make(map[place]int)
	var list []Conflict
	for _, h := range hosts {
		for i, d := range h.shared.conflicts {
			if h.own.Find(d.a.Key) != nil {
				continue
			}
			at, ok := index[place{h.shared, i}]
			if !ok {
				at = len(list)
				index[place{h.shared, i}] = at
				list = append(list, Conflict{A: d.a.Setting(), B: d.b.Setting()})
			}
			list[at].Hosts = append(list[at].Hosts, h.Name)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &ConflictError{Conflicts: list}
}
