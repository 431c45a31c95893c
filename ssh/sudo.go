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

// A sudoDialog is a channel's exchange with sudo, which may ask for the password of the
// run. It records why the password did not work, unless sudo says so itself.
type sudoDialog struct {
	host         string        // name of the target
	passwordGate *passwordGate // of the run
	wrong        bool          // password rejected
	withheld     error         // it was not sent
	wantsTTY     bool          // sudo requires a terminal
}

// errSudoSilent is a sudo that got the password and does not respond.
var errSudoSilent = errors.New("sudo does not respond")

// authenticate sends sudo the password if it asks, once, and reports whether sudo runs
// the command. If sudo does not answer in time, authenticate gives up; should the
// command start after all, it is stopped as on timeout.
func (t *sudoDialog) authenticate(ctx context.Context, c *channel) bool {
	o := c.order
	sent, first := false, false
	record := func(state gateState) {
		if first || state != gateUnknown {
			t.passwordGate.record(state, t.host)
		}
	}
	var late <-chan time.Time
	for {
		var h remote.Marker
		var ok bool
		select {
		case h, ok = <-o.Markers.Markers():
		case <-ctx.Done():
			record(gateUnknown)
			return false
		case <-late:
			record(gateUnknown)
			c.failed <- errSudoSilent
			return false
		}
		switch {
		case !ok: // sudo has ended, or cannot be heard any more
			if sent {
				record(t.stateAfterEnd(ctx, c))
			}
			return false
		case h == remote.OKMarker:
			if sent {
				record(gateAccepted)
			}
			return true
		case sent:
			t.wrong = true
			record(gateRefused)
			return false
		}
		c.clock.pause() // the host is not to blame for this wait
		first, t.withheld = t.passwordGate.claim(ctx, t.host)
		c.clock.resume()
		if t.withheld != nil {
			return false
		}
		if !sendPassword(c.ch, o.Task.Sudo.Password) {
			record(gateUnknown)
			return false
		}
		sent = true
		timer := time.NewTimer(t.passwordGate.answers())
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

// stateAfterEnd decides what a sudo that got the password and ended means for it.
// Unless sudo says that the user is not allowed, the password counts as rejected:
// trying further hosts could lock the account.
func (t *sudoDialog) stateAfterEnd(ctx context.Context, c *channel) gateState {
	ended := false
	select {
	case <-c.shut:
		ended = c.closed
	case <-ctx.Done(): // something else keeps the channel open
		ended = c.conn.wire.settled(c.conn.dead)
	}
	if !ended {
		return gateUnknown // it is the connection that has, which says nothing
	}
	if _, _, said := c.order.Markers.SudoState(); strings.Contains(said, "sudoers") || strings.Contains(said, "not allowed") {
		return gateUnknown
	}
	t.wrong = true
	return gateRefused
}

// failure is the failure of a sudo that ended without running the command; nil if it
// ran it, or there was no sudo.
func (t *sudoDialog) failure(c *channel) *fanout.Failure {
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
