package fleet

import (
	"encoding/binary"
	"reflect"
	"unsafe"

	gossh "golang.org/x/crypto/ssh"
)

// A Breach is what a host sends over a connection that it must not send, so that
// a client gives up on it; the TCP connection stands.
type Breach struct {
	// When it is sent.
	When Moment
	// What is sent.
	What Violation
}

// A Moment is a point of a session.
type Moment int

// The moments, in their order; AfterExit comes before the output with ExitFirst.
const (
	MomentNone   Moment = iota // never
	BeforeOutput               // before the command is run
	AfterExit                  // after the message about the end
	AfterEOF                   // after the end of file
	AfterClose                 // after the channel close
)

// A Violation is a packet that breaks the protocol.
type Violation int

// The violations.
const (
	Reopened       Violation = iota // a second confirmation of the channel
	Oversized                       // more data in a packet than the client takes
	WindowOverflow                  // a window of more than 2^32 bytes
	UnknownChannel                  // data for a channel that there is not
	UnknownMessage                  // a message of an undefined type
	Malformed                       // data that ends before it says
	Disconnect                      // a disconnect message
	numViolations
)

// Violations are all of them.
func Violations() []Violation {
	all := make([]Violation, numViolations)
	for i := range all {
		all[i] = Violation(i)
	}
	return all
}

// The numbers of messages, from RFC 4250.
const (
	msgDisconnect   = 1
	msgOpenConfirm  = 91
	msgWindowAdjust = 93
	msgData         = 94
	msgUndefined    = 190
)

// breach sends what must not be sent at this moment, if it is the one.
func (s *session) breach(now Moment) {
	b := s.faults.Breach
	if b == nil || b.When != now {
		return
	}
	to := peek[uint32](s.ch, "remoteId")
	_ = sendRaw(s.conn.ssh, b.What.packet(to)) // the client may have left
	s.faults.strike()
}

// packet is the message, as of the client's channel to.
func (v Violation) packet(to uint32) []byte {
	switch v {
	case Reopened:
		return message(msgOpenConfirm, to, 0, 1<<20, 1<<15)
	case Oversized:
		const n = 40_000
		return append(message(msgData, to, n), make([]byte, n)...)
	case WindowOverflow:
		return message(msgWindowAdjust, to, 1<<32-1)
	case UnknownChannel:
		return append(message(msgData, to+7, 1), 'x')
	case Malformed:
		return message(msgData, to, 100)
	case Disconnect:
		return message(msgDisconnect, 11, 0, 0)
	}
	return message(msgUndefined, to)
}

func message(kind byte, fields ...uint32) []byte {
	p := []byte{kind}
	for _, f := range fields {
		p = binary.BigEndian.AppendUint32(p, f)
	}
	return p
}

// sendRaw sends a packet as it is.
func sendRaw(c *gossh.ServerConn, p []byte) error {
	transport := reflect.ValueOf(c.Conn).Elem().FieldByName("transport").Elem()
	return writePacket(transport.UnsafePointer(), p)
}

// writePacket is the library's, which does not export it. The tests of these faults
// fail if it changes.
//
//go:linkname writePacket golang.org/x/crypto/ssh.(*handshakeTransport).writePacket
func writePacket(transport unsafe.Pointer, p []byte) error
