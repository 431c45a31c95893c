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
	termBudget = stopBudget - killWait - sweepStopTime - lastWords - partingTime - time.Second/2
	// closeTime bounds the writing of a close message.
	closeTime = 200 * time.Millisecond
)

// A session runs one command of a target, and ends it on the host when it is to be
// ended: with TERM and KILL, a sweep, and a last look that proves it.
type session struct {
	channel

	killAfter time.Duration
	looking   time.Duration
	since     string // when the command began, for the sweeps that end it
}

func newSession(c *Client, host string, n *conn, ch gossh.Channel, requests <-chan *gossh.Request) *session {
	n.wire.beginCommand()
	s := &session{killAfter: c.killAfter, looking: c.looking}
	s.open(n, ch, requests)
	s.counted, s.drain = true, c.drain
	s.sudo.host, s.sudo.proof = host, &c.sudo
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
	s.judge(ctx, how, limit, proved, report)
	report.Command = time.Since(began)
}

// abandon ends a session that has not been sent anything.
func (s *session) abandon() {
	s.conn.wire.abort()
	for range s.requests {
	}
}

// terminate ends the command on the host: it asks with TERM, insists with
// KILL, sweeps up what neither has reached, and hangs up. It reports whether a
// look at the host's processes has proved that nothing is left.
func (s *session) terminate(ctx context.Context) bool {
	s.doomed = true
	full := s.valve.prop()
	s.helpers.Go(func() { s.spill(s.stdout, full) })
	s.helpers.Go(func() { s.spill(s.stderr, full) })
	asked := time.Now()
	s.census(ctx)
	refused := s.signal(ctx, "TERM", true)
	stop := ctx.Done()
	patience := s.killAfter
	if ctx.Err() != nil {
		stop, patience = nil, min(patience, termBudget-time.Since(asked))
	}
	if !s.gone(patience, refused, stop) {
		if !isClosed(refused) {
			s.signal(ctx, "KILL", false)
			s.gone(killWait, refused, nil)
		} else if s.sweep(ctx, "TERM") == remote.RemnantSome {
			s.gone(patience, nil, stop)
		}
	}
	proved := s.sweep(ctx, "KILL") == remote.RemnantNone
	if s.exit != nil || proved {
		s.collect()
	}
	if s.requests != nil {
		_ = s.conn.wire.SetWriteDeadline(time.Now().Add(closeTime))
		_ = s.ch.Close() // the connection is closed next
	}
	return proved
}

// signal sends a signal; the channel it returns is closed if the host refuses
// to deliver it. Only one signal may ask for an answer, or the others would
// wait for that.
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

// gone waits until the command has ended or can no longer be heard of, and
// reports whether there is no use in another signal. It waits no longer than
// patience, and no longer once signals are refused or stop is closed.
func (s *session) gone(patience time.Duration, refused, stop <-chan struct{}) bool {
	t := fanout.NewTimer(patience, s.conn.wire.lastRead.Load)
	defer t.Stop()
	for s.exit == nil && s.requests != nil {
		if !s.hear(t.C, refused, stop) {
			return false
		}
	}
	return true
}

// belongsToSudo reports whether the command belongs to another user by now. A
// sudo that still asks ends when its input does.
func (s *session) belongsToSudo() bool {
	if s.order.Task.Sudo == nil {
		return false
	}
	passed, _, _ := s.order.Markers.SudoState()
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
	leader := s.order.Markers.Leader()
	if leader == "" {
		return false
	}
	ch, requests, err := s.conn.openChannel("session", nil)
	if err != nil {
		return false
	}
	k := s.assistant(ch, requests)
	report := k.carryOut(ctx, s.order.Kill(leader, name), io.Discard)
	k.part()
	return report.Exit != nil && report.Exit.Success()
}

// assistant is a channel beside that of s, on the same connection, that works for
// it.
func (s *session) assistant(ch gossh.Channel, requests <-chan *gossh.Request) *channel {
	c := &channel{drain: s.drain, doomed: true}
	c.open(s.conn, ch, requests)
	c.sudo.host, c.sudo.proof = s.sudo.host, s.sudo.proof
	return c
}
