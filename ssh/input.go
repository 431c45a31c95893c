package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// endOfInput is what ends the input of a terminal, which no channel's end
// does.
const endOfInput = 0x04

// errShort is a script that has lost some of itself since it was read.
var errShort = errors.New("the script became shorter")

// An input is what is sent to the command of a channel: what the prologue waits for,
// and the command's own input.
type input struct {
	ch    gossh.Channel
	order *remote.Order
	fed   chan struct{} // closed when nothing more is written
	// failed receives why the input cannot be had, at most once.
	failed chan error
	err    error // that has been received
}

// feed writes what the prologue waits for, and then the command's input. It
// reports whether the input is to be closed: not when it was cut off, because
// half an input must not look like a whole one.
func (in *input) feed(ctx context.Context, c *channel) bool {
	o := in.order
	defer clear(o.Secrets)
	if o.Task.Sudo != nil && !c.sudo.authenticate(ctx, c) {
		// The command will not run; closing the input ends a sudo that still waits.
		return in.endInput()
	}
	if len(o.Secrets) > 0 {
		if _, err := in.ch.Write(o.Secrets); err != nil {
			return false
		}
	}
	if script, ok := o.Task.Action.(*fanout.Script); ok && !in.pour(ctx, script.Source, script.Size) {
		return false
	}
	if o.Task.Stdin == nil {
		return in.endInput()
	}
	return in.untilTaken(ctx, o) && in.pour(ctx, o.Task.Stdin, -1)
}

// endInput ends the input of a terminal, and reports that the channel's input may be
// closed.
func (in *input) endInput() bool {
	if in.order.PTY != nil {
		_, _ = in.ch.Write([]byte{endOfInput}) // it fails only if the channel is gone
	}
	return true
}

// untilTaken waits until the prologue has what is for it. Some of the tools
// that it uses read more than they are asked to.
func (in *input) untilTaken(ctx context.Context, o *remote.Order) bool {
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

// pour writes source, which has size bytes if that is not negative, and reports whether
// it reached its end. A command that does not read its input is no failure.
func (in *input) pour(ctx context.Context, source fanout.Input, size int64) bool {
	from := source.Open(ctx)
	buf := make([]byte, fullPacket)
	for sent := int64(0); ; {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := in.ch.Write(buf[:n]); err != nil {
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
		in.failed <- err
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

// sendEnvironment offers variables, NAME=VALUE, to the host, which takes what
// it will and does not say which.
func sendEnvironment(ch gossh.Channel, environment []string) {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		// An error comes again with the command.
		_, _ = ch.SendRequest("env", false, gossh.Marshal(struct{ Name, Value string }{name, value}))
	}
}

// failure is that of a command whose input could not be had, or whose sudo has not
// answered for so long.
func (in *input) failure(silent time.Duration) *fanout.Failure {
	if errors.Is(in.err, errSudoSilent) {
		return &fanout.Failure{Op: fanout.OpSudo, Message: "no response to the password within " + formatDuration(silent), Cause: CauseSudoSilent, Final: true}
	}
	return &fanout.Failure{Op: fanout.OpLocal, Message: "read the input: " + in.err.Error(), Final: true}
}
