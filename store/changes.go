package store

import (
	"cmp"
	"slices"
)

// Changes joins the groups of two runs, fewest hosts first, in time linear in the
// number of hosts.
func Changes(before, after []Group) []Change {
	j := joiner{before: before, after: after, places: make(map[[2]int]int)}
	j.earlier(before)
	last := -1
	for to := range after {
		g := &after[to]
		for i, host := range g.Hosts {
			last = max(last, g.Positions[i])
			j.add(host, g.Positions[i], j.from(host, g.Positions[i]), to)
		}
	}
	for from := range before {
		g := &before[from]
		for i, host := range g.Hosts {
			if at := g.Positions[i]; !j.at[at].met {
				j.add(host, last+1+at, from, noGroup)
			}
		}
	}
	slices.SortStableFunc(j.changes, func(a, b Change) int { return cmp.Compare(len(a.Hosts), len(b.Hosts)) })
	return j.changes
}

// noGroup stands for a run without the host.
const noGroup = -1

// A joiner joins the hosts of two runs. As a rule a host has the same position in both,
// so that its name need not be looked up.
type joiner struct {
	before, after []Group
	at            []earlierHost  // by position
	byName        map[string]int // positions; nil: not needed yet
	changes       []Change
	places        map[[2]int]int // of changes, by the groups of both runs
}

// An earlierHost is a host of the earlier run. met says that the later run has it.
type earlierHost struct {
	host  string
	group int
	met   bool
}

// earlier takes over the hosts of the earlier run.
func (j *joiner) earlier(groups []Group) {
	for i := range groups {
		g := &groups[i]
		for k, host := range g.Hosts {
			at := g.Positions[k]
			if at >= len(j.at) {
				j.at = append(j.at, make([]earlierHost, at+1-len(j.at))...)
			}
			j.at[at] = earlierHost{host: host, group: i}
		}
	}
}

// from returns the group that a host of the later run had in the earlier one.
func (j *joiner) from(host string, position int) int {
	if position >= len(j.at) || j.at[position].host != host {
		if j.byName == nil {
			j.byName = make(map[string]int, len(j.at))
			for at := range j.at {
				j.byName[j.at[at].host] = at
			}
		}
		at, known := j.byName[host]
		if !known {
			return noGroup
		}
		position = at
	}
	j.at[position].met = true
	return j.at[position].group
}

// add adds a host to the change from a group to another.
func (j *joiner) add(host string, order, from, to int) {
	place, known := j.places[[2]int{from, to}]
	if !known {
		place = len(j.changes)
		j.places[[2]int{from, to}] = place
		var c Change
		if from != noGroup {
			c.From = &j.before[from].Answer
		}
		if to != noGroup {
			c.To = &j.after[to].Answer
		}
		j.changes = append(j.changes, c)
	}
	c := &j.changes[place]
	c.Hosts, c.Places = append(c.Hosts, host), append(c.Places, order)
}
