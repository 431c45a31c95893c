package output

import (
	"context"
	"fmt"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// A Gathering is when and how a sink shows the output of a host.
type Gathering int

const (
	// GatheringNone shows lines as they come, or not at all.
	GatheringNone Gathering = iota
	// GatheringHost shows a host under a header, when it has finished.
	GatheringHost
	// GatheringFold shows alike hosts under a header, when a batch or the run has
	// finished.
	GatheringFold
)

// Alerts prints at once, on stderr, what an operator should not have to wait for: which
// host has failed, even if it printed nothing, and which batch starts. Skipped or
// canceled hosts did not fail. If stdout and stderr are one terminal with headers, the
// reason is left to the summary, and a host with a header has no line of its own.
type Alerts struct {
	opts      Options
	gathering Gathering
	wrote     map[int]bool // by Target.Index: the attempt has printed something
}

var _ fanout.Sink = (*Alerts)(nil)

// NewAlerts returns Alerts that print to opts.Stderr, alongside a sink that gathers
// output in that way.
func NewAlerts(opts Options, gathering Gathering) *Alerts {
	if !opts.together() {
		gathering = GatheringNone
	}
	return &Alerts{opts: opts, gathering: gathering, wrote: make(map[int]bool)}
}

// Handle prints e. Its error is that of the Writer.
func (a *Alerts) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.BatchStarted:
		if a.opts.Quiet {
			return nil
		}
		return a.opts.Stderr.line(fmt.Appendf(nil, "batch %d of %d: %s\n", e.Batch.Number, e.Batch.Of, hostsText(e.Batch.Hosts)))
	case fanout.Output:
		if a.gathering == GatheringHost && len(e.Data) > 0 {
			a.wrote[e.Target.Index] = true
		}
	case fanout.TargetRetrying:
		delete(a.wrote, e.Target.Index)
	case fanout.TargetFinished:
		headed := a.wrote[e.Target.Index]
		delete(a.wrote, e.Target.Index)
		if headed || !isTrouble(e.Result.Outcome) {
			return nil
		}
		return a.opts.Stderr.line([]byte(a.text(e)))
	}
	return nil
}

// isTrouble reports whether o is the host's result, not a decision made here.
func isTrouble(o fanout.Outcome) bool {
	switch o {
	case fanout.OK, fanout.Skipped, fanout.Canceled:
		return false
	}
	return true
}

func (a *Alerts) text(e fanout.Event) string {
	what := describe(e.Result)
	if a.gathering != GatheringNone {
		what = e.Result.Outcome.String()
	}
	name, what := sanitize.VisibleLine(e.Target.Name), sanitize.VisibleLine(what)
	if a.opts.StderrColor {
		what = outcomeColor(e.Result.Outcome) + what + sanitize.ColourOff
	}
	return name + ": " + what + "\n"
}
