package output

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tutti/fanout"
)

// A Comparison prints what changed between two runs, host by host, and folds hosts
// with the same change. Before and After receive the hosts' output in either run,
// unless it is known to be the same.
//
// It is not for use by several goroutines at once. Its memory is bounded by the
// number of hosts; outputs and changes that are too large are kept in a
// temporary file until Close.
type Comparison struct {
	opts   Options
	runs   [2]int64
	pool   *pool
	sides  [2]*side
	groups map[sum]*changeGroup
	// byOutput has a group with the change of each HostPair.Output.
	byOutput map[string]*changeGroup
	hosts    int
}

// A HostPair is a host in two runs.
type HostPair struct {
	Host string
	// Before and After are its results; nil for a run that did not include it. At
	// least one of them is set.
	Before, After *fanout.Result
	// SameOutput says that its output is known to be the same in both, so that
	// Before and After of the Comparison did not receive it.
	SameOutput bool
	// Output is equal for hosts with equal output in the first run and equal output
	// in the second. Only the output of one of them is needed. Empty: not known.
	Output string
}

// A side receives the hosts' output in one run.
type side struct {
	kept   *transcripts
	byHost map[string]*transcript
}

var _ fanout.Sink = (*side)(nil)

// A changeGroup is hosts with the same change, or without any.
type changeGroup struct {
	members []member
	first   int             // the lowest index of members
	pair    HostPair        // of the first
	streams [2]streamChange // by Stream
	// unrecorded says that the outputs differ only in a part that was not recorded.
	unrecorded bool
	changed    bool
}

// Why a change of output is not shown line by line.
const (
	reasonBinary   = "binary"
	reasonTooLarge = "too_large"
)

// A streamChange is how one stream differs between the runs. The zero value is no
// difference.
type streamChange struct {
	hunks *buffer // nil if there is a reason
	// reason is why there are no hunks; empty if there are.
	reason string
	// sizes are those of all bytes, sums those of the recorded ones.
	sizes [2]int64
	sums  [2]sum
	// id is equal for equal changes.
	id sum
}

func (s *streamChange) none() bool { return s.hunks == nil && s.reason == "" }

// NewComparison compares the runs of these numbers.
func NewComparison(opts Options, before, after int64) *Comparison {
	c := &Comparison{
		opts:     opts,
		runs:     [2]int64{before, after},
		pool:     newPool(spillLimit),
		groups:   make(map[sum]*changeGroup),
		byOutput: make(map[string]*changeGroup),
	}
	for i := range c.sides {
		kept := newTranscripts(true)
		kept.pool, kept.hashing = c.pool, true
		c.sides[i] = &side{kept: kept, byHost: make(map[string]*transcript)}
	}
	return c
}

// Before receives the hosts' output in the first run, for each host before the Add for
// it. Several replays may follow one another.
func (c *Comparison) Before() fanout.Sink { return c.sides[0] }

// After is Before for the second run.
func (c *Comparison) After() fanout.Sink { return c.sides[1] }

// Handle stores the output of the last attempt. Its error is that of the temporary
// file.
func (s *side) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.Output:
		return s.kept.add(e)
	case fanout.TargetRetrying:
		s.kept.drop(e.Target.Index)
	case fanout.TargetFinished:
		s.byHost[e.Target.Name] = s.kept.take(e.Target.Index)
	case fanout.RunFinished:
		// Hosts without a result may have output as well.
		for target := range s.kept.byTarget {
			s.kept.drop(target)
		}
	}
	return nil
}

func (s *side) take(host string) *transcript {
	t := s.byHost[host]
	if t == nil {
		return &transcript{}
	}
	delete(s.byHost, host)
	return t
}

// Add compares a host, and frees its output. If the command did not start on the host
// in one of the runs, there is nothing to compare its output with. Hosts are shown in
// the order in which they are added. The error is that of the temporary file.
func (c *Comparison) Add(pair HostPair) error {
	return c.AddHosts(pair, []string{pair.Host}, []int{c.hosts})
}

// AddHosts is Add for hosts of which pair.Host is one, and the others have the same
// results and the same output. They are shown in the order of places, which all hosts
// have.
func (c *Comparison) AddHosts(pair HostPair, hosts []string, places []int) error {
	before, after := c.sides[0].take(pair.Host), c.sides[1].take(pair.Host)
	defer before.free()
	defer after.free()
	g := &changeGroup{pair: pair, changed: fate(pair.Before) != fate(pair.After)}
	var like *changeGroup
	compared := !pair.SameOutput && started(pair.Before) && started(pair.After)
	if compared {
		like = c.byOutput[pair.Output]
	}
	switch {
	case like != nil:
		g.take(like)
	case compared:
		if err := c.compare(g, before, after); err != nil {
			return err
		}
	}
	g, err := c.join(g, like != nil)
	if err != nil {
		return err
	}
	if compared && pair.Output != "" { // otherwise g says nothing of these outputs
		c.byOutput[pair.Output] = g
	}
	for i, host := range hosts {
		if g.members = append(g.members, member{places[i], host}); len(g.members) == 1 {
			g.first = places[i]
		}
		g.first = min(g.first, places[i])
	}
	c.hosts += len(hosts)
	return nil
}

