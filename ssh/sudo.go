package ssh

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"tutti/fanout"
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

// A sudoProof knows whether the password is good. It is sent to one host
// first, and to no other before that one has taken it; once a host has refused
// it nobody gets it any more, because a few more refusals could lock the
// account everywhere. The zero value knows nothing.
type sudoProof struct {
	mu      sync.Mutex // guards what follows
	state   proofState
	by      string        // the host that has refused
	changed chan struct{} // closed when the state changes; nil: nobody waits
}

type proofState int

const (
	proofNone    proofState = iota
	proofTrying             // a host has been sent the password
	proofGood               // some host has taken it, none has refused it
	proofRefused            // some host has refused it
)

// claim waits for leave to send the password. With first, whoever called must
// settle what came of it.
func (p *sudoProof) claim(ctx context.Context) (first bool, err error) {
	for {
		p.mu.Lock()
		switch p.state {
		case proofNone:
			p.state = proofTrying
			p.mu.Unlock()
			return true, nil
		case proofGood:
			p.mu.Unlock()
			return false, nil
		case proofRefused:
			defer p.mu.Unlock()
			return false, fmt.Errorf("the password is not tried here: %s has refused it", p.by)
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// settle notes what came of the password on host. A refusal is never taken
// back.
func (p *sudoProof) settle(state proofState, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == proofRefused {
		return
	}
	p.state = state
	if state == proofRefused {
		p.by = host
	}
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// A sudoEnd is how a conversation with sudo that came to nothing ended, as far
// as sudo does not say it itself.
type sudoEnd struct {
	wrong    bool  // the password was refused
	withheld error // it was not sent
}

// authenticate gives sudo the password if it asks, once, and reports whether
// it lets the command run.
func (s *session) authenticate(ctx context.Context, o *order) bool {
	sent, first := false, false
	settle := func(state proofState) {
		if first || state != proofNone {
			s.proof.settle(state, s.host)
		}
	}
	for {
		var h heard
		var ok bool
		select {
		case h, ok = <-o.talk.heard:
		case <-ctx.Done():
			settle(proofNone)
			return false
		}
		switch {
		case !ok: // sudo has ended, or cannot be heard any more
			if sent {
				settle(s.proofOfEnd(o))
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
		first, s.sudo.withheld = s.proof.claim(ctx)
		s.clock.resume()
		if s.sudo.withheld != nil {
			return false
		}
		if !s.sendPassword(o.task.Sudo.Password) {
			settle(proofNone)
			return false
		}
		sent = true
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
func (s *session) proofOfEnd(o *order) proofState {
	if !s.conn.wire.settled(s.conn.dead) {
		return proofNone // the connection has ended, which says nothing
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
		return cleanLine(strings.Join(signed, "; "), 300)
	}
	return cleanLine(lines[len(lines)-1], 300)
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
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
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
