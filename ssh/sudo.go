package ssh

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// A sudoTalk is the conversation of a channel with sudo, which may ask for the
// password of the run. What of it came to nothing is kept, as far as sudo does not
// say it itself.
type sudoTalk struct {
	host     string     // name of the target
	proof    *sudoProof // of the run
	wrong    bool       // password rejected
	withheld error      // it was not sent
	wantsTTY bool       // sudo runs nothing without a terminal
}

// errSudoSilent is a sudo that has the password and says nothing.
var errSudoSilent = errors.New("sudo does not respond")

// authenticate gives the sudo of c the password if it asks, once, and reports whether
// it lets the command run. A sudo that does not answer is given up: the command,
// should it begin after all, is ended as one whose time is up.
func (t *sudoTalk) authenticate(ctx context.Context, c *channel) bool {
	o := c.order
	sent, first := false, false
	settle := func(state proofState) {
		if first || state != proofNone {
			t.proof.settle(state, t.host)
		}
	}
	var late <-chan time.Time
	for {
		var h remote.Marker
		var ok bool
		select {
		case h, ok = <-o.Markers.Markers():
		case <-ctx.Done():
			settle(proofNone)
			return false
		case <-late:
			settle(proofNone)
			c.failed <- errSudoSilent
			return false
		}
		switch {
		case !ok: // sudo has ended, or cannot be heard any more
			if sent {
				settle(t.proofOfEnd(ctx, c))
			}
			return false
		case h == remote.OKMarker:
			if sent {
				settle(proofGood)
			}
			return true
		case sent:
			t.wrong = true
			settle(proofRefused)
			return false
		}
		c.clock.pause() // it is we who let the host wait
		first, t.withheld = t.proof.claim(ctx, t.host)
		c.clock.resume()
		if t.withheld != nil {
			return false
		}
		if !sendPassword(c.ch, o.Task.Sudo.Password) {
			settle(proofNone)
			return false
		}
		sent = true
		timer := time.NewTimer(t.proof.answers())
		defer timer.Stop()
		late = timer.C
	}
}

func sendPassword(to io.Writer, password fanout.Secret) bool {
	line := append(append(make([]byte, 0, len(password)+1), password...), '\n')
	defer clear(line)
	_, err := to.Write(line)
	return err == nil
}

// proofOfEnd judges a sudo that took the password and ended. Where it does not
// say that the password was good, and the user not allowed to, it counts as
// refused: to try on could lock the account.
func (t *sudoTalk) proofOfEnd(ctx context.Context, c *channel) proofState {
	ended := false
	select {
	case <-c.shut:
		ended = c.closed
	case <-ctx.Done(): // something else keeps the channel open
		ended = c.conn.wire.settled(c.conn.dead)
	}
	if !ended {
		return proofNone // it is the connection that has, which says nothing
	}
	if _, _, said := c.order.Markers.SudoState(); strings.Contains(said, "sudoers") || strings.Contains(said, "not allowed") {
		return proofNone
	}
	t.wrong = true
	return proofRefused
}

// failure is the failure of a sudo that has ended without letting the
// command run; nil if it has, or there was none.
func (t *sudoTalk) failure(c *channel) *fanout.Failure {
	o := c.order
	if o.Task.Sudo == nil || o.Markers == nil {
		return nil
	}
	passed, asked, said := o.Markers.SudoState()
	if passed || c.ended < 2 {
		return nil // not all that it said has come
	}
	<-c.fed // which comes soon: the channel is closed
	f := &fanout.Failure{Op: fanout.OpSudo, Refused: true, Final: true}
	said = remote.SudoWords(said)
	switch {
	case t.withheld != nil:
		f.Message = t.withheld.Error()
	case t.wrong:
		f.Message = "password rejected"
	case o.Task.Sudo.Password == nil && strings.Contains(said, "password"):
		f.Message, f.Cause = "password required", CauseSudoPassword
	case said == "":
		f.Message = "sudo did not run the command and gave no reason"
	default:
		f.Message = said
	}
	if asked == 0 && o.PTY == nil && strings.Contains(strings.ToLower(said), "tty") {
		_, script := o.Task.Action.(*fanout.Script)
		t.wantsTTY = o.Task.Stdin == nil && !script
		f.Message += "; a terminal can carry neither a script nor standard input"
	}
	return f
}
