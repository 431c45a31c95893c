package output

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// summaryLines is how many groups of hosts that are not ok are listed, and
// summaryHints how many remedies.
const summaryLines, summaryHints = 10, 3

// Summary prints how a run ended: one line of counts, then the hosts that are not
// ok, by reason, then what can be done about the commonest reasons, and the command
// to continue with. It collects during the run and prints when Print is called, so
// that it can come last, after the results are on disk.
type Summary struct {
	opts    Options
	runID   int64
	summary *fanout.Summary
	reasons map[string]*reasonGroup
	running []member // hosts where the command of an attempt may still run
	cut     []member // hosts whose command ended and whose output may not be whole
}

var _ fanout.Sink = (*Summary)(nil)

// A reasonGroup is the hosts that are not ok for one reason.
type reasonGroup struct {
	text    string
	alone   string // with what is its only host's own
	hint    string
	outcome fanout.Outcome
	first   int // the lowest index
	members []member
}

// NewSummary returns a Summary that prints to opts.Stderr. With opts.Quiet it
// prints nothing if every host is ok.
func NewSummary(opts Options) *Summary {
	return &Summary{opts: opts, reasons: make(map[string]*reasonGroup)}
}

// Handle collects e; it never fails.
func (s *Summary) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.TargetRetrying:
		s.noteRunning(e.Target, e.Result)
	case fanout.TargetFinished:
		s.noteRunning(e.Target, e.Result)
		if r := e.Result.Report; r.Exit != nil && !r.OutputComplete {
			s.cut = append(s.cut, member{e.Target.Index, e.Target.Name})
		}
		s.add(e.Target, e.Result)
	case fanout.RunFinished:
		s.runID, s.summary = e.RunID, e.Summary
	}
	return nil
}

// Print queues the summary on stderr. Before the end of the run there is none.
func (s *Summary) Print() error {
	if s.summary == nil {
		return nil
	}
	if s.opts.Quiet && s.summary.Stopped == fanout.StoppedNone && s.summary.Counts[fanout.OK] == s.summary.Hosts {
		return nil
	}
	return s.opts.Stderr.line([]byte(s.text()))
}

func (s *Summary) add(t *fanout.Target, r *fanout.Result) {
	if r.Outcome == fanout.OK {
		return
	}
	text := becauseText(foldable(r))
	g := s.reasons[text]
	if g == nil {
		g = &reasonGroup{text: text, alone: becauseText(r), outcome: r.Outcome, first: t.Index}
		if f := r.Report.Failure; f != nil && r.Outcome != fanout.Canceled {
			g.hint = f.Hint
		}
		s.reasons[text] = g
	}
	g.first = min(g.first, t.Index)
	g.members = append(g.members, member{t.Index, t.Name})
}

// becauseText is how r ended and why.
func becauseText(r *fanout.Result) string {
	text, why := r.Outcome.String(), reason(r)
	if r.Attempts > 1 {
		why = strings.TrimPrefix(fmt.Sprintf("%s, %d attempts", why, r.Attempts), ", ")
	}
	if why != "" {
		text += " (" + why + ")"
	}
	return text
}

// noteRunning records a target on which an attempt has left a process that may still
// run. A later attempt that is ok does not change that.
func (s *Summary) noteRunning(t *fanout.Target, r *fanout.Result) {
	if f := r.Report.Failure; f != nil && f.Remote == fanout.RemoteUnknown {
		s.running = append(s.running, member{t.Index, t.Name})
	}
}

func (s *Summary) text() string {
	var b strings.Builder
	b.WriteString(s.countsLine())
	groups := s.sorted()
	rest := 0
	for i, g := range groups {
		if i >= summaryLines {
			rest += len(g.members)
			continue
		}
		text := g.text
		if len(g.members) == 1 {
			text = g.alone
		}
		if s.opts.StderrColor {
			text = outcomeColor(g.outcome) + text + sanitize.ColourOff
		}
		fmt.Fprintf(&b, "  %s: %s\n", text, briefNames(s.opts.Fold, sortedNames(g.members)))
	}
	if rest > 0 {
		fmt.Fprintf(&b, "  ... and %s\n", moreHosts(rest))
	}
	if len(s.running) > 0 {
		fmt.Fprintf(&b, "  may still be running on: %s\n", briefNames(s.opts.Fold, sortedNames(s.running)))
	}
	if len(s.cut) > 0 {
		fmt.Fprintf(&b, "  output may be incomplete: %s %s\n", cutText(s.summary.Stopped), briefNames(s.opts.Fold, sortedNames(s.cut)))
	}
	for _, hint := range hintsOf(groups) {
		fmt.Fprintf(&b, "hint: %s\n", sanitize.VisibleLine(hint))
	}
	if next := s.next(); next != "" {
		fmt.Fprintf(&b, "hint: %s\n", next)
	}
	return b.String()
}

