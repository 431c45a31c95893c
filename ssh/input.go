package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// endOfInput is what ends the input of a terminal, which no channel's end
// does.
const endOfInput = 0x04

// errShort is a script that has lost some of itself since it was read.
var errShort = errors.New("the script has become shorter")

// feed writes what the prologue waits for, and then the command's input. It
// reports whether the input is to be closed: not when it was cut off, because
// half an input must not look like a whole one.
func (s *session) feed(ctx context.Context) bool {
	o := s.order
	defer clear(o.Secrets)
	if o.Task.Sudo != nil && !s.authenticate(ctx, o) {
		// Nobody is there to read, or sudo, which shall end.
		return s.endInput()
	}
	if len(o.Secrets) > 0 {
		if _, err := s.ch.Write(o.Secrets); err != nil {
			return false
		}
	}
	if script, ok := o.Task.Action.(*fanout.Script); ok && !s.pour(ctx, script.Source, script.Size) {
		return false
	}
	if o.Task.Stdin == nil {
		return s.endInput()
	}
	return s.untilTaken(ctx, o) && s.pour(ctx, o.Task.Stdin, -1)
}

// endInput tells a terminal that its input is over, and that the channel's input
// may be closed.
func (s *session) endInput() bool {
	if s.order.PTY != nil {
		_, _ = s.ch.Write([]byte{endOfInput}) // if it fails there is nobody to read it
	}
	return true
}

// untilTaken waits until the prologue has what is for it. Some of the tools
// that it uses read more than they are asked to.
func (s *session) untilTaken(ctx context.Context, o *remote.Order) bool {
	if !o.Markers.ExpectsTaken() {
		return true
	}
	select {
	case h, ok := <-o.Markers.Markers():
		return ok && h == remote.TakenMarker
	case <-ctx.Done():
		return false
	}
}

// pour writes in, which has size bytes if that is not negative, and reports
// whether it has come to its end. That the command does not read it is no
// failure: it may be done.
func (s *session) pour(ctx context.Context, in fanout.Input, size int64) bool {
	from := in.Open(ctx)
	buf := make([]byte, fullPacket)
	for sent := int64(0); ; {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := s.ch.Write(buf[:n]); err != nil {
				return false
			}
			sent += int64(n)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return false
		case errors.Is(err, io.EOF) && (size < 0 || sent == size):
			return true
		case errors.Is(err, io.EOF):
			err = fmt.Errorf("%w: %d bytes of %d", errShort, sent, size)
		}
		s.inputFailed <- err
		return false
	}
}

// The modes of a terminal that are set, as RFC 4254 numbers them.
const (
	modeEnd   = 0
	modeEcho  = 53
	modeOPost = 70
)

// ptyRequest asks for a terminal that does not repeat what it is sent and
// changes nothing in what it passes on.
func ptyRequest(p *fanout.PTY) []byte {
	modes := gossh.Marshal(struct {
		Echo     byte
		EchoOn   uint32
		OPost    byte
		OPostOn  uint32
		EndModes byte
	}{Echo: modeEcho, OPost: modeOPost, EndModes: modeEnd})
	return gossh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{Term: p.Term, Columns: uint32(p.Columns), Rows: uint32(p.Rows), Modes: string(modes)})
}

// sendEnvironment offers the endpoint's variables to the host, which takes what
// it will and does not say which.
func (s *session) sendEnvironment() {
	for _, entry := range s.conn.ep.Environment {
		name, value, _ := strings.Cut(entry, "=")
		// An error comes again with the command.
		_, _ = s.ch.SendRequest("env", false, gossh.Marshal(struct{ Name, Value string }{name, value}))
	}
}
