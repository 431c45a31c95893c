package store

import (
	"cmp"
	"slices"

	"tutti/fanout"
)

// An Answer is what hosts of a run with the same result have in common. For a host that
// has not ended only Phase and Started are set.
type Answer struct {
	Phase   Phase
	Outcome fanout.Outcome // if it has ended
	// Started: the command was sent.
	Started bool
	// ExitCode is nil if the command did not exit by itself, or its exit is unknown.
	ExitCode *int
	Signal   string // that terminated the command
	// Op is the step that failed, Error its message without the parts that name the
	// host, and Hint what to do; all empty if nothing failed.
	Op    fanout.Op
	Error string
	Hint  string
	// OutputHash is equal for equal output of the last attempt, recorded or not; empty
	// if there was no attempt, or no end.
	OutputHash string
}

// A Group has the hosts of a run with the same answer.
type Group struct {
	Answer
	// Hosts has at least one, in the order of the plan, and Positions their positions
	// in it.
	Hosts     []string
	Positions []int
}

// Sample returns the host whose output represents that of all.
func (g *Group) Sample() string { return g.Hosts[0] }

// GroupsFor returns the visible parts of groups, smallest first. Groups of the same
// size stay in their order.
func GroupsFor(groups []Group, visible Visible) []Group {
	if visible != nil {
		for i := range groups {
			groups[i].keep(visible)
		}
		groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Hosts) == 0 })
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(len(a.Hosts), len(b.Hosts)) })
	return groups
}

// keep leaves the visible hosts.
func (g *Group) keep(visible Visible) {
	kept := 0
	for i, host := range g.Hosts {
		if visible(host) {
			g.Hosts[kept], g.Positions[kept] = host, g.Positions[i]
			kept++
		}
	}
	g.Hosts, g.Positions = g.Hosts[:kept], g.Positions[:kept]
}

// A Change has the hosts with one answer in a run, and one answer in a later run.
type Change struct {
	// From and To are the answers; nil for a run without the hosts. At least one is
	// set.
	From, To *Answer
	// Hosts in the order of the later run, or of the earlier one if they are in that
	// only.
	Hosts []string
	// Places order the hosts of all changes: those of the later run, then those of the
	// earlier one only.
	Places []int
}

// SameOutput reports whether the output of the hosts is known to be the same in both
// runs.
func (c *Change) SameOutput() bool {
	return c.From != nil && c.To != nil && c.From.OutputHash != "" && c.From.OutputHash == c.To.OutputHash
}