// next is the command to continue with; empty if there is none.
func (s *Summary) next() string {
	left := s.summary.Hosts - s.summary.Counts[fanout.OK]
	if s.opts.Again == nil || s.runID == 0 || left == 0 || s.summary.Ended.IsZero() {
		return ""
	}
	command := s.opts.Again(s.runID)
	if command == "" {
		return ""
	}
	which := "that are not ok"
	if left == 1 {
		which = "that is not ok"
	}
	return fmt.Sprintf("%s repeats it on the %s %s", command, hostsText(left), which)
}

// hintsOf are the remedies for groups, those for the most hosts, each once.
func hintsOf(groups []*reasonGroup) []string {
	hosts := map[string]int{}
	var hints []string
	for _, g := range groups {
		if g.hint == "" {
			continue
		}
		if hosts[g.hint] == 0 {
			hints = append(hints, g.hint)
		}
		hosts[g.hint] += len(g.members)
	}
	slices.SortStableFunc(hints, func(a, b string) int { return cmp.Compare(hosts[b], hosts[a]) })
	return hints[:min(summaryHints, len(hints))]
}

// countsLine is the first line: run 142: 18 ok, 2 failed of 20 in 2.4s.
func (s *Summary) countsLine() string {
	var b strings.Builder
	b.WriteString("run")
	if s.runID != 0 {
		fmt.Fprintf(&b, " %d", s.runID)
	}
	sep, ended := ": ", 0
	for _, o := range fanout.Outcomes() {
		if n := s.summary.Counts[o]; n > 0 {
			fmt.Fprintf(&b, "%s%d %s", sep, n, o)
			sep = ", "
			ended += n
		}
	}
	switch {
	case s.summary.Hosts == 0:
		b.WriteString(": no hosts")
	case ended == 0:
		fmt.Fprintf(&b, ": none of %d", s.summary.Hosts)
	default:
		fmt.Fprintf(&b, " of %d", s.summary.Hosts)
	}
	if s.opts.Of > s.summary.Hosts {
		fmt.Fprintf(&b, " chosen from %d", s.opts.Of)
	}
	switch {
	case !s.summary.Ended.IsZero():
		fmt.Fprintf(&b, " in %s%s\n", durationText(durationOf(s.summary)), stoppedText(s.summary))
	case s.opts.CutOff:
		b.WriteString(", cut off\n")
	case s.opts.Queued:
		b.WriteString(", waiting for a daemon\n")
	default: // a run that is shown while another process executes it
		b.WriteString(" so far, still running\n")
	}
	return b.String()
}

// cutText is why the output of the hosts named next may be incomplete. A run that is
// stopped does not wait for the rest of it.
func cutText(s fanout.Stopped) string {
	switch s {
	case fanout.StoppedDeadline, fanout.StoppedSignal, fanout.StoppedKill, fanout.StoppedSink:
		return "the run was stopped before all of it had come from"
	}
	return "a background process still has it open on"
}

func stoppedText(s *fanout.Summary) string {
	switch s.Stopped {
	case fanout.StoppedBudget:
		if s.SpentBy != "" {
			return ", stopped by the failure budget at " + sanitize.VisibleLine(s.SpentBy)
		}
		return ", stopped by the failure budget"
	case fanout.StoppedDeadline:
		return ", stopped by the deadline"
	case fanout.StoppedSignal:
		return ", stopped by a signal"
	case fanout.StoppedKill:
		return ", stopped by another process"
	case fanout.StoppedSink:
		return ", stopped because the results could not be written"
	case fanout.StoppedRefused:
		return ", not started"
	case fanout.StoppedPoisoned:
		return ", not started: the daemons that were to start it died"
	case fanout.StoppedSecretsGone:
		return ", not started: its secrets were lost with the daemon that had them"
	}
	return ""
}

// sorted is the groups in the order of outcomes, the largest first.
func (s *Summary) sorted() []*reasonGroup {
	groups := make([]*reasonGroup, 0, len(s.reasons))
	for _, g := range s.reasons {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *reasonGroup) int {
		return cmp.Or(
			cmp.Compare(a.outcome, b.outcome),
			cmp.Compare(len(b.members), len(a.members)),
			cmp.Compare(a.first, b.first),
		)
	})
	return groups
}

// durationOf is how long a run took.
func durationOf(s *fanout.Summary) time.Duration { return s.Ended.Sub(s.Started) }
