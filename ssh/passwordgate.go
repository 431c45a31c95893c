package ssh

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// passwordPatience is how long others wait for the first host that was sent the
	// password. Then it is sent to one more.
	passwordPatience = 30 * time.Second
	// sudoPatience is how long sudo has to answer a password. It is long because the
	// operator may have to confirm on a telephone, and because the command could
	// start at the very moment of giving up.
	sudoPatience = 2 * time.Minute
	// maxSilent is how many hosts may have the password and not have answered. Each
	// could still reject it, and a few rejections can lock the account everywhere.
	maxSilent = 3
)

// A passwordGate decides which hosts may be sent the password, of a login or of sudo.
// It admits one host first, and no other before that host has accepted it; once a host
// has rejected it, it admits none, because a few more rejections could lock the account
// everywhere. A host that does not answer holds the others up for passwordPatience;
// after maxSilent such hosts the gate admits none, until one of them has answered. The
// zero value is ready for use.
type passwordGate struct {
	// warn reports which host holds the others up; may be nil.
	warn func(string)
	// patience and answer replace passwordPatience and sudoPatience, if not 0.
	patience, answer time.Duration

	mu      sync.Mutex // guards what follows
	state   gateState
	by      string        // the host that has been sent it, or has rejected it
	since   time.Time     // when it was sent to that host
	silent  []string      // hosts that have not answered in time
	changed chan struct{} // closed when the state changes; nil: no goroutine waits
}

// waits is how long the others wait for a host.
func (p *passwordGate) waits() time.Duration { return cmp.Or(p.patience, passwordPatience) }

// answers is how long sudo has to answer.
func (p *passwordGate) answers() time.Duration { return cmp.Or(p.answer, sudoPatience) }

type gateState int

const (
	gateUnknown  gateState = iota
	gateTrying             // a host has been sent the password
	gateAccepted           // a host has accepted it, none has rejected it
	gateRefused            // a host has rejected it
)

// claim waits until the password may be sent to host. If first is true, the caller must
// record the result.
func (p *passwordGate) claim(ctx context.Context, host string) (first bool, err error) {
	for {
		decided, first, err := p.decide(host)
		if decided {
			return first, err
		}
		if err := p.wait(ctx); err != nil {
			return false, err
		}
	}
}

// decide is claim where that need not wait.
func (p *passwordGate) decide(host string) (decided, first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == gateAccepted:
		return true, false, nil
	case p.state == gateRefused:
		return true, false, fmt.Errorf("password not tried: %s rejected it", p.by)
	case p.state == gateTrying:
		return false, false, nil
	case len(p.silent) >= maxSilent:
		return true, false, fmt.Errorf("password not tried: no response from %s within %s", strings.Join(p.silent, ", "), formatDuration(p.waits()))
	}
	p.state, p.by, p.since = gateTrying, host, time.Now()
	return true, true, nil
}

// wait waits until the state has changed, and gives up the host that has been sent
// the password when that has taken too long.
func (p *passwordGate) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.state != gateTrying {
		p.mu.Unlock()
		return nil
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	changed, since := p.changed, p.since
	p.mu.Unlock()
	t := time.NewTimer(p.waits() - time.Since(since))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
		p.giveUp(since)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// giveUp admits another host, if the one that was sent the password at since still has
// not answered.
func (p *passwordGate) giveUp(since time.Time) {
	p.mu.Lock()
	if p.state != gateTrying || !p.since.Equal(since) {
		p.mu.Unlock()
		return
	}
	host := p.by
	p.noteSilence()
	p.mu.Unlock()
	if p.warn != nil {
		p.warn(fmt.Sprintf("%s did not respond to the password within %s: trying the other hosts", host, formatDuration(p.waits())))
	}
}

// noteSilence records that the host that was sent the password has not answered; p.mu
// is held.
func (p *passwordGate) noteSilence() {
	if !slices.Contains(p.silent, p.by) {
		p.silent = append(p.silent, p.by)
	}
	p.change(gateUnknown)
}

// record records what became of the password on host. A rejection is final, and a host
// that the others no longer wait for cannot reset the state.
func (p *passwordGate) record(state gateState, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == gateRefused:
		return
	case state == gateUnknown && (p.state != gateTrying || p.by != host):
		return
	}
	if state == gateRefused {
		p.by = host
	}
	p.change(state)
}

// unanswered is record for a login that ran out of time after the password was sent.
func (p *passwordGate) unanswered(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == gateTrying && p.by == host {
		p.noteSilence()
	}
}

// change sets the state and wakes the waiting goroutines; p.mu is held.
func (p *passwordGate) change(state gateState) {
	p.state = state
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}
