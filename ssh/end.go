package ssh

import (
	"context"
	"fmt"
	"io"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
	"tutti/ssh/remote"
)

const (
	// lastWords is how long the rest of the output of a command may take that
	// has ended after a signal.
	lastWords = 500 * time.Millisecond
	// maxSignal and maxSignalText bound what a host says about a signal.
	maxSignal     = 64
	maxSignalText = 512
)

// handle takes a request that the host makes on the channel; ok is false when
// the channel is closed.
func (c *channel) handle(r *gossh.Request, ok bool) {
	if !ok {
		c.requests = nil
		c.closed = c.closedByHost()
		close(c.shut)
		if c.counted {
			c.conn.wire.endCommand()
		}
		return
	}
	switch r.Type {
	case "exit-status":
		c.exited(readStatus(r.Payload))
	case "exit-signal":
		c.exited(readSignal(r.Payload))
	}
	if r.WantReply {
		_ = r.Reply(false, nil) // if it fails the connection is gone
	}
}

// exited notes the first exit message that can be read.
func (c *channel) exited(e *fanout.Exit) {
	switch {
	case c.exit != nil:
	case e == nil:
		c.garbled = true
	default:
		c.exit, c.exitAt = e, c.clock.elapsed()
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

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// collect waits a little for the rest of the output.
func (c *channel) collect() {
	t := fanout.NewTimer(lastWords, c.conn.wire.lastRead.Load)
	defer t.Stop()
	for (c.requests != nil || c.ended < 2) && c.waitEvent(t.C, nil, nil) {
		continue
	}
}

// reportEnd records in report how the command ended.
func (c *channel) reportEnd(ctx context.Context, how ending, limit time.Duration, proved bool, report *fanout.Report) {
	report.Started = true
	switch how {
	case endTimeout:
		report.Failure = &fanout.Failure{Op: fanout.OpTimeout, Message: "timed out after " + formatDuration(limit)}
	case endStopped:
		report.Failure = &fanout.Failure{Op: stopOp(ctx), Message: stopMessage(ctx)}
	case endInput:
		report.Failure = c.input.failure(c.sudo.passwordGate.answers())
	default:
		c.reportExit(report)
		return
	}
	report.Failure.Remote = fanout.RemoteUnknown
	if proved {
		report.Failure.Remote = fanout.RemoteEnded
	}
}

// reportExit decides whether the command ended or was lost. An exit status counts only
// if the host has closed the channel, or if the connection outlives a channel that
// another process keeps open.
func (c *channel) reportExit(report *fanout.Report) {
	if c.answer.refused && !c.ran() {
		report.Started = false
		report.Failure = &fanout.Failure{Op: fanout.OpExec, Refused: true, Message: "the host refused to run the command"}
		if c.answer.terminal {
			report.Failure.Message = "the host refused a terminal"
		}
		return
	}
	ended := c.closed
	if c.requests != nil {
		ended = c.conn.wire.settled(c.conn.dead)
	}
	if c.exit != nil && ended {
		if f := c.sudo.failure(c); f != nil {
			report.Started, report.Failure = false, f
			return
		}
		report.Exit = c.exit
		report.OutputComplete = c.closed && c.ended == 2 && !c.broken.Load()
		return
	}
	if c.endsWithoutStatus() {
		report.OutputComplete = c.ended == 2 && !c.broken.Load()
		return
	}
	report.Failure = c.loss(ended)
}

// endsWithoutStatus reports whether the host has closed the session without an
// exit status, as it always does.
func (c *channel) endsWithoutStatus() bool {
	return c.conn.ep.NoExitStatus && c.closed && c.exit == nil && !c.garbled && !c.answer.refused
}

// loss explains why the result of the command is unknown; ended says that its channel
// did end.
func (c *channel) loss(ended bool) *fanout.Failure {
	f := &fanout.Failure{Remote: fanout.RemoteUnknown}
	switch {
	case c.conn.mute.Load():
		f.Op, f.Message = fanout.OpKeepalive, fmt.Sprintf("the host has been silent for %s", formatDuration(c.conn.wire.silence()))
	case !ended:
		f.Op, f.Message = fanout.OpConnection, "the connection was lost while the command ran"
	case c.garbled:
		f.Op, f.Message = fanout.OpNoStatus, "the host sent a malformed exit status"
	case c.answer.refused:
		f.Op, f.Message = fanout.OpNoStatus, "the host refused to run the command, but sent output"
	default:
		f.Op, f.Message = fanout.OpNoStatus, "the host closed the session without an exit status"
	}
	if c.exit != nil {
		f.Remote = fanout.RemoteEnded
		f.Message += "; the command had exited, but output may be incomplete"
	}
	return f
}

// execute runs o until it ends or ctx is done, and returns how it ended.
func (c *channel) execute(ctx context.Context, o *remote.Order, stdout io.Writer) fanout.Report {
	var report fanout.Report
	how := c.run(ctx, o, 0, stdout, io.Discard)
	c.reportEnd(ctx, how, 0, false, &report)
	return report
}
