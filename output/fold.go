package output

import (
	"cmp"
	"context"
	"hash"
	"slices"
	"strconv"

	"tutti/fanout"
)

// Fold prints, at the end of each batch and of the run, each different output once,
// with the names of its hosts: the same outcome for the same reason, and the same bytes
// on both streams in the last attempt. The smallest groups come first, because they are
// the exceptions. With Options.Diff the others are printed as their difference from the
// largest. If both streams are one terminal, a group has one header, without the
// reason, which is in the summary, unless two groups differ only by it.
type Fold struct {
	opts   Options
	kept   *transcripts
	block  blockPrinter
	groups map[groupKey]*group
}

var _ fanout.Sink = (*Fold)(nil)

// groupKey is what the hosts of a group have in common.
type groupKey struct {
	what    string
	sums    [2]sum
	omitted [2]int64
}

// A group keeps the output of its first host, for all.
type group struct {
	key     groupKey
	members []member
	first   int // the lowest index, known when the groups are printed
	title   string
	result  fanout.Result
	output  *transcript
}

// NewFold returns a Fold that prints to opts.
func NewFold(opts Options) *Fold {
	f := &Fold{
		opts:   opts,
		kept:   newTranscripts(!opts.NoPrefix),
		block:  newBlockPrinter(opts),
		groups: make(map[groupKey]*group),
	}
	f.kept.hashing = true
	return f
}

// Handle collects e, and prints at the end of a batch or the run. Its error is that of a
// Writer, or of the temporary file.
func (f *Fold) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.Output:
		return f.kept.add(e)
	case fanout.TargetRetrying:
		f.kept.drop(e.Target.Index)
	case fanout.TargetFinished:
		f.add(e.Target, e.Result)
	case fanout.BatchFinished, fanout.RunFinished:
		return f.print()
	}
	return nil
}

// Close frees what was not printed. What is queued on the Writers
// is still printed.
func (f *Fold) Close() error {
	for _, g := range f.groups {
		g.output.free()
	}
	clear(f.groups)
	return f.kept.close()
}

// add puts a finished target into its group.
func (f *Fold) add(t *fanout.Target, r *fanout.Result) {
	output := f.kept.take(t.Index)
	if f.hides(r) && !f.opts.Diff {
		output.free()
		return
	}
	key := groupKey{what: describe(foldable(r)), sums: output.sums(), omitted: output.omitted}
	g := f.groups[key]
	if g == nil {
		output.hash = [2]hash.Hash{}
		g = &group{key: key, result: *r, output: output}
		f.groups[key] = g
	} else {
		output.free()
		g.result = *foldable(&g.result)
	}
	g.members = append(g.members, member{t.Index, t.Name})
}

// hides reports whether a host that ended with r is not printed.
func (f *Fold) hides(r *fanout.Result) bool { return f.opts.Quiet && r.Outcome == fanout.OK }

// print prints the groups and forgets them.
func (f *Fold) print() error {
	groups := f.sorted()
	clear(f.groups)
	alike := f.alike(groups)
	baseline := f.baseline(groups)
	defer baseline.release()
	for i, g := range groups {
		if err := f.printGroup(g, baseline, alike[g.result.Outcome]); err != nil {
			for _, rest := range groups[i+1:] {
				rest.output.free()
			}
			return err
		}
	}
	return nil
}

// sorted is the groups in the order in which they are printed.
func (f *Fold) sorted() []*group {
	groups := make([]*group, 0, len(f.groups))
	for _, g := range f.groups {
		g.first = slices.MinFunc(g.members, func(a, b member) int { return cmp.Compare(a.index, b.index) }).index
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(a.first, b.first))
	})
	return groups
}

// baseline returns the largest of the groups on whose hosts the command was started:
// the others have no output to compare. It is nil without Diff, and if there is no such
// group.
func (f *Fold) baseline(groups []*group) *baseline {
	if !f.opts.Diff {
		return nil
	}
	for _, g := range slices.Backward(groups) {
		if g.result.Report.Started {
			return newBaseline(g, f.title(g))
		}
	}
	return nil
}

// alike are the outcomes that several groups on one terminal have for different
// reasons.
func (f *Fold) alike(groups []*group) map[fanout.Outcome]bool {
	reasons, alike := map[fanout.Outcome]string{}, map[fanout.Outcome]bool{}
	for _, g := range groups {
		if g.output.out == [2]*buffer{} || f.hides(&g.result) {
			continue
		}
		o := g.result.Outcome
		if why, ok := reasons[o]; ok && why != g.key.what {
			alike[o] = true
		}
		reasons[o] = g.key.what
	}
	return alike
}

// printGroup prints g; alike says that another group has the same outcome.
func (f *Fold) printGroup(g *group, s *baseline, alike bool) error {
	if f.hides(&g.result) {
		g.output.free()
		return nil
	}
	h := headingOf(f.title(g), &g.result)
	if f.opts.together() && !alike {
		h = h.briefly()
	}
	switch {
	case s != nil && g == s.group:
		return f.block.printBaseline(h, s)
	case s != nil && g.result.Report.Started:
		return f.block.printDifference(h, g, s)
	}
	return f.block.printBlock(h, g.output)
}

// title is the names of a group, and how many they are.
func (f *Fold) title(g *group) string {
	if g.title == "" { // folding many names takes time
		g.title = foldNames(f.opts.Fold, sortedNames(g.members)) + " (" + strconv.Itoa(len(g.members)) + ")"
	}
	return g.title
}
