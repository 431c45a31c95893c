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
	// findStartTime bounds findStart once the run is stopped.
	findStartTime = 500 * time.Millisecond
	// sweepLooks is how often a sweep kills before it gives up.
	sweepLooks = 8
	// maxSwept bounds the stored output of a sweep, in bytes. The answer is its last line.
	maxSwept = 4 << 10
	// sideTries is how often a side channel is requested from a host that allows only
	// one channel, after the command's was closed; sidePause is the time in between.
	sideTries = 10
	sidePause = 50 * time.Millisecond
)

// sweep signals the remaining processes of the command, on a side channel, and returns
// what the last look has found. In the meantime it handles events of the command's own
// channel.
func (s *session) sweep(ctx context.Context, signal string) remote.Survivors {
	looks := sweepLooks
	if signal != "KILL" {
		looks = 1
	}
	budget, cancel := fanout.WithLimit(context.WithoutCancel(ctx), s.probeTimeout, context.DeadlineExceeded)
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
	var found remote.Survivors
	swept := make(chan struct{})
	s.helpers.Go(func() {
		var k *channel
		k, found = s.sweepOnSideChannel(budget, remote.NewSweep(signal, looks, s.since))
		close(swept)
		if k != nil {
			k.detach()
		}
	})
	for s.waitEvent(nil, swept, nil) {
		continue
	}
	return found
}

// sweepOnSideChannel sweeps on a channel of its own, and returns that channel, nil if
// the host opened none.
func (s *session) sweepOnSideChannel(ctx context.Context, w remote.Sweep) (*channel, remote.Survivors) {
	ch, requests, err := s.openSideChannel(ctx)
	if err != nil {
		return nil, remote.SurvivorsUnknown
	}
	sudo := s.order.Task.Sudo
	if sudo != nil {
		if passed, _, _ := s.order.Markers.SudoState(); !passed {
			sudo = nil
		}
	}
	k := s.sideChannel(ch, requests)
	return k, w.Found(sweepOn(ctx, k, w, sudo, s.order.PTY))
}

// sweepOn runs w on k, with sudo unless that is nil, and returns its output.
func sweepOn(ctx context.Context, k *channel, w remote.Sweep, sudo *fanout.Sudo, pty *fanout.PTY) string {
	said := &lockedTail{tail: tail.Buffer{Size: maxSwept}}
	k.execute(ctx, w.Order(sudo, pty), said)
	return said.String()
}

// findStart asks the host when the command started, if the connection has served
// earlier commands. The host may refuse the channel that this needs; without the answer
// a sweep can prove less.
func (s *session) findStart(ctx context.Context) {
	s.since = remote.SinceConnection
	if !s.conn.pooled {
		return
	}
	s.since = remote.SinceUnknown
	limit := s.probeTimeout / 2
	if ctx.Err() != nil {
		limit = findStartTime
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
		k, w := s.sideChannel(ch, requests), remote.NewSweep("0", 0, remote.SinceUnknown)
		began = w.Began(sweepOn(budget, k, w, nil, nil))
		k.detach()
	})
	for s.waitEvent(nil, done, budget.Done()) {
		continue
	}
	if isClosed(done) && began != "" { // else it is late, or had no channel
		s.since = began
	}
}

// openSideChannel opens another channel on the connection. If the host allows only one,
// the command's channel is closed for it.
func (s *session) openSideChannel(ctx context.Context) (gossh.Channel, <-chan *gossh.Request, error) {
	ch, requests, err := s.conn.session(ctx, 0)
	for range sideTries {
		if _, full := errors.AsType[*gossh.OpenChannelError](err); !full {
			break
		}
		_ = s.ch.Close() // it may be closed already
		t := time.NewTimer(sidePause)
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

// A lockedTail keeps the end of what is written to it, and may be read while its writer
// is blocked.
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
