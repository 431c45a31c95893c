package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/ssh/knownhosts"
)

// failure says why there is no login; ctx is the budget's. Its message is the
// same for all hosts with the same trouble, so that reports can fold them: the
// address stands in the report.
func (l *login) failure(ctx context.Context, err error) *fanout.Failure {
	p := phase(l.phase.Load())
	l.late = errors.Is(context.Cause(ctx), errConnectTimeout)
	if refused, ok := errors.AsType[*knownhosts.Refusal](err); ok {
		return hostKeyFailure(refused)
	}
	if jump, ok := errors.AsType[*jumpError](err); ok {
		return jump.failure
	}
	if l.dropsBeforeBanner > 0 && p != phaseJump && p <= phaseVersion {
		return &fanout.Failure{Op: fanout.OpLogin, Message: l.dropMessage(), Cause: CauseTurnedAway}
	}
	if l.late {
		return l.lateFailure(p)
	}
	if errors.Is(err, errJumpLost) {
		return &fanout.Failure{Op: fanout.OpJump, Message: fmt.Sprintf("via %s: %v", l.ep.via.name(), err)}
	}
	if p < phaseVersion {
		return dialFailure(l.host, err)
	}
	return l.loginFailure(p, err)
}

// lateFailure says that the time was up at p.
func (l *login) lateFailure(p phase) *fanout.Failure {
	return &fanout.Failure{
		Op: l.op(p), Cause: causeOfLate(l.op(p)),
		Message: fmt.Sprintf("login timed out after %s %s", formatDuration(l.limit), l.stage(p)),
	}
}

// stage is where in the login p is.
func (l *login) stage(p phase) string {
	switch {
	case p == phaseJump:
		return l.waited
	case p == phaseDial && l.ep.via != nil:
		return fmt.Sprintf("while %s was connecting", l.ep.via.name())
	}
	return "while " + phaseNames[p]
}

func (l *login) dropMessage() string {
	m := fmt.Sprintf("the host hung up before its SSH banner, %d times", l.dropsBeforeBanner)
	if l.late {
		m += " in " + formatDuration(l.limit)
	}
	if l.dropText != "" {
		m += fmt.Sprintf(", saying %q", l.dropText)
	}
	return m
}

func (l *login) loginFailure(p phase, err error) *fanout.Failure {
	f := &fanout.Failure{Op: fanout.OpLogin}
	negotiation, mismatch := errors.AsType[*gossh.AlgorithmNegotiationError](err)
	text := reason(trimHandshake(err))
	greeted, odd := errors.AsType[*greetingError](err)
	switch {
	case odd:
		f.Message, f.Cause, f.Final = greeted.message, greeted.cause, true
	case mismatch:
		f.Final, f.Cause = true, CauseAlgorithms
		f.Message = noCommon(negotiation)
	case errors.Is(err, errPasswordExpired):
		f.Final, f.Cause, f.Message = true, CausePasswordExpired, errPasswordExpired.Error()
	case errors.Is(err, errRefused), p == phaseAuth && strings.Contains(text, "authentication failures"):
		f.Final, f.Cause = true, l.auth.cause()
		why := l.auth.explain()
		if !errors.Is(err, errRefused) {
			why += "; " + text
			if !l.auth.pass.sent {
				f.Cause = CauseTooManyKeys
			}
		}
		f.Message = fmt.Sprintf("refused for %s: %s", l.ep.User, why)
		l.ep.limiter.refuse("as "+l.ep.User+": "+why, f.Cause)
	case p == phaseAuth && isUnreadable(err):
		// It may be well next time: nothing was said about keys.
		f.Message, f.Cause = unreadable(err), CauseUnreadable
	default:
		f.Message = fmt.Sprintf("failed while %s: %s", phaseNames[p], text)
	}
	return f
}

// noCommon says what the host speaks, first, and what it was asked for.
func noCommon(e *gossh.AlgorithmNegotiationError) string {
	list := func(names []string) string { return sanitize.Line(strings.Join(names, ", "), maxNames) }
	return fmt.Sprintf("no common algorithm for %s: the host offers %s; tutti accepts %s", e.What, list(e.RequestedAlgorithms), list(e.SupportedAlgorithms))
}

// maxNames bounds a list of algorithms.
const maxNames = 400

// trimHandshake takes away the library's own prefix.
func trimHandshake(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		return inner
	}
	return err
}
