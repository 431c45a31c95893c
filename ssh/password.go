package ssh

import (
	"context"
	"errors"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

// A passwordTry is what becomes of the password in one login. The zero value
// has none.
type passwordTry struct {
	password fanout.Secret
	proof    *sudoProof // of the run
	host     string
	run      context.Context // the login's, without its limit
	limit    *allowance      // of the login; it does not run out while others are waited for
	anyHost  bool            // nobody checks the host's key
	ways     []string        // that may be used; nil: all

	first    bool  // this login is the one that others wait for
	sent     bool  // the host may have been sent it
	refused  bool  // the host has refused it
	withheld error // why it is not sent here
}

// The names of the ways to log in by password.
const (
	byKey      = "publickey"
	byPassword = "password"
	byAnswers  = "keyboard-interactive"
)

// errOtherQuestions is a host that wants to know something else.
var errOtherQuestions = errors.New("the host asks for more than a password")

// errAnyHost is a password that an impostor could have had.
var errAnyHost = errors.New("the password is not given to hosts whose keys are not checked: tutti trust adds them")

// offerPassword returns the way to send the password, or nil if there is none,
// or it was sent already. It waits while the password is tried elsewhere.
func (a *authentication) offerPassword() gossh.AuthMethod {
	p := &a.pass
	if p.sent {
		p.refused = !a.tookPassword
		return nil
	}
	if len(p.password) == 0 || p.withheld != nil || !a.may(byAnswers) && !a.may(byPassword) {
		return nil
	}
	if p.anyHost {
		p.withheld = errAnyHost
		return nil
	}
	if p.first, p.withheld = p.claim(); p.withheld != nil {
		return nil
	}
	p.sent = true
	if a.may(byPassword) {
		return gossh.PasswordCallback(func() (string, error) { return string(p.password), nil })
	}
	return gossh.KeyboardInteractive(p.answer)
}

// may reports whether the host takes a way to send the password, and we may.
func (a *authentication) may(way string) bool {
	return slices.Contains(a.allowed, way) && (a.pass.ways == nil || slices.Contains(a.pass.ways, way))
}

// claim waits until the password may be sent. The host is not to blame for that.
func (p *passwordTry) claim() (first bool, err error) {
	p.limit.pause()
	defer p.limit.resume()
	return p.proof.claim(p.run, p.host)
}

// answer answers the one question that is a password's: one that is not echoed.
func (p *passwordTry) answer(_, _ string, questions []string, echo []bool) ([]string, error) {
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) > 1 || echo[0]:
		return nil, errOtherQuestions
	}
	return []string{string(p.password)}, nil
}

// settle tells those who wait what came of the password. A host that hangs up
// because of failed tries has refused it.
func (p *passwordTry) settle(err error, took bool) {
	switch {
	case !p.sent:
	case err == nil, took:
		p.proof.settle(proofGood, p.host)
	case p.refused, strings.Contains(err.Error(), "authentication failures"):
		p.refused = true
		p.proof.settle(proofRefused, p.host)
	case p.first && p.limit.over():
		p.proof.unanswered(p.host)
	case p.first:
		p.proof.settle(proofNone, p.host)
	}
}

// explain says what came of the password; nothing where there is none.
func (p *passwordTry) explain() []string {
	switch {
	case p.withheld != nil:
		return []string{p.withheld.Error()}
	case p.refused:
		return []string{"the password was refused"}
	}
	return nil
}
