package ssh

import (
	"context"
	"io"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

const (
	// killWait is how long a command has to be gone after KILL.
	killWait = 1500 * time.Millisecond
	// stopBudget is how long the whole ending takes at most when the run is
	// stopped; of that, TERM gets what the other steps leave.
	stopBudget = 7 * time.Second
	termBudget = stopBudget - killWait - sweepStopTime - lastWords - detachTime - time.Second/2
	// closeTime bounds the writing of a close message.
	closeTime = 200 * time.Millisecond
)

// A session runs one command of a target. To stop it on the host, it sends TERM and
// KILL, sweeps up remaining processes, and looks once more to prove that none is left.
type session struct {
	channel

	killAfter    time.Duration
	probeTimeout time.Duration
	since        string // when the command started, for the sweeps
}

func newSession(c *Client, host string, n *conn, ch gossh.Channel, requests <-chan *gossh.Request) *session {
	n.wire.beginCommand()
	s := &session{killAfter: c.killAfter, probeTimeout: c.probeTimeout}
	s.open(n, ch, requests)
	s.counted, s.drain = true, c.drain
	s.sudo.host, s.sudo.passwordGate = host, &c.sudoGate
	return s
}

// run sends o, passes on what the command says, and notes in report how it
// ended.
func (s *session) run(ctx context.Context, o *remote.Order, limit time.Duration, stdout, stderr io.Writer, report *fanout.Report) {
	began := time.Now()
	how := s.channel.run(ctx, o, limit, stdout, stderr)
	proved := false
	if how == endStopped || how == endTimeout || how == endInput {
		proved = s.terminate(ctx)
	}
	s.reportEnd(ctx, how, limit, proved, report)
	report.Command = time.Since(began)
}

// abandon ends a session that has not been sent anything.
func (s *session) abandon() {
	s.conn.wire.abort()
	for range s.requests {
	}
}

// terminate stops the command on the host: TERM, then KILL, then a sweep for processes
// that neither has reached; then it closes the channel. It reports whether a look at
// the host's processes has proved that none is left.
func (s *session) terminate(ctx context.Context) bool {
	s.doomed = true
	full := s.gate.holdOpen()
	s.helpers.Go(func() { s.discard(s.stdout, full) })
	s.helpers.Go(func() { s.discard(s.stderr, full) })
	asked := time.Now()
	s.findStart(ctx)
	refused := s.signal(ctx, "TERM", true)
	stop := ctx.Done()
	patience := s.killAfter
	if ctx.Err() != nil {
		stop, patience = nil, min(patience, termBudget-time.Since(asked))
	}
	if !s.waitExit(patience, refused, stop) {
		if !isClosed(refused) {
			s.signal(ctx, "KILL", false)
			s.waitExit(killWait, refused, nil)
		} else if s.sweep(ctx, "TERM") == remote.SurvivorsSome {
			s.waitExit(patience, nil, stop)
		}
	}
	proved := s.sweep(ctx, "KILL") == remote.SurvivorsNone
	if s.exit != nil || proved {
		s.collect()
	}
	if s.requests != nil {
		_ = s.conn.wire.SetWriteDeadline(time.Now().Add(closeTime))
		_ = s.ch.Close() // the connection is closed next
	}
	return proved
}

// signal sends a signal; the returned channel is closed if the host refuses to deliver
// it. Only one signal may request a reply, or the others would wait for that reply.
func (s *session) signal(ctx context.Context, name string, ask bool) <-chan struct{} {
	if s.belongsToSudo() {
		return s.sudoSignal(ctx, name)
	}
	refused := make(chan struct{})
	s.helpers.Go(func() {
		ok, err := s.ch.SendRequest("signal", ask, gossh.Marshal(struct{ Name string }{name}))
		if ask && err == nil && !ok {
			close(refused)
		}
	})
	return refused
}

// waitExit waits until the command has ended or its channel is closed, and reports
// whether another signal would be useless. It waits for patience at most, and returns
// early when signals are refused or stop is closed.
func (s *session) waitExit(patience time.Duration, refused, stop <-chan struct{}) bool {
	t := fanout.NewTimer(patience, s.conn.wire.lastRead.Load)
	defer t.Stop()
	for s.exit == nil && s.requests != nil {
		if !s.waitEvent(t.C, refused, stop) {
			return false
		}
	}
	return true
}

// belongsToSudo reports whether sudo has started the command. A sudo that still asks
// for a password ends when its input does.
func (s *session) belongsToSudo() bool {
	if s.order.Task.Sudo == nil {
		return false
	}
	passed, _, _ := s.order.Markers.SudoState()
	return passed
}

// sudoSignal signals a command that runs under sudo. The server may not, as the command
// belongs to another user, so sudo sends the signal on a side channel. The returned
// channel is closed if that does not work.
func (s *session) sudoSignal(ctx context.Context, name string) <-chan struct{} {
	refused := make(chan struct{})
	s.helpers.Go(func() {
		// It is most needed when the run has been stopped.
		limit := s.probeTimeout
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
	k := s.sideChannel(ch, requests)
	report := k.execute(ctx, s.order.Kill(leader, name), io.Discard)
	k.detach()
	return report.Exit != nil && report.Exit.Success()
}

// sideChannel makes ch a channel on the same connection that works for s alongside its
// command.
func (s *session) sideChannel(ch gossh.Channel, requests <-chan *gossh.Request) *channel {
	c := &channel{drain: s.drain, doomed: true}
	c.open(s.conn, ch, requests)
	c.sudo.host, c.sudo.passwordGate = s.sudo.host, s.sudo.passwordGate
	return c
}