// join adds the host of g to the group with the same change, which may be g
// itself, and returns that. shared says that the hunks of g are another group's.
func (c *Comparison) join(g *changeGroup, shared bool) (*changeGroup, error) {
	key := g.key()
	switch known := c.groups[key]; {
	case known != nil && !shared:
		g.free()
		g = known
	case known != nil:
		g = known
	case shared:
		if err := g.copyHunks(c.pool); err != nil {
			return nil, err
		}
	}
	c.groups[key] = g
	return g, nil
}

// started reports whether there was a command that could have output.
func started(r *fanout.Result) bool { return r != nil && r.Report.Started }

// fate is the outcome with the part of its reason that is the same each time; empty
// without a result. Messages may hold times and ports.
func fate(r *fanout.Result) string {
	switch {
	case r == nil:
		return ""
	case r.Report.Failure == nil:
		return describe(r)
	case string(r.Report.Failure.Op) == r.Outcome.String():
		return r.Outcome.String()
	}
	return r.Outcome.String() + ": " + string(r.Report.Failure.Op)
}

// compare compares outputs that may differ.
func (c *Comparison) compare(g *changeGroup, before, after *transcript) error {
	sums := [2][2]sum{before.sums(), after.sums()}
	g.unrecorded = sums[0] == sums[1] && max(g.pair.Before.OmittedBytes, g.pair.After.OmittedBytes) > 0
	g.changed = g.changed || g.unrecorded || sums[0] != sums[1]
	for i := range g.streams {
		if sums[0][i] == sums[1][i] {
			continue
		}
		s := &g.streams[i]
		for run := range s.sums {
			s.sums[run] = sums[run][i]
			if s.sums[run] == (sum{}) { // of a transcript without any bytes
				s.sums[run] = sha256.Sum256(nil)
			}
		}
		s.sizes = [2]int64{g.pair.Before.StdoutBytes, g.pair.After.StdoutBytes}
		if fanout.Stream(i) == fanout.Stderr {
			s.sizes = [2]int64{g.pair.Before.StderrBytes, g.pair.After.StderrBytes}
		}
		if err := s.compare(c.pool, before.out[i], after.out[i]); err != nil {
			g.free()
			return err
		}
	}
	return nil
}

// compare makes the hunks, or says why not.
func (s *streamChange) compare(p *pool, before, after *buffer) error {
	s.id = sha256.Sum256(append(s.sums[0][:], s.sums[1][:]...))
	if max(before.length(), after.length()) > maxDiffBytes {
		s.reason = reasonTooLarge
		return nil
	}
	then, err := before.content()
	if err != nil {
		return err
	}
	now, err := after.content()
	if err != nil {
		return err
	}
	if isBinary(then) || isBinary(now) {
		s.reason = reasonBinary
		return nil
	}
	hunks, ok := unified(then, now)
	if !ok {
		s.reason = reasonTooLarge
		return nil
	}
	s.id = sha256.Sum256([]byte(hunks))
	s.hunks = p.buffer()
	return s.hunks.write([]byte(hunks))
}

// key is equal for equal changes.
func (g *changeGroup) key() sum {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %v %x %x", fate(g.pair.Before), fate(g.pair.After),
		g.unrecorded, g.streams[0].id, g.streams[1].id))
}

// take copies the change of output of another group.
func (g *changeGroup) take(from *changeGroup) {
	g.streams, g.unrecorded = from.streams, from.unrecorded
	g.changed = g.changed || g.unrecorded || !g.streams[0].none() || !g.streams[1].none()
}

// copyHunks gives g hunks of its own.
func (g *changeGroup) copyHunks(p *pool) error {
	for i := range g.streams {
		shared := g.streams[i].hunks
		if shared == nil {
			continue
		}
		hunks, err := shared.content()
		if err != nil {
			return err
		}
		g.streams[i].hunks = p.buffer()
		if err := g.streams[i].hunks.write([]byte(hunks)); err != nil {
			return err
		}
	}
	return nil
}

func (g *changeGroup) free() {
	for i := range g.streams {
		g.streams[i].hunks.free()
		g.streams[i].hunks = nil
	}
}

// sorted returns the groups in the order in which they are shown: the smallest first,
// because they are the exceptions.
func (c *Comparison) sorted() []*changeGroup {
	return slices.SortedFunc(maps.Values(c.groups), func(a, b *changeGroup) int {
		return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(a.first, b.first))
	})
}

// Summary is a line about all hosts.
func (c *Comparison) Summary() string {
	var same, differ int
	var only [2]int
	for _, g := range c.groups {
		switch n := len(g.members); {
		case g.pair.After == nil:
			only[0] += n
		case g.pair.Before == nil:
			only[1] += n
		case g.changed:
			differ += n
		default:
			same += n
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{
		{same, "the same on " + hostsText(same)},
		{differ, "different on " + hostsText(differ)},
		{only[0], fmt.Sprintf("%s only in run %d", hostsText(only[0]), c.runs[0])},
		{only[1], fmt.Sprintf("%s only in run %d", hostsText(only[1]), c.runs[1])},
	} {
		if p.n > 0 {
			parts = append(parts, p.text)
		}
	}
	return fmt.Sprintf("runs %d and %d: %s", c.runs[0], c.runs[1], strings.Join(parts, ", "))
}

// Close frees everything. What is queued on the Writers is still printed.
func (c *Comparison) Close() error {
	for _, s := range c.sides {
		for host := range s.byHost {
			s.take(host).free()
		}
		for target := range s.kept.byTarget {
			s.kept.drop(target)
		}
	}
	for _, g := range c.groups {
		g.free()
	}
	clear(c.groups)
	return c.pool.Close()
}
