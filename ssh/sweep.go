package ssh

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/tail"
	"tutti/ssh/remote"
)

const (
	// sweepTime is how long a sweep may take, and sweepStopTime how long once
	// the run is stopped.
	sweepTime     = 4 * time.Second
	sweepStopTime = 1500 * time.Millisecond
	// censusStopTime is how long it may take to learn when the command began once
	// the run is stopped.
	censusStopTime = 500 * time.Millisecond
	// sweepLooks is how often a sweep kills before it gives up.
	sweepLooks = 8
	// maxSwept bounds what is kept of a sweep's answer. It stands at the end.
	maxSwept = 4 << 10
	// slotTries is how often a channel is asked for that could not be had
	// because the command's was the only one allowed, which is closed by then;
	// slotPause is the time between two such questions.
	slotTries = 10
	slotPause = 50 * time.Millisecond
)

// sweep signals what is left of the command, on a channel beside it, and says
// what a last look has found. Meanwhile the command's own channel is heard.
func (s *session) sweep(ctx context.Context, signal string) remote.Remnant {
	looks := sweepLooks
	if signal != "KILL" {
		looks = 1
	}
	budget, cancel := fanout.WithLimit(context.WithoutCancel(ctx), s.looking, context.DeadlineExceeded)
	defer cancel()
	hurry := context.AfterFunc(ctx, func() {
		t := fanout.NewTimer(sweepStopTime, s.conn.wire.lastRead.Load)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-budget.Done():
		}
	})
	defer hurry()
	var found remote.Remnant
	swept := make(chan struct{})
	s.helpers.Go(func() {
		var k *channel
		k, found = s.sweepBeside(budget, remote.NewSweep(signal, looks, s.since))
		close(swept)
		if k != nil {
			k.part()
		}
	})
	for s.hear(nil, swept, nil) {
		continue
	}
	return found
}

// sweepBeside sweeps on a channel of its own, and returns the channel that did
// unless there was none.
func (s *session) sweepBeside(ctx context.Context, w remote.Sweep) (*channel, remote.Remnant) {
	ch, requests, err := s.slot(ctx)
	if err != nil {
		return nil, remote.RemnantUnknown
	}
	sudo := s.order.Task.Sudo
	if sudo != nil {
		if passed, _, _ := s.order.Markers.SudoState(); !passed {
			sudo = nil
		}
	}
	k := s.assistant(ch, requests)
	return k, w.Found(sweepOn(ctx, k, w, sudo, s.order.PTY))
}

// sweepOn is what w says when k carries it out, by sudo unless that is nil.
func sweepOn(ctx context.Context, k *channel, w remote.Sweep, sudo *fanout.Sudo, pty *fanout.PTY) string {
	said := &lockedTail{tail: tail.Buffer{Size: maxSwept}}
	k.carryOut(ctx, w.Order(sudo, pty), said)
	return said.String()
}

// census learns when the command began where the connection has served others
// before. It takes a moment, and a channel that the host may refuse; without it
// less can be proved.
func (s *session) census(ctx context.Context) {
	s.since = remote.SinceConnection
	if !s.conn.pooled {
		return
	}
	s.since = remote.SinceUnknown
	limit := s.looking / 2
	if ctx.Err() != nil {
		limit = censusStopTime
	}
	budget, cancel := fanout.WithLimit(context.WithoutCancel(ctx), limit, context.DeadlineExceeded)
	defer cancel()
	var began string
	done := make(chan struct{})
	s.helpers.Go(func() {
		defer close(done)
		ch, requests, err := s.conn.openChannel("session", nil)
		if err != nil {
			return
		}
		k, w := s.assistant(ch, requests), remote.NewSweep("0", 0, remote.SinceUnknown)
		began = w.Began(sweepOn(budget, k, w, nil, nil))
		k.part()
	})
	for s.hear(nil, done, budget.Done()) {
		continue
	}
	if isClosed(done) && began != "" { // else it is late, or had no channel
		s.since = began
	}
}

// slot opens a channel beside the command's. Where the host allows only one,
// the command's is given up for it.
func (s *session) slot(ctx context.Context) (gossh.Channel, <-chan *gossh.Request, error) {
	ch, requests, err := s.conn.session(ctx, 0)
	for range slotTries {
		if _, full := errors.AsType[*gossh.OpenChannelError](err); !full {
			break
		}
		_ = s.ch.Close() // it may be closed already
		t := time.NewTimer(slotPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, nil, context.Cause(ctx)
		}
		ch, requests, err = s.conn.session(ctx, 0)
	}
	return ch, requests, err
}

// A lockedTail keeps the end of what is written to it, and may be read meanwhile: the
// writer may be stuck.
type lockedTail struct {
	mu   sync.Mutex // guards tail
	tail tail.Buffer
}

// Write never fails.
func (t *lockedTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tail.Write(p)
}

// String is what is kept.
func (t *lockedTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.tail.Bytes(), nil))
}
