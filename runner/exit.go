package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"tutti/fanout"
	"tutti/internal/fault"
)

// The exit codes of a run and of all other commands. 255 is never one of them, so
// that it always comes from a remote command; a Go program that crashes
// exits with 2 as well.
const (
	ExitOK          = 0
	ExitInternal    = 1
	ExitUsage       = 2
	ExitFailed      = 3
	ExitUnreachable = 4
	ExitStopped     = 5
	ExitClosedPipe  = 141
)

// ExitCode is the only place where a result becomes an exit code. sig, the signal that
// stopped the run, comes first, then err, then s; both may be nil.
func ExitCode(s fanout.Summary, err error, sig os.Signal) int {
	switch {
	case sig != nil:
		return SignalCode(sig)
	case errors.Is(err, syscall.EPIPE):
		return ExitClosedPipe
	case errors.As(err, new(*fault.UsageError)):
		return ExitUsage
	case err != nil || s.Stopped == fanout.StoppedSink:
		return ExitInternal
	case s.Stopped == fanout.StoppedSignal || s.Stopped == fanout.StoppedKill:
		return SignalCode(os.Interrupt)
	case s.Stopped != fanout.StoppedNone:
		return ExitStopped
	case s.Counts[fanout.Unreachable] > 0:
		return ExitUnreachable
	case s.Counts[fanout.OK] < s.Hosts:
		return ExitFailed
	}
	return ExitOK
}

// SignalCode is the code a shell gives to a process that died of sig.
func SignalCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return ExitInternal
}

// An ExitError is the result of a run whose hosts are not all ok. The view has
// already reported everything but the exit code.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// OnlyOutcomes reports whether err, the result of a run, is nil or an [ExitError].
func OnlyOutcomes(err error) bool { return err == nil || errors.As(err, new(*ExitError)) }
