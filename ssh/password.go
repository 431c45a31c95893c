package ssh

import (
	"context"
	"errors"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// A passwordTry is what becomes of the password in one login. The zero value has no
// password.
type passwordTry struct {
	password     fanout.Secret
	passwordGate *passwordGate // of the run
	host         string
	run          context.Context // the login's, without its limit
	limit        *allowance      // of the login; stopped while another host tries the password
	anyHost      bool            // the host's key is not checked
	ways         []string        // that may be used; nil: all

	claimed  bool  // it may be sent
	first    bool  // this login is the one that others wait for
	sent     bool  // the host may have been sent it
	refused  bool  // the host has refused it
	withheld error // why it is not sent here
}

// The names of the ways to log in.
const (
	byKey      = "publickey"
	byPassword = "password"
	byAnswers  = "keyboard-interactive"
)

// errOtherQuestions is a host that asks what only a person can answer.
var errOtherQuestions = errors.New("the host asks for more than a password")

// errAnyHost is a password that an impostor could have had.
var errAnyHost = errors.New("refusing to send a password to a host with an unverified key")

// offerPassword returns the method that sends the password, or that goes through steps
// of the host that ask for nothing; nil if there is none, or the password was sent
// already. It waits while another host tries the password.
func (a *authentication) offerPassword() gossh.AuthMethod {
	p := &a.pass
	if p.sent && !a.tookPassword() {
		return nil
	}
	usable := len(p.password) > 0 && !p.sent && p.withheld == nil
	if usable && p.anyHost && (a.may(byPassword) || a.may(byAnswers)) {
		usable, p.withheld = false, errAnyHost
	}
	if usable && a.may(byPassword) {
		if a.claimPassword() {
			p.sent = true
			return gossh.PasswordCallback(func() (string, error) { return string(p.password), nil })
		}
		usable = false
	}
	// A host that has taken nothing yet asks for a password, most likely. It is not
	// asked to begin before there is one to give: it would count that as a failure.
	if usable && a.may(byAnswers) && len(a.taken) == 0 {
		usable = a.claimPassword()
	}
	if a.may(byAnswers) && a.stepped < len(a.taken) && (usable || len(a.taken) > 0) {
		a.stepped = len(a.taken)
		return gossh.KeyboardInteractive(a.answer)
	}
	return nil
}

// may reports whether the host accepts a method and ssh_config allows it.
func (a *authentication) may(way string) bool {
	return slices.Contains(a.allowed, way) && (a.pass.ways == nil || slices.Contains(a.pass.ways, way))
}

// claim waits until the password may be sent. The time does not count against the host.
func (p *passwordTry) claim() (first bool, err error) {
	p.limit.pause()
	defer p.limit.resume()
	return p.passwordGate.claim(p.run, p.host)
}

// claimPassword waits until the password may be sent, and reports whether it may.
func (a *authentication) claimPassword() bool {
	p := &a.pass
	if !p.claimed && p.withheld == nil {
		p.first, p.withheld = p.claim()
		p.claimed = p.withheld == nil
	}
	return p.claimed
}

// tookPassword reports whether the host has accepted the password and wants more.
func (a *authentication) tookPassword() bool {
	return a.pass.sent && (slices.Contains(a.taken, byPassword) || slices.Contains(a.taken, byAnswers))
}

// answer answers a step of the host: one without questions, such as a second factor
// that the operator confirms on another device, and the single question without echo
// that asks for the password. The password is sent once.
func (a *authentication) answer(_, _ string, questions []string, echo []bool) ([]string, error) {
	p := &a.pass
	if len(questions) == 0 {
		return nil, nil
	}
	if len(questions) > 1 || echo[0] || p.sent {
		a.asked = sanitize.Line(strings.Join(questions, " "), 100)
		return nil, errOtherQuestions
	}
	if len(p.password) == 0 {
		return nil, errOtherQuestions
	}
	if p.anyHost {
		p.withheld = errAnyHost
	}
	if p.withheld != nil || !a.claimPassword() {
		return nil, p.withheld
	}
	p.sent = true
	return []string{string(p.password)}, nil
}

// record passes what became of the password on to the gate. A host that disconnects
// because of failed attempts has rejected it.
func (p *passwordTry) record(err error, took bool) {
	switch {
	case !p.sent && !p.first:
	case !p.sent:
		p.passwordGate.record(gateUnknown, p.host)
	case err == nil, took:
		p.passwordGate.record(gateAccepted, p.host)
	case errors.Is(err, errRefused), strings.Contains(err.Error(), "authentication failures"):
		p.refused = true
		p.passwordGate.record(gateRefused, p.host)
	case p.first && p.limit.over():
		p.passwordGate.unanswered(p.host)
	case p.first:
		p.passwordGate.record(gateUnknown, p.host)
	}
}

// explain says what became of the password; nil if nothing did.
func (p *passwordTry) explain() []string {
	switch {
	case p.withheld != nil:
		return []string{p.withheld.Error()}
	case p.refused:
		return []string{"password rejected"}
	}
	return nil
}
