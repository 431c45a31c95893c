package keeper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tutti/fanout"
	"tutti/ssh"
)

// A kind says what a message is.
type kind byte

const (
	// From the caller.
	kindHello    kind = iota + 1 // hello
	kindEndpoint                 // lentEndpoint, as many as hello says
	kindExec                     // order; about an attempt
	kindStop                     // the cause; about an attempt
	kindRelease                  // about an endpoint
	kindPing                     // answered by kindPong
	kindBye                      // answered by kindBye, when nothing of the session is left

	// From the keeper.
	kindWelcome // welcome
	kindReport  // fanout.Report; about an attempt
	kindPong
	kindWarn   // text
	kindBanner // banner
	kindDebug  // debugLine

	// Questions of the keeper; about a question. The body begins with the attempt.
	kindStarting // the address
	kindOutput   // stream, then the output
	kindInput    // inputRequest
	kindSign     // signRequest, without an attempt

	// The answer to a question.
	kindAnswer // 0 and what was asked for, or 1 and an error
)

// headerSize is that of the length, the kind and the number of a message; maxMessage
// bounds the rest.
const (
	headerSize = 9
	maxMessage = 16 << 20
)

// A message is what one side sends to the other.
type message struct {
	kind   kind
	number uint32
	body   []byte
}

// append adds m, as it is sent, to b.
func (m message) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.body))) //nolint:gosec // checked by who makes it
	b = append(b, byte(m.kind))
	b = binary.BigEndian.AppendUint32(b, m.number)
	return append(b, m.body...)
}

// read reads one message.
func read(r io.Reader) (message, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return message{}, fmt.Errorf("a message of %d bytes, over the limit of %d", size, maxMessage)
	}
	m := message{kind: kind(head[4]), number: binary.BigEndian.Uint32(head[5:]), body: make([]byte, size)}
	_, err := io.ReadFull(r, m.body)
	return m, err
}

// encode is v as the body of a message. What a message consists of can be encoded.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Appendf(nil, "%q", err.Error()) // which the other side cannot decode
	}
	return body
}

func (m message) decode(v any) error {
	if err := json.Unmarshal(m.body, v); err != nil {
		return fmt.Errorf("message %d: %w", m.kind, err)
	}
	return nil
}

// cut is the number that the body begins with, and the rest.
func cut(body []byte) (uint32, []byte, error) {
	if len(body) < 4 {
		return 0, nil, errors.New("a message is too short")
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// What a caller wants.
const (
	wantRun  = "run"
	wantList = "list"
	wantStop = "stop"
)

// A hello is the first message of a caller.
type hello struct {
	// Version of the caller's program: both sides must be of one.
	Version string
	Want    string

	// Of a run.
	Most             int // idle connections, at most; 0: as before
	KnownHosts       []string
	KillAfter, Drain time.Duration
	Debug            bool
	Keys             []ssh.LentKey
	Endpoints        int // that follow, and then Bastions
	Bastions         int

	// Match, of a stop, is what to end; nil: everything, and the keeper with it.
	Match []Place
}

// A Place is where connections lead.
type Place struct {
	Address string
	Port    int
}

// A welcome answers a hello.
type welcome struct {
	// Error is why there is no session; empty: there is one.
	Error string
	// Other says that Error is about the version of the keeper's program.
	Other bool
	State State
	Ended int
}

// An order is an attempt to make.
type order struct {
	RunID, N int64
	Endpoint int
	Name     string
	Limits   fanout.Limits
	Task     fanout.Task
	Stdin    bool
}

// An inputRequest asks for a piece of an input.
type inputRequest struct {
	Script bool // of the script, not the standard input
	Again  bool // from the start
	Max    int
}

// A signRequest asks for a signature.
type signRequest struct {
	Key       int
	Algorithm string
	Data      []byte
}

type banner struct{ Host, Text string }

// A debugLine is what the keeper's client logs.
type debugLine struct {
	Text  string
	Names []string
	Texts []string
}

// isFaithful reports whether a body has all that was encoded: text that is no UTF-8 has no
// form in JSON, and is replaced.
func isFaithful(body []byte) bool {
	const replaced = `\ufffd`
	for i := 0; i+len(replaced) <= len(body); i++ {
		if body[i] == '\\' && string(body[i:i+len(replaced)]) == replaced {
			return false
		}
	}
	return true
}
