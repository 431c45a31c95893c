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
	// proofPatience is how long others wait for the host that was sent a password
	// first. Then it is sent to one more.
	proofPatience = 30 * time.Second
	// sudoPatience is how long any sudo has to answer to a password. It is long:
	// somebody may have to confirm on a telephone, and the command could begin just
	// when it is given up.
	sudoPatience = 2 * time.Minute
	// maxSilent is how many hosts may have a password and not answer. Each could
	// still refuse it, and a few refusals can lock the account everywhere.
	maxSilent = 3
)

// A sudoProof knows whether the password is good. It is sent to one host
// first, and to no other before that one has taken it; once a host has refused
// it nobody gets it any more, because a few more refusals could lock the
// account everywhere. A host that does not answer keeps the others waiting for
// proofPatience; after maxSilent of these nobody gets it either, until one of
// them has answered. The zero value knows nothing.
type sudoProof struct {
	// warn is told which host keeps the others waiting; nil: no one.
	warn func(string)
	// patience and answer replace proofPatience and sudoPatience, if not 0.
	patience, answer time.Duration

	mu      sync.Mutex // guards what follows
	state   proofState
	by      string        // the host that has been sent it, or has refused it
	since   time.Time     // when it was sent to that host
	silent  []string      // hosts that were not waited for any longer
	changed chan struct{} // closed when the state changes; nil: nobody waits
}

// waits is how long the others wait for a host.
func (p *sudoProof) waits() time.Duration { return cmp.Or(p.patience, proofPatience) }

// answers is how long sudo has to answer.
func (p *sudoProof) answers() time.Duration { return cmp.Or(p.answer, sudoPatience) }

type proofState int

const (
	proofNone    proofState = iota
	proofTrying             // a host has been sent the password
	proofGood               // some host has taken it, none has refused it
	proofRefused            // some host has refused it
)

// claim waits for leave to send the password to host. With first, the caller must
// settle what came of it.
func (p *sudoProof) claim(ctx context.Context, host string) (first bool, err error) {
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
func (p *sudoProof) decide(host string) (decided, first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == proofGood:
		return true, false, nil
	case p.state == proofRefused:
		return true, false, fmt.Errorf("password not tried: %s rejected it", p.by)
	case p.state == proofTrying:
		return false, false, nil
	case len(p.silent) >= maxSilent:
		return true, false, fmt.Errorf("password not tried: no response from %s within %s", strings.Join(p.silent, ", "), spell(p.waits()))
	}
	p.state, p.by, p.since = proofTrying, host, time.Now()
	return true, true, nil
}

// wait waits until the state has changed, and gives up the host that has been sent
// the password when that has taken too long.
func (p *sudoProof) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.state != proofTrying {
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

// giveUp lets another host be sent the password, if the one that was sent it at
// since still has not answered.
func (p *sudoProof) giveUp(since time.Time) {
	p.mu.Lock()
	if p.state != proofTrying || !p.since.Equal(since) {
		p.mu.Unlock()
		return
	}
	host := p.by
	p.silence()
	p.mu.Unlock()
	if p.warn != nil {
		p.warn(fmt.Sprintf("%s did not respond to the password within %s: trying the other hosts", host, spell(p.waits())))
	}
}

// silence notes that the host that was sent the password has not answered; p.mu is
// held.
func (p *sudoProof) silence() {
	if !slices.Contains(p.silent, p.by) {
		p.silent = append(p.silent, p.by)
	}
	p.change(proofNone)
}

// settle notes what came of the password on host. A refusal is never taken
// back, and a host that others no longer wait for cannot say that nothing is
// known.
func (p *sudoProof) settle(state proofState, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == proofRefused:
		return
	case state == proofNone && (p.state != proofTrying || p.by != host):
		return
	}
	if state == proofRefused {
		p.by = host
	}
	p.change(state)
}

// unanswered is settle for a host that was given up because it did not answer.
func (p *sudoProof) unanswered(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == proofTrying && p.by == host {
		p.silence()
	}
}

// change wakes those who wait; p.mu is held.
func (p *sudoProof) change(state proofState) {
	p.state = state
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}
