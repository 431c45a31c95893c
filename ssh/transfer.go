package ssh

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// tidyTime is how long a stopped transfer may take to remove what is incomplete.
const tidyTime = 2 * time.Second

// errTimeUp is the cause with which the context of a transfer ends that took too long.
var errTimeUp = errors.New("the time of the transfer is up")

// transfer makes one attempt to move files.
func transfer(ctx context.Context, c *Client, a fanout.Attempt, ep *endpoint, task fanout.Task, stdout, stderr io.Writer, report *fanout.Report) {
	first, f := c.open(ctx, a.Target, ep, report)
	if f != nil {
		report.Failure = f
		return
	}
	if f := begin(ctx, a, report.Address); f != nil {
		report.Failure = f
		first.abandon()
		c.drop(a.Target, first.conn)
		return
	}
	began, clock := time.Now(), newStopwatch()
	moving, expired := timed(ctx, clock, a.Target.Limits.Timeout)
	l := &lending{client: c, target: a.Target, conn: first.conn, spare: first}
	tidy := context.AfterFunc(moving, func() { l.hurry() })
	mover := task.Action.(*fanout.Transfer).Mover
	exit, failure := mover.Move(moving, a, l, &clocked{stdout, clock}, &clocked{stderr, clock})
	tidy()
	settled := l.end()
	cause := context.Cause(moving)
	expired()
	report.Started, report.Command = true, time.Since(began)
	l.report(ctx, cause, settled, exit, failure, report)
	if cause != nil || l.doomed || !l.conn.alive() {
		c.drop(a.Target, l.conn)
	}
	l.conn.blame(report.Failure)
	l.conn.quoteDisconnect(report.Failure)
}

// report says how a transfer ended that cause has stopped; nil: nothing has. settled
// says that the host has closed every session.
func (l *lending) report(ctx context.Context, cause error, settled bool, exit *fanout.Exit, failure *fanout.Failure, report *fanout.Report) {
	switch {
	case failure == nil && (exit.Success() || cause == nil):
		report.Exit, report.OutputComplete = exit, true
		return
	case errors.Is(cause, errTimeUp):
		failure = &fanout.Failure{Op: fanout.OpTimeout, Message: "timed out after " + formatDuration(l.target.Limits.Timeout)}
	case cause != nil:
		failure = stopped(ctx)
	case failure.Refused:
		report.Started = false
	case l.conn.mute.Load():
		failure = &fanout.Failure{Op: fanout.OpKeepalive, Message: "the host has been silent for " + formatDuration(l.conn.wire.silence())}
	case !l.conn.wire.settled(l.conn.dead):
		failure = &fanout.Failure{Op: fanout.OpConnection, Message: "the connection was lost during the transfer"}
	}
	report.Failure = failure
	if report.Started {
		failure.Remote = fanout.RemoteUnknown
		if settled && l.conn.alive() {
			failure.Remote = fanout.RemoteEnded
		}
	}
}

// timed is ctx until limit, if that is not 0, has passed by clock.
func timed(ctx context.Context, clock *stopwatch, limit time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if limit <= 0 {
		return ctx, func() { cancel(nil) }
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for left := limit; left > 0; left = limit - clock.elapsed() {
			t := time.NewTimer(left)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return
			}
		}
		cancel(errTimeUp)
	})
	return ctx, func() {
		cancel(nil)
		wg.Wait()
	}
}

// A clocked writer stops the clock while it writes.
type clocked struct {
	w     io.Writer
	clock *stopwatch
}

func (w *clocked) Write(p []byte) (int, error) {
	w.clock.pause()
	defer w.clock.resume()
	return w.w.Write(p)
}

// A lending lends a connection's sessions to a mover of files.
type lending struct {
	client  *Client
	target  fanout.Target
	conn    *conn
	helpers sync.WaitGroup // of the subsystems

	mu     sync.Mutex // guards what follows
	spare  *session   // opened, not used yet; nil: none
	open   []gossh.Channel
	doomed bool // the connection cannot be used again
	hasty  *time.Timer
	over   bool
}

var _ fanout.Sessions = (*lending)(nil)

// Subsystem starts the subsystem of that name.
func (l *lending) Subsystem(ctx context.Context, name string) (io.ReadWriteCloser, error) {
	s, err := l.session(ctx)
	if err != nil {
		return nil, err
	}
	s.conn.wire.endCommand() // how it ends is part of its own protocol
	l.mu.Lock()
	l.open = append(l.open, s.ch)
	l.mu.Unlock()
	l.helpers.Go(func() { gossh.DiscardRequests(s.requests) })
	l.helpers.Go(func() { _, _ = io.Copy(io.Discard, s.ch.Stderr()) })
	ok, err := s.ch.SendRequest("subsystem", true, gossh.Marshal(struct{ Name string }{name}))
	if err == nil && !ok {
		_ = s.ch.Close() // if it fails the connection is gone
		err = fanout.ErrNoSubsystem
	}
	if err != nil {
		return nil, err
	}
	return s.ch, nil
}

// Run runs program.
func (l *lending) Run(ctx context.Context, p fanout.Program, stdout, stderr io.Writer) fanout.Report {
	var report fanout.Report
	s, err := l.session(ctx)
	if err != nil {
		if report.Failure = sessionFailure(err); ctx.Err() != nil {
			report.Failure = stopped(ctx)
		}
		return report
	}
	s.run(ctx, remote.NewProgram(p), 0, stdout, stderr, &report)
	if !s.reusable() {
		l.mu.Lock()
		l.doomed = true
		l.mu.Unlock()
	}
	if ctx.Err() == nil {
		s.detach() // the other sessions go on
	}
	s.finish(ctx)
	return report
}

// session returns one that nothing has been sent on.
func (l *lending) session(ctx context.Context) (*session, error) {
	l.mu.Lock()
	s := l.spare
	l.spare = nil
	l.mu.Unlock()
	if s != nil {
		return s, nil
	}
	ch, requests, err := l.conn.session(ctx, l.target.Limits.ConnectTimeout)
	if err != nil {
		return nil, err
	}
	return newSession(l.client, l.target.Name, l.conn, ch, requests), nil
}

// hurry gives a transfer that is to stop tidyTime to do so.
func (l *lending) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.hasty = time.AfterFunc(tidyTime, l.conn.wire.abort)
	}
}

// end closes the sessions and reports whether the host has closed them as well, for
// which it waits a moment.
func (l *lending) end() bool {
	l.mu.Lock()
	l.over = true
	spare, open, hasty := l.spare, l.open, l.hasty
	l.spare = nil
	l.mu.Unlock()
	if hasty != nil {
		hasty.Stop()
	}
	if spare != nil {
		_ = spare.ch.Close() // if it fails the connection is gone
		l.helpers.Go(func() { gossh.DiscardRequests(spare.requests) })
	}
	for _, ch := range open {
		_ = ch.Close() // it may be closed
	}
	done := make(chan struct{})
	go func() {
		l.helpers.Wait()
		close(done)
	}()
	t := time.NewTimer(lastWords)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
	}
	l.conn.wire.abort()
	<-done
	return false
}
