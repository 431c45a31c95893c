package fanout

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// An Outcome is what became of a target.
type Outcome int

const (
	// OK means that the command ran to its end and exited 0; or there was no command and
	// the login worked.
	OK Outcome = iota
	// Failed means that the command ran to its end, with another status or by a signal;
	// or that the host, once logged in to, refused to run it: see Failure.Refused.
	Failed
	// Timeout means that tutti stopped the command because its time was up.
	Timeout
	// Lost means that the command was sent and its result is unknown.
	Lost
	// Unreachable means that the command was never sent and the host did not refuse it;
	// Failure.Op says where it stopped.
	Unreachable
	// Canceled means started, then stopped on request.
	Canceled
	// Skipped means never tried.
	Skipped
	numOutcomes = iota
)

var outcomeNames = [numOutcomes]string{"ok", "failed", "timeout", "lost", "unreachable", "canceled", "skipped"}

// Outcomes returns every outcome, in the order in which they are reported.
func Outcomes() []Outcome {
	return []Outcome{OK, Failed, Timeout, Lost, Unreachable, Canceled, Skipped}
}

// String is the name used in text, JSON and SQL.
func (o Outcome) String() string {
	if o < 0 || o >= numOutcomes {
		return fmt.Sprintf("outcome(%d)", int(o))
	}
	return outcomeNames[o]
}

// ParseOutcome reads an outcome's name.
func ParseOutcome(s string) (Outcome, error) {
	for i, name := range outcomeNames {
		if name == s {
			return Outcome(i), nil
		}
	}
	return 0, fmt.Errorf("unknown outcome %q: want one of %s", s, strings.Join(outcomeNames[:], ", "))
}

// MarshalText is String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText is ParseOutcome.
func (o *Outcome) UnmarshalText(text []byte) error {
	v, err := ParseOutcome(string(text))
	*o = v
	return err
}

// counts reports whether o takes from the failure budget.
func (o Outcome) counts() bool {
	return o == Failed || o == Timeout || o == Lost || o == Unreachable
}

// An Op names the step at which a target stopped.
type Op string

// The ops, in the order in which a target meets them. The text is what JSON
// and SQL show.
const (
	OpResolve    Op = "resolve"    // name resolution
	OpDial       Op = "dial"       // the TCP connection
	OpJump       Op = "jump"       // a bastion on the way
	OpHostKey    Op = "hostkey"    // the host's key is unknown, changed or revoked
	OpLogin      Op = "login"      // version, key exchange and authentication
	OpSession    Op = "session"    // the session channel
	OpExec       Op = "exec"       // the host refused the command
	OpSudo       Op = "sudo"       // sudo refused, or requires a password
	OpConnection Op = "connection" // the connection died under the command
	OpKeepalive  Op = "keepalive"  // the host fell silent under the command
	OpNoStatus   Op = "no_status"  // the channel closed without an exit status
	OpTimeout    Op = "timeout"    // the target's own time was up
	OpDeadline   Op = "deadline"   // the run's time was up
	OpCanceled   Op = "canceled"   // stopped on request
	OpLocal      Op = "local"      // a cause on this machine
)

// An Exit is how a command ended that ran to its end.
type Exit struct {
	// Code is the exit status, meaningless if Signal is set.
	Code uint32
	// Signal is the name of the signal that ended the command, without "SIG",
	// as the host sent it. Empty: the command exited.
	Signal string
	// Core says that the host wrote a core dump.
	Core bool
	// Message is what the host said about the signal.
	Message string
}

// Success reports whether the command exited with status 0.
func (e Exit) Success() bool { return e.Signal == "" && e.Code == 0 }

// What is known about a command on its host after it was stopped, or lost.
const (
	// RemoteEnded: it is proved that the command is gone.
	RemoteEnded = "ended"
	// RemoteUnknown: it may still be running.
	RemoteUnknown = "unknown"
)

// A Cause is the code of a failure that something can be done about.
type Cause string

// A Failure is why a command did not run to its end.
type Failure struct {
	Op Op
	// Message is one line for people, the same for all targets with the same
	// trouble, so that reports can fold them. It never holds a secret or the
	// command.
	Message string
	// Detail is what differs from target to target and a person needs:
	// fingerprints, places in files. Empty: nothing does.
	Detail string
	// Cause is its code, one of the executor's, by which programs find out what can be
	// done about it. Empty: nothing, or it is not known. It is not recorded.
	Cause Cause
	// Hint is what the operator can do about it, on one line, and the same for
	// equal messages. Empty: nothing is known.
	Hint string
	// Refused says that the login worked, and that the host then refused to run the
	// command: a session, the request itself, a terminal, sudo.
	Refused bool
	// Remote is RemoteEnded or RemoteUnknown once the command was sent, else
	// empty.
	Remote string
	// Final says that another attempt cannot help: a refused key, a changed
	// host key, a configuration error.
	Final bool
}

// Text is the message with its detail: what to say where a target stands alone.
func (f Failure) Text() string {
	if f.Detail == "" {
		return f.Message
	}
	return f.Message + ": " + f.Detail
}

// A Report is what an Executor says of one attempt.
type Report struct {
	// Exit is set if the command ran to its end and the host said how.
	Exit *Exit
	// Failure is set if it did not. Both are nil if there was no command, or if the
	// host never sends an exit status and has closed the session.
	Failure *Failure
	// Started says that the command was sent, or may have been.
	Started bool
	// OutputComplete says that everything the command wrote has arrived. It is
	// false for a command whose output was still held open by another process.
	OutputComplete bool
	// Address is the host and port that was reached or tried.
	Address string
	// The time each step took; 0 for a step that was not reached or that a
	// pooled connection saved.
	Resolve, Dial, Login, Command time.Duration
}

