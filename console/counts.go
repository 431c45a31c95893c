package console

import "tutti/api"

// states are what a host of a run can be in, in the order in which pages show them, and
// whether it is bad.
var states = []struct {
	name string
	bad  bool
}{
	{"ok", false},
	{"failed", true},
	{"timeout", true},
	{"lost", true},
	{"unreachable", true},
	{"canceled", true},
	{"skipped", true},
	{"running", false},
	{"waiting", false},
}

// A count is how many hosts are in a state.
type count struct {
	State string
	N     int
}

// A tally is how many hosts of a run are in which state.
type tally struct {
	Counts []count
	Total  int
}

// A segment is a part of the bar, in thousandths of its width.
type segment struct {
	State string
	X, W  int
}

// leastSegment is how wide a segment is at least: 4 pixels of a phone's 366.
const leastSegment = 12

// newTally orders counts by state.
func newTally(counts map[string]int) tally {
	var t tally
	for _, s := range states {
		t.Counts = append(t.Counts, count{s.name, counts[s.name]})
		t.Total += counts[s.name]
	}
	return t
}

// tallyOf counts the hosts of a run as its record says: those that have not ended wait,
// or run.
func tallyOf(run *api.Run) tally {
	counts := map[string]int{}
	left := run.Hosts
	for name, n := range run.Counts {
		counts[name] += n
		left -= n
	}
	open := "waiting"
	if run.State == "running" {
		open = "running"
	}
	counts[open] += max(0, left)
	return newTally(counts)
}

// tallyOfGroups counts the hosts of groups.
func tallyOfGroups(groups []api.Group) tally {
	counts := map[string]int{}
	for i := range groups {
		counts[stateOf(&groups[i])] += groups[i].Count
	}
	return newTally(counts)
}

// stateOf is the state of a group, in the words of states.
func stateOf(g *api.Group) string {
	switch g.State {
	case "ended":
		return g.Outcome
	case "waiting":
		return "waiting"
	}
	return "running"
}

// Some are the counts that are not 0.
func (t tally) Some() []count {
	var some []count
	for _, c := range t.Counts {
		if c.N > 0 {
			some = append(some, c)
		}
	}
	return some
}

// N is how many are in a state.
func (t tally) N(state string) int {
	for _, c := range t.Counts {
		if c.State == state {
			return c.N
		}
	}
	return 0
}

// Bad is how many are not ok and never will be.
func (t tally) Bad() int {
	n := 0
	for i, s := range states {
		if s.bad {
			n += t.Counts[i].N
		}
	}
	return n
}

// Ended is how many have ended.
func (t tally) Ended() int { return t.Total - t.N("running") - t.N("waiting") }

// Bar are the segments of the bar: each state that there is can be seen in it.
func (t tally) Bar() []segment {
	some := t.Some()
	if len(some) == 0 {
		return nil
	}
	widths, spare, wide := make([]int, len(some)), 1000, 0
	for i, c := range some {
		widths[i] = max(leastSegment, 1000*c.N/t.Total)
		spare -= widths[i]
		if widths[i] > widths[wide] {
			wide = i
		}
	}
	widths[wide] += spare // the widest gives what the narrow ones need
	bar, x := make([]segment, len(some)), 0
	for i, c := range some {
		bar[i] = segment{c.State, x, widths[i]}
		x += widths[i]
	}
	return bar
}
