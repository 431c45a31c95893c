package fleet

import (
	"math"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Forever as a duration or a count has no end but the connection's.
const Forever = math.MaxInt64

// Faults are what goes wrong at a host. They combine; the zero value is a host
// in good health.
type Faults struct {
	// Refuse resets every connection as soon as it is accepted.
	Refuse bool
	// Throttle writes this text where the version line belongs and closes, as
	// sshd does with more logins under way than it likes.
	Throttle string
	// ThrottleFirst limits Throttle to the first so many connections the host
	// ever accepted. With 0, and MaxStartups 0 as well, a Throttle that is not
	// empty meets all of them.
	ThrottleFirst int
	// MaxStartups limits Throttle to connections that come while so many
	// others are on their way to a login; 0 means no such limit. Where the
	// text is empty, they are closed without a byte.
	MaxStartups int
	// AcceptDelay is waited before the first byte.
	AcceptDelay time.Duration
	// Preamble is written before the version line. A line of it must end in
	// "\r\n" and not begin with "SSH-".
	Preamble string
	// Stall names the step at which the host falls silent for ever.
	Stall Step
	// WrongHostKey presents an ed25519 key other than KnownHosts says, and
	// nothing else.
	WrongHostKey bool
	// RejectAuth turns every key away.
	RejectAuth bool
	// Banner is shown before the login; a long one in several parts.
	Banner string
	// Latency is added to Options.Latency, in the same way.
	Latency time.Duration
	// Jitter delays bytes by up to this much more, each way. The delays are
	// the same in every run for the same connection number.
	Jitter time.Duration
	// Cut ends the connection at a byte; nil never does.
	Cut *Cut
	// Struck, if set, is called whenever Stall or Cut has taken hold, so that
	// a test need not guess when. The server waits for it to return.
	Struck func()

	// RejectOpen answers every session channel with this error.
	RejectOpen *gossh.OpenChannelError
	// MaxSessions is how many sessions a connection carries at once. One more
	// is answered as sshd does, "open failed"; 0 means no limit.
	MaxSessions int
	// Window is how many bytes of standard input the client may send before
	// the handler has read any; 0 means the library's 2 MiB.
	Window uint32
	// RejectExec answers the exec request with a failure.
	RejectExec bool
	// DenyExec answers the exec request with a failure and runs the command all
	// the same.
	DenyExec bool
	// LateReply answers the exec request only right before the message about
	// the end, after the output of a canned command.
	LateReply bool
	// PacketSize splits output into packets of so many bytes; 0 leaves it be.
	PacketSize int
	// Drip is waited before each packet of output.
	Drip time.Duration
	// Flood is how many bytes of text follow the handler's standard output;
	// Forever floods until the channel ends.
	Flood int64
	// Extended is sent as extended data of type 2, which is undefined, before the
	// handler's output.
	Extended []byte
	// Keepalives is how many global and as many channel requests, each of
	// which wants a reply, the host makes while the command runs.
	Keepalives int
	// RejectSignals refuses signal requests and does not deliver them, as
	// OpenSSH before 10.0 does for root.
	RejectSignals bool
	// IgnoreSignals grants signal requests and does not deliver them.
	IgnoreSignals bool

	// NoExit leaves the message about the end out.
	NoExit bool
	// Exit replaces how the command ended.
	Exit *Exit
	// RawStatus is sent as the payload of exit-status, well-formed or not.
	RawStatus []byte
	// ExitFirst sends Exit, which must be set, before any output.
	ExitFirst bool
	// Hold is how long the channel stays open after the message about the
	// end, with neither end of file nor close.
	Hold time.Duration
	// AfterEOF is sent as output after the end of file.
	AfterEOF []byte
	// Breach breaks the protocol; nil never does.
	Breach *Breach
	// HangUp closes the TCP connection without waiting for the client.
	HangUp HangUp
}

// Step is a point of a connection's life at which a host can fall silent. From
// there on it sends nothing and takes no notice of what it is sent, but the TCP
// connection stands.
type Step int

// The steps, in the order in which they are reached.
const (
	StepNone        Step = iota // never
	StepAccept                  // before the version line
	StepHalfVersion             // in the middle of the version line
	StepVersion                 // after the version line
	StepKexInit                 // after KEXINIT, before the key exchange reply
	StepService                 // after NEWKEYS, before the service is accepted
	StepAuth                    // when a public key is offered
	StepSign                    // when the signature has come, after PK_OK
	StepPassword                // when a password has come
	StepOpen                    // a session channel is asked for; only this request is ignored
	StepExec                    // an exec is asked for; only this request is ignored
)

// Cut ends a connection once the server has written so many bytes. Exactly that
// many reach the client as they should, then comes the end that How names.
type Cut struct {
	// After counts the bytes on the wire, those of Preamble aside.
	After int64
	// FromExec counts from the moment the server has read the first exec
	// request instead of from the version line.
	FromExec bool
	// How it ends.
	How CutMode
}

// CutMode is how a connection ends.
type CutMode int

// The ways a connection ends.
const (
	Reset   CutMode = iota // RST
	Finish                 // FIN; what the client still sends is swallowed
	Silence                // nothing: the connection stands, both directions are dead
	Garble                 // the connection goes on, but every byte from there is wrong
)

// HangUp is when a host closes the TCP connection at the end of a session.
type HangUp int

// The moments to hang up at.
const (
	HangUpNever      HangUp = iota
	HangUpAfterExit         // after the message about the end, without end of file or close
	HangUpAfterClose        // after the channel close, before the client's
)

// strike calls Struck.
func (f *Faults) strike() {
	if f.Struck != nil {
		f.Struck()
	}
}
