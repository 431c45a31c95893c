package runner

import (
	"context"
	"os"

	"tutti/fanout"
)

// A View shows a run: on the screen of the operator, in a stream over the network, or
// nowhere. Its methods are called in this order, Code at any time after Begin.
type View interface {
	// Begin makes the sinks that show a run of d. After an error there is no run:
	// nothing has been recorded, and no host contacted.
	Begin(d *Decision) ([]fanout.Sink, error)
	// Attend watches the run until end is called: the returned context ends if the run
	// cannot be shown any more or is to stop, and once halt is closed, no more hosts
	// are started.
	Attend(ctx context.Context) (_ context.Context, halt <-chan struct{}, end func())
	// Code is the exit code for s.
	Code(s fanout.Summary) int
	// Finish shows what is left to show at the end, when the record is complete.
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

// Code is that of s. A signal that came after the run's own end stopped the process,
// not the run.
func (u Unattended) Code(s fanout.Summary) int {
	if s.Stopped != fanout.StoppedSignal || u.Signal == nil {
		return ExitCode(s, nil, nil)
	}
	return ExitCode(s, nil, u.Signal())
}

// Finish shows nothing.
func (Unattended) Finish(context.Context) error { return nil }
