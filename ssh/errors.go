package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// errConnectTimeout is the cause with which a login's own budget runs out.
var errConnectTimeout = errors.New("connect timeout")

// A KeyError is a private key that was named and cannot be used. It is found
// before anything connects.
type KeyError struct {
	// Path of the key file.
	Path string
	Err  error

	hint string
}

// Error says which file and why.
func (e *KeyError) Error() string { return fmt.Sprintf("key %s: %v", e.Path, e.Err) }

// Unwrap is the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Hint is what to do about it; empty if there is nothing to say.
func (e *KeyError) Hint() string { return e.hint }

// What can be done about errors that are found before anything connects: the codes of
// their Advice, whose words the caller has.
const (
	// AdviceNoKeyFile is of a private key that does not exist.
	AdviceNoKeyFile = "no key file"
	// AdviceTooLong is of a command that is too long to be sent.
	AdviceTooLong = "command too long"
)

// Advice is of a key that does not exist.
func (e *KeyError) Advice() (code string, args []any) {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return AdviceNoKeyFile, nil
	}
	return "", nil
}

// stopped is the failure of an attempt whose ctx is done before the command
// was sent.
func stopped(ctx context.Context) *fanout.Failure {
	return &fanout.Failure{Op: stopOp(ctx), Message: stopMessage(ctx)}
}

// stopOp decides by the cause alone, never by the error of a socket.
func stopOp(ctx context.Context) fanout.Op {
	if errors.Is(context.Cause(ctx), fanout.ErrDeadline) {
		return fanout.OpDeadline
	}
	return fanout.OpCanceled
}

func stopMessage(ctx context.Context) string {
	if cause := context.Cause(ctx); cause != nil {
		return cause.Error()
	}
	return context.Canceled.Error()
}

// dialFailure explains why there is no TCP connection to host. A name that does
// not exist is worth showing unless it is the host's own. What this machine has
// run out of is not the host's doing.
func dialFailure(host string, err error) *fanout.Failure {
	switch {
	case outOfFiles(err):
		return &fanout.Failure{Op: fanout.OpLocal, Final: true, Message: "too many open files", Cause: causeOfFiles(err)}
	case noNeighbours(err):
		return &fanout.Failure{
			Op: fanout.OpLocal, Final: true, Cause: CauseNeighbours,
			Message: reason(err) + ": the ARP/neighbor table is full",
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		f := &fanout.Failure{Op: fanout.OpResolve, Message: dns.Err, Cause: CauseResolver}
		if dns.IsNotFound {
			f.Cause = CauseName
			if dns.Name != host {
				f.Message = dns.Name + ": " + dns.Err
			}
		}
		return f
	}
	return &fanout.Failure{Op: fanout.OpDial, Message: reason(err), Cause: causeOfDial(err)}
}

// reason is the innermost part of a network error that a person can use,
// without the addresses, which the message has already.
func reason(err error) string {
	if hungUp(err) {
		return "the host hung up"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	return sanitize.Line(strings.TrimPrefix(err.Error(), "ssh: "), 500)
}

// hungUp reports whether err is a peer that has closed the connection. Which of
// these errors tells is chance.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// formatDuration rounds to 0.1 s, or to 1 ms below a second.
func formatDuration(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
