package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// sudoText is shell text that carries out inner as another user. It says its
// own number first: that of the group that is to be ended if it comes to that.
// sudo drops the mark of the connection from the environment, by which what is
// left of the command is found; it is handed on as an argument.
func sudoText(s *fanout.Sudo, t *talk, inner string) string {
	how := "-n"
	if s.Password != nil {
		// What sudo remembers of earlier passwords would be luck: it is asked
		// to forget, and asks always or never.
		how = fmt.Sprintf("-k -S -p %s", t.prompt)
	}
	inner = "SSH_CONNECTION=$1; [ -z \"$1\" ] || export SSH_CONNECTION; shift\n" + inner
	return fmt.Sprintf("%s\nprintf '%%s;' \"$$\" >&2\nexec sudo %s -u %s -- /bin/sh -c %s sh \"$SSH_CONNECTION\"",
		say(string(t.open)), how, quote(s.User), quote(inner))
}

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
func (s *session) authenticate(ctx context.Context, o *order) bool {
	sent, first := false, false
	settle := func(state proofState) {
		if first || state != proofNone {
			s.proof.settle(state, s.host)
		}
	}
	var late <-chan time.Time
	for {
		var h heard
		var ok bool
		select {
		case h, ok = <-o.talk.heard:
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
		case h == heardOK:
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
		if !s.sendPassword(o.task.Sudo.Password) {
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
func (s *session) proofOfEnd(ctx context.Context, o *order) proofState {
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
	if _, _, said := o.talk.sudoState(); strings.Contains(said, "sudoers") || strings.Contains(said, "not allowed") {
		return proofNone
	}
	s.sudo.wrong = true
	return proofRefused
}

// sudoFailure is the failure of a sudo that has ended without letting the
// command run; nil if it has, or there was none.
func (s *session) sudoFailure() *fanout.Failure {
	o := s.order
	if o.task.Sudo == nil || o.talk == nil {
		return nil
	}
	passed, asked, said := o.talk.sudoState()
	if passed || s.ended < 2 {
		return nil // not all that it said has come
	}
	<-s.fed // which comes soon: the channel is closed
	f := &fanout.Failure{Op: fanout.OpSudo, Refused: true, Final: true}
	said = sudoWords(said)
	switch {
	case s.sudo.withheld != nil:
		f.Message = s.sudo.withheld.Error()
	case s.sudo.wrong:
		f.Message = "the password was refused"
	case o.task.Sudo.Password == nil && strings.Contains(said, "password"):
		f.Message = "a password is needed: --ask-sudo-pass asks you for it"
	case said == "":
		f.Message = "sudo did not run the command, and did not say why"
	default:
		f.Message = said
	}
	if asked == 0 && o.pty == nil && strings.Contains(strings.ToLower(said), "tty") {
		s.wantsTTY = o.task.Stdin == nil && o.task.Script == nil
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

// sudoWords is what sudo said, fit for a message: the lines it put its name to,
// or else the last, without the command, which a sudo that refuses it quotes.
func sudoWords(said string) string {
	if before, _, quoted := strings.Cut(said, "/bin/sh"); quoted {
		said = strings.TrimRight(before, " '\"‘“`") + " the command"
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	var signed []string
	for _, line := range lines {
		if words, ok := strings.CutPrefix(strings.TrimSpace(line), "sudo: "); ok {
			signed = append(signed, words)
		}
	}
	if len(signed) > 0 {
		return sanitize.Line(strings.Join(signed, "; "), 300)
	}
	return sanitize.Line(lines[len(lines)-1], 300)
}

// belongsToSudo reports whether the command belongs to another user by now. A
// sudo that still asks ends when its input does.
func (s *session) belongsToSudo() bool {
	if s.order.task.Sudo == nil || s.beside {
		return false
	}
	passed, _, _ := s.order.talk.sudoState()
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
	leader := s.order.talk.leader()
	if leader == "" {
		return false
	}
	ch, requests, err := s.conn.openChannel("session", nil)
	if err != nil {
		return false
	}
	k := s.assistant(ch, requests)
	var report fanout.Report
	k.run(ctx, killOrder(s.order, leader, name), 0, io.Discard, io.Discard, &report)
	k.part()
	return report.Exit != nil && report.Exit.Success()
}

// killOrder signals the group of a process that o has started. The number is
// still its own: its end has not been reported.
func killOrder(o *order, leader, name string) *order {
	k := &order{task: &fanout.Task{Sudo: o.task.Sudo}, talk: newTalk(), pty: o.pty}
	inner := fmt.Sprintf("%s\nkill -s %s -- -%s", say(string(k.talk.ok)), name, leader)
	k.command = loginLine(sudoText(o.task.Sudo, k.talk, inner))
	return k
}
