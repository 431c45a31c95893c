package fanout

import (
	"context"
	"io"
)

// An Executor makes attempts. Many goroutines call it at once.
type Executor interface {
	// Exec makes one attempt and reports how it went. It
	//
	//   - calls a.Starting exactly once, after the login and before the first
	//     byte of the command is sent, holding no lock; if that fails, nothing
	//     is sent and the Report has OpLocal;
	//   - does not call a.Starting if task runs nothing;
	//   - bounds the attempt by a.Target.Limits, and does not count the time
	//     that a Write to stdout or stderr takes against them;
	//   - stops what it started remotely, if it can, before it reports
	//     a Timeout or that ctx was done, and decides between OpDeadline and
	//     OpCanceled by context.Cause(ctx);
	//   - returns promptly once ctx is done, also if the peer is silent or a
	//     Write is stuck, and writes nothing to stdout or stderr after that;
	//   - writes to stdout and stderr each from one goroutine at a time. The
	//     slice is not used after Write has returned.
	//
	// Doubt about whether the command was sent counts as Started.
	Exec(ctx context.Context, a Attempt, task Task, stdout, stderr io.Writer) Report

	// Release says that t's last attempt is over, so that its connection may be
	// closed or given to another target. It does not block.
	Release(t Target)
}

// An Attempt is one try at one target.
type Attempt struct {
	// RunID is the run's number in the history; 0 without one.
	RunID int64
	// N counts from 1.
	N      int
	Target Target
	// Targets is how many the plan has.
	Targets int
	// Starting records, durably, that the command is about to be sent to
	// address; see Executor. After an error the command must not be sent.
	Starting func(ctx context.Context, address string) error
}

// A Journal makes the start of a command durable before the command is sent,
// so that after a crash it is known where it may have run. Many goroutines call
// it at once. A nil Journal records nothing.
type Journal interface {
	// Starting returns when the mark is durable. After an error the command is
	// not sent.
	Starting(ctx context.Context, t Target, attempt int, address string) error
}
