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

// A sudoEnd is how a conversation with sudo that came to nothing ended, as far
// as sudo does not say it itself.
type sudoEnd struct {
	wrong    bool  // the password was refused
	withheld error // it was not sent
}

// errSudoSilent is a sudo that has the password and says nothing.
var errSudoSilent = errors.New("sudo does not answer")

// authenticate gives sudo the password if it asks, once, and reports whether
// it lets the command run. A sudo that does not answer is given up: the command,
// should it begin after all, is ended as one whose time is up.
func (s *session) authenticate(ctx context.Context, o *remote.Order) bool {
	sent, first := false, false
	settle := func(state proofState) {
		if first || state != proofNone {
			s.proof.settle(state, s.host)
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
			s.inputFailed <- errSudoSilent
			return false
		}
		switch {
		case !ok: // sudo has ended, or cannot be heard any more
			if sent {
				settle(s.proofOfEnd(ctx, o))
			}
			return false
		case h == remote.OKMarker:
			if sent {
				settle(proofGood)
			}
			return true
		case sent:
			s.sudo.wrong = true
			settle(proofRefused)
			return false
		}
		s.clock.pause() // it is we who let the host wait
		first, s.sudo.withheld = s.proof.claim(ctx, s.host)
		s.clock.resume()
		if s.sudo.withheld != nil {
			return false
		}
		if !s.sendPassword(o.Task.Sudo.Password) {
			settle(proofNone)
			return false
		}
		sent = true
		t := time.NewTimer(s.proof.answers())
		defer t.Stop()
		late = t.C
	}
}

func (s *session) sendPassword(password fanout.Secret) bool {
	line := append(append(make([]byte, 0, len(password)+1), password...), '\n')
	defer clear(line)
	_, err := s.ch.Write(line)
	return err == nil
}

// proofOfEnd judges a sudo that took the password and ended. Where it does not
// say that the password was good, and the user not allowed to, it counts as
// refused: to try on could lock the account.
func (s *session) proofOfEnd(ctx context.Context, o *remote.Order) proofState {
	ended := false
	select {
	case <-s.shut:
		ended = s.closed
	case <-ctx.Done(): // something else keeps the channel open
		ended = s.conn.wire.settled(s.conn.dead)
	}
	if !ended {
		return proofNone // it is the connection that has, which says nothing
	}
	if _, _, said := o.Markers.SudoState(); strings.Contains(said, "sudoers") || strings.Contains(said, "not allowed") {
		return proofNone
	}
	s.sudo.wrong = true
	return proofRefused
}

// sudoFailure is the failure of a sudo that has ended without letting the
// command run; nil if it has, or there was none.
func (s *session) sudoFailure() *fanout.Failure {
	o := s.order
	if o.Task.Sudo == nil || o.Markers == nil {
		return nil
	}
	passed, asked, said := o.Markers.SudoState()
	if passed || s.ended < 2 {
		return nil // not all that it said has come
	}
	<-s.fed // which comes soon: the channel is closed
	f := &fanout.Failure{Op: fanout.OpSudo, Refused: true, Final: true}
	said = remote.SudoWords(said)
	switch {
	case s.sudo.withheld != nil:
		f.Message = s.sudo.withheld.Error()
	case s.sudo.wrong:
		f.Message = "the password was refused"
	case o.Task.Sudo.Password == nil && strings.Contains(said, "password"):
		f.Message = "a password is needed: --ask-sudo-pass asks you for it"
	case said == "":
		f.Message = "sudo did not run the command, and did not say why"
	default:
		f.Message = said
	}
	if asked == 0 && o.PTY == nil && strings.Contains(strings.ToLower(said), "tty") {
		_, script := o.Task.Action.(*fanout.Script)
		s.wantsTTY = o.Task.Stdin == nil && !script
		f.Message += "; a terminal carries neither a script nor an input"
	}
	return f
}

// inputFailure is the failure of a session whose input could not be had, or whose
// sudo has not answered.
func (s *session) inputFailure() *fanout.Failure {
	if errors.Is(s.inputErr, errSudoSilent) {
		return &fanout.Failure{Op: fanout.OpSudo, Message: "no answer to the password within " + spell(s.proof.answers()), Hint: remedySudoSilent, Final: true}
	}
	return &fanout.Failure{Op: fanout.OpLocal, Message: "read the input: " + s.inputErr.Error(), Final: true}
}

// belongsToSudo reports whether the command belongs to another user by now. A
// sudo that still asks ends when its input does.
func (s *session) belongsToSudo() bool {
	if s.order.Task.Sudo == nil || s.beside {
		return false
	}
	passed, _, _ := s.order.Markers.SudoState()
	return passed
}

// sudoSignal sends a signal to a command that runs by sudo. The server may not,
// as the command belongs to somebody else; who could start it can end it as
// well, by sudo, on a channel beside. The channel it returns is closed if that
// does not work.
func (s *session) sudoSignal(ctx context.Context, name string) <-chan struct{} {
	refused := make(chan struct{})
	s.helpers.Go(func() {
		// It is most needed when the run has been stopped.
		limit := s.looking
		if ctx.Err() != nil {
			limit = killWait
		}
		ctx, cancel := fanout.WithLimit(context.WithoutCancel(ctx), limit, context.DeadlineExceeded)
		defer cancel()
		if !s.sudoKill(ctx, name) {
			close(refused)
		}
	})
	return refused
}

func (s *session) sudoKill(ctx context.Context, name string) bool {
	leader := s.order.Markers.Leader()
	if leader == "" {
		return false
	}
	ch, requests, err := s.conn.openChannel("session", nil)
	if err != nil {
		return false
	}
	k := s.assistant(ch, requests)
	var report fanout.Report
	k.run(ctx, s.order.Kill(leader, name), 0, io.Discard, io.Discard, &report)
	k.part()
	return report.Exit != nil && report.Exit.Success()
}