// Connect is how long it took to a login: the steps together, in the whole
// milliseconds that are shown and recorded of each.
func (r Report) Connect() time.Duration {
	const ms = time.Millisecond
	return r.Resolve.Truncate(ms) + r.Dial.Truncate(ms) + r.Login.Truncate(ms)
}

// Outcome is what the report means for a target whose last attempt it is.
func (r Report) Outcome() Outcome {
	switch {
	case r.Exit != nil && r.Exit.Success():
		return OK
	case r.Exit != nil:
		return Failed
	case r.Failure == nil:
		return OK
	}
	switch r.Failure.Op {
	case OpCanceled:
		return Canceled
	case OpDeadline:
		if !r.Started {
			return Canceled
		}
		return Timeout
	case OpTimeout:
		if r.Started {
			return Timeout
		}
	}
	switch {
	case r.Started:
		return Lost
	case r.Failure.Refused:
		return Failed
	}
	return Unreachable
}

// A Result is what became of a target. It holds no output.
type Result struct {
	Target  Target
	Outcome Outcome
	// Report of the last attempt; zero if there was none.
	Report Report
	// Attempts is how many there were; 0 for a skipped target.
	Attempts int
	// QueuedAt is when the run started. BegunAt is when a worker took the target
	// for the first time, StartedAt when the last attempt's command was sent,
	// EndedAt when the last attempt ended; each is zero if it never happened.
	QueuedAt, BegunAt, StartedAt, EndedAt time.Time
	// Bytes that the last attempt wrote.
	StdoutBytes, StderrBytes int64
	// OmittedBytes is how many of them are not in the record this result was
	// read from; 0 for a live run.
	OmittedBytes int64
}

// Stopped says what ended a run before it was through.
type Stopped int

const (
	// StoppedNone means that the run reached its end.
	StoppedNone Stopped = iota
	// StoppedBudget means that more targets failed than MaxFail tolerates.
	StoppedBudget
	// StoppedDeadline means that the run's time was up.
	StoppedDeadline
	// StoppedSignal means that an operator or the system interrupted it.
	StoppedSignal
	// StoppedKill means that another process asked to stop it.
	StoppedKill
	// StoppedSink means that its events can no longer be written.
	StoppedSink
	// StoppedRefused means that a run that had waited could not be started.
	StoppedRefused
	// StoppedPoisoned means that it was not started since the daemons that were to do so
	// died, one after the other.
	StoppedPoisoned
	// StoppedSecretsGone means that it was not started since its secrets were lost with
	// the process that had them.
	StoppedSecretsGone
)

var stoppedNames = []string{"none", "budget", "deadline", "signal", "kill", "sink", "refused", "poisoned", "secrets_gone"}

// String is the name used in JSON and SQL.
func (s Stopped) String() string {
	if s < 0 || int(s) >= len(stoppedNames) {
		return fmt.Sprintf("stopped(%d)", int(s))
	}
	return stoppedNames[s]
}

// ParseStopped reads the name that String gives.
func ParseStopped(s string) (Stopped, error) {
	for i, name := range stoppedNames {
		if name == s {
			return Stopped(i), nil
		}
	}
	return 0, fmt.Errorf("unknown reason to stop %q", s)
}

// The causes with which the context of a run is canceled
// (context.WithCancelCause). They decide outcomes; see Report. A cause that
// wraps none of them counts as ErrKill.
var (
	ErrDeadline = errors.New("the run's deadline passed")
	ErrSignal   = errors.New("interrupted")
	ErrKill     = errors.New("stopped on request")
	ErrSink     = errors.New("the results cannot be reported")
)

// A Summary is a whole run in numbers.
type Summary struct {
	// Counts is how many targets ended with each outcome, by Outcome.
	Counts [numOutcomes]int
	// Hosts is the number of targets; the sum of Counts at the end of a run.
	Hosts   int
	Stopped Stopped
	// SpentBy is the name of the target whose failure spent the budget.
	SpentBy string
	// RemoteCode is the highest code that `ssh` would have exited with for any
	// of the targets: the command's own, 128+n for a signal, 255 for a target
	// without either.
	RemoteCode int
	// Started and Ended are when the run started and ended.
	Started, Ended time.Time
}

// Add counts r.
func (s *Summary) Add(r Result) {
	s.Counts[r.Outcome]++
	s.Hosts++
	s.RemoteCode = max(s.RemoteCode, r.remoteCode())
}

// remoteCode is what `ssh` would have exited with.
func (r Result) remoteCode() int {
	switch {
	case r.Outcome == OK:
		return 0
	case r.Report.Exit == nil:
		return 255
	case r.Report.Exit.Signal != "":
		if n := signalNumber(r.Report.Exit.Signal); n > 0 {
			return 128 + n
		}
		return 255
	}
	return int(min(r.Report.Exit.Code, math.MaxUint8))
}

// signalNumber is the number that the common systems agree on, 0 for a signal
// that they number differently or do not know.
func signalNumber(name string) int {
	switch name {
	case "HUP":
		return 1
	case "INT":
		return 2
	case "QUIT":
		return 3
	case "ILL":
		return 4
	case "TRAP":
		return 5
	case "ABRT":
		return 6
	case "FPE":
		return 8
	case "KILL":
		return 9
	case "SEGV":
		return 11
	case "PIPE":
		return 13
	case "ALRM":
		return 14
	case "TERM":
		return 15
	}
	return 0
}
