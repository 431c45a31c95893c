package store

import (
	"cmp"
	"slices"

	"tutti/fanout"
)

// An Answer is what hosts of a run have in common that answered the same. Of a host
// that has not ended only Phase and Started are set.
type Answer struct {
	Phase   Phase
	Outcome fanout.Outcome // of one that has ended
	// Started: the command was sent.
	Started bool
	// ExitCode is nil if the command did not exit by itself, or nobody knows how.
	ExitCode *int
	Signal   string // that ended the command
	// Op is the step that failed, Error the line about it, without what is the host's
	// own, and Hint what can be done; all empty if nothing failed.
	Op    fanout.Op
	Error string
	Hint  string
	// OutputHash is equal for equal output of the last attempt, recorded or not; empty
	// if there was no attempt, or no end.
	OutputHash string
}

// A Group is hosts of a run that answered the same.
type Group struct {
	Answer
	// Hosts in the order of the plan. There is at least one.
	Hosts []string
}

// Sample is the host whose output stands for that of all.
func (g *Group) Sample() string { return g.Hosts[0] }

// GroupsFor are what is visible of groups, the smallest first, the largest last.
// Groups of the same size stay in their order.
func GroupsFor(groups []Group, visible Visible) []Group {
	if visible != nil {
		for i := range groups {
			g := &groups[i]
			g.Hosts = slices.DeleteFunc(g.Hosts, func(host string) bool { return !visible(host) })
		}
		groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Hosts) == 0 })
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(len(a.Hosts), len(b.Hosts)) })
	return groups
}

// A Change is hosts that answered the same in a run, and the same in a later one.
type Change struct {
	// From and To are the answers; nil in a run that the hosts had no part in. One of
	// them is set.
	From, To *Answer
	// Hosts in the order of the later run, or of the earlier one if they are in that
	// only.
	Hosts []string
}

// SameOutput reports whether the hosts are known to have said the same in both runs.
func (c *Change) SameOutput() bool {
	return c.From != nil && c.To != nil && c.From.OutputHash != "" && c.From.OutputHash == c.To.OutputHash
}

// Changes brings the groups of two runs together, fewest hosts first. Its time is
// linear in the number of hosts.
func Changes(before, after []Group) []Change {
	earlier := make(map[string]int) // the group of a host
	for i := range before {
		for _, host := range before[i].Hosts {
			earlier[host] = i
		}
	}
	const none = -1
	var changes []Change
	places := make(map[[2]int]int)
	add := func(host string, from, to int) {
		place, known := places[[2]int{from, to}]
		if !known {
			place = len(changes)
			places[[2]int{from, to}] = place
			var c Change
			if from != none {
				c.From = &before[from].Answer
			}
			if to != none {
				c.To = &after[to].Answer
			}
			changes = append(changes, c)
		}
		changes[place].Hosts = append(changes[place].Hosts, host)
	}
	for i := range after {
		for _, host := range after[i].Hosts {
			from, known := earlier[host]
			if !known {
				from = none
			}
			delete(earlier, host)
			add(host, from, i)
		}
	}
	for i := range before {
		for _, host := range before[i].Hosts {
			if _, only := earlier[host]; only {
				add(host, i, none)
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(len(a.Hosts), len(b.Hosts)) })
	return changes
}
