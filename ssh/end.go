package ssh

import (
	"context"
	"fmt"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/ssh/remote"
)

const (
	// killWait is how long a command has to be gone after KILL.
	killWait = 1500 * time.Millisecond
	// lastWords is how long the rest of the output of a command may take that
	// has ended after a signal.
	lastWords = 500 * time.Millisecond
	// stopBudget is how long the whole ending takes at most when the run is
	// stopped; of that, TERM gets what the other steps leave.
	stopBudget = 7 * time.Second
	termBudget = stopBudget - killWait - sweepStopTime - lastWords - partingTime - time.Second/2
	// closeTime bounds the writing of a close message.
	closeTime = 200 * time.Millisecond
	// maxSignal and maxSignalText bound what a host says about a signal.
	maxSignal     = 64
	maxSignalText = 512
)

// handle takes a request that the host makes on the channel; ok is false when
// the channel is closed.
func (s *session) handle(r *gossh.Request, ok bool) {
	if !ok {
		s.requests = nil
		s.closed = s.closedByHost()
		close(s.shut)
		if !s.beside {
			s.conn.wire.endCommand()
		}
		return
	}
	switch r.Type {
	case "exit-status":
		s.exited(readStatus(r.Payload))
	case "exit-signal":
		s.exited(readSignal(r.Payload))
	}
	if r.WantReply {
		_ = r.Reply(false, nil) // if it fails the connection is gone
	}
}

// exited notes the first exit message that can be read.
func (s *session) exited(e *fanout.Exit) {
	switch {
	case s.exit != nil:
	case e == nil:
		s.garbled = true
	default:
		s.exit, s.exitAt = e, s.clock.elapsed()
	}
}

// readStatus returns nil if the payload is not an exit status.
func readStatus(payload []byte) *fanout.Exit {
	var m struct{ Status uint32 }
	if gossh.Unmarshal(payload, &m) != nil {
		return nil
	}
	return &fanout.Exit{Code: m.Status}
}

// readSignal returns nil if the payload is not an exit signal.
func readSignal(payload []byte) *fanout.Exit {
	var m struct {
		Signal  string
		Core    bool
		Message string
		Lang    string
	}
	if gossh.Unmarshal(payload, &m) != nil {
		return nil
	}
	e := &fanout.Exit{Signal: sanitize.Line(sanitize.Cut(m.Signal, maxSignal), maxSignal), Core: m.Core, Message: sanitize.Line(m.Message, maxSignalText)}
	if e.Signal == "" {
		e.Signal = "unknown"
	}
	return e
}

// terminate ends the command on the host: it asks with TERM, insists with
// KILL, sweeps up what neither has reached, and hangs up. It reports whether a
// look at the host's processes has proved that nothing is left.
func (s *session) terminate(ctx context.Context) bool {
	if s.beside {
		return false // the connection is closed next
	}
	s.ending = true
	full := s.conn.wire.valve.prop()
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

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// collect waits a little for the rest of the output.
func (s *session) collect() {
	t := fanout.NewTimer(lastWords, s.conn.wire.lastRead.Load)
	defer t.Stop()
	for (s.requests != nil || s.ended < 2) && s.hear(t.C, nil, nil) {
		continue
	}
}

// judge notes in report how the command ended.
func (s *session) judge(ctx context.Context, how ending, limit time.Duration, proved bool, report *fanout.Report) {
	report.Started = true
	switch how {
	case endTimeout:
		report.Failure = &fanout.Failure{Op: fanout.OpTimeout, Message: "no end within " + spell(limit)}
	case endStopped:
		report.Failure = &fanout.Failure{Op: stopOp(ctx), Message: stopMessage(ctx)}
	case endInput:
		report.Failure = s.inputFailure()
	default:
		s.settle(report)
		return
	}
	report.Failure.Remote = fanout.RemoteUnknown
	if proved {
		report.Failure.Remote = fanout.RemoteEnded
	}
}

// settle decides between an end and a loss. A status counts only if the host
// has closed the channel, or the connection outlives a channel that something
// else keeps open.
func (s *session) settle(report *fanout.Report) {
	if s.answer.refused && !s.ran() {
		report.Started = false
		report.Failure = &fanout.Failure{Op: fanout.OpExec, Refused: true, Message: "the host refused to run the command"}
		if s.answer.terminal {
			report.Failure.Message = "the host refused a terminal"
		}
		return
	}
	ended := s.closed
	if s.requests != nil {
		ended = s.conn.wire.settled(s.conn.dead)
	}
	if s.exit != nil && ended {
		if f := s.sudoFailure(); f != nil {
			report.Started, report.Failure = false, f
			return
		}
		report.Exit = s.exit
		report.OutputComplete = s.closed && s.ended == 2 && !s.broken.Load()
		return
	}
	if s.endsWithoutStatus() {
		report.OutputComplete = s.ended == 2 && !s.broken.Load()
		return
	}
	report.Failure = s.loss(ended)
}

// endsWithoutStatus reports whether the host has closed the session without an
// exit status, as it always does.
func (s *session) endsWithoutStatus() bool {
	return s.conn.ep.NoExitStatus && s.closed && s.exit == nil && !s.garbled && !s.answer.refused
}

// loss is why nobody knows how the command ended; ended says that its channel
// did.
func (s *session) loss(ended bool) *fanout.Failure {
	f := &fanout.Failure{Remote: fanout.RemoteUnknown}
	switch {
	case s.conn.mute.Load():
		f.Op, f.Message = fanout.OpKeepalive, fmt.Sprintf("the host has been silent for %s", spell(s.conn.wire.silence()))
	case !ended:
		f.Op, f.Message = fanout.OpConnection, "the connection was lost while the command ran"
	case s.garbled:
		f.Op, f.Message = fanout.OpNoStatus, "the host sent an exit status that cannot be read"
	case s.answer.refused:
		f.Op, f.Message = fanout.OpNoStatus, "the host refused to run the command, and yet sent output"
	default:
		f.Op, f.Message = fanout.OpNoStatus, "the host closed the session without an exit status"
	}
	if s.exit != nil {
		f.Remote = fanout.RemoteEnded
		f.Message += "; the command had ended, but some of its output may be missing"
	}
	return f
}
