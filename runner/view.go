package runner

import (
	"context"
	"os"

	"tutti/fanout"
)

// A View is where a run is shown: the screen of who launched it, a stream over
// the network, or nowhere. Its methods are called in this order, Code at any time
// after Begin.
type View interface {
	// Begin makes what shows a run of d. An error refuses the run, of which there
	// is no record yet; nothing connects before.
	Begin(d *Decision) ([]fanout.Sink, error)
	// Attend watches over the run until end is called: the context ends if the run
	// cannot be shown any more, or is to stop, and no host is started any more once
	// halt is closed.
	Attend(ctx context.Context) (_ context.Context, halt <-chan struct{}, end func())
	// Code is the exit code for s.
	Code(s fanout.Summary) int
	// Finish shows what there is to show at the end, when the record is complete.
	Finish(ctx context.Context) error
}

// Unattended is the view of a run without an operator: its results are in the history
// only.
type Unattended struct {
	// Signal is the signal that asked this process to stop, nil so far; nil: it
	// gets none.
	Signal func() os.Signal
}

var _ View = Unattended{}

// Begin shows nothing.
func (Unattended) Begin(*Decision) ([]fanout.Sink, error) { return nil, nil }

// Attend leaves the run alone.
func (Unattended) Attend(ctx context.Context) (context.Context, <-chan struct{}, func()) {
	return ctx, nil, func() {}
}

// Code is that of s. A signal that came when the run had come to its own end
// stopped the process, and not the run.
func (u Unattended) Code(s fanout.Summary) int {
	if s.Stopped != fanout.StoppedSignal || u.Signal == nil {
		return ExitCode(s, nil, nil)
	}
	return ExitCode(s, nil, u.Signal())
}

// Finish shows nothing.
func (Unattended) Finish(context.Context) error { return nil }
