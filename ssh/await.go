package ssh

import (
	"context"
	"time"

	"tutti/fanout"
)

// An ending is why the wait for a command was over.
type ending int

const (
	endClosed  ending = iota // the channel is closed and everything is read
	endDrained               // the command ended, something else keeps the channel open
	endTimeout               // the command's time is up
	endStopped               // ctx is done
	endInput                 // its input cannot be had
)

// await waits until the command has ended, or is to be ended.
func (s *session) await(ctx context.Context, limit time.Duration) ending {
	timer := fanout.NewTimer(time.Hour, s.conn.wire.lastRead.Load)
	defer timer.Stop()
	for !s.over() {
		if left, _, timed := s.deadline(limit); timed {
			timer.Reset(left)
		} else {
			timer.Stop()
		}
		heard := s.hear(timer.C, s.clock.resumed, ctx.Done())
		switch {
		case s.inputErr != nil:
			return endInput
		case heard:
			continue
		case ctx.Err() == nil:
			if how, up := s.timeUp(limit); up && timer.Up() {
				return how
			}
			continue
		}
		if s.poll(); s.over() {
			return endClosed
		}
		if s.exit != nil {
			return endDrained
		}
		return endStopped
	}
	return endClosed
}

// timeUp says what it means that the time is up, if it is.
func (s *session) timeUp(limit time.Duration) (ending, bool) {
	s.poll()
	left, how, timed := s.deadline(limit)
	return how, timed && left <= 0 && !s.over()
}

// hear waits for what the host or a helper has to say of the session, and takes
// it. It reports whether that came before any of the others, which may be nil.
func (s *session) hear(t <-chan time.Time, this, that <-chan struct{}) bool {
	select {
	case r, ok := <-s.requests:
		s.handle(r, ok)
	case a := <-s.reply:
		s.answered(a)
	case <-s.streams:
		s.ended++
	case s.inputErr = <-s.inputFailed:
	case <-t:
		return false
	case <-this:
		return false
	case <-that:
		return false
	}
	return true
}

// answered notes the answer to the wish to run the command. After a refusal the
// host is listened to for a moment, so that what runs all the same is not taken
// for what was never begun.
func (s *session) answered(a execReply) {
	s.answer, s.refusedAt = a, s.clock.elapsed()
}

// over reports whether nothing more can come of the session. Without a terminal
// that was wanted nothing was sent.
func (s *session) over() bool {
	return s.requests == nil && s.ended == 2 || s.answer.refused && s.answer.terminal
}

// ran reports whether something has run, whatever the host says: then the
// command may have been it.
func (s *session) ran() bool { return s.exit != nil || s.garbled || s.lastOut.Load() != 0 }

// deadline returns how long to wait at most, and what it means when that time
// is up. It has no limit while output is being written.
func (s *session) deadline(limit time.Duration) (time.Duration, ending, bool) {
	now, running := s.clock.read()
	switch {
	case !running:
		return 0, 0, false
	case s.answer.refused && !s.ran():
		return s.refusedAt + lastWords - now, endClosed, true
	case s.answer.refused && s.exit == nil:
		quiet := max(s.refusedAt, time.Duration(s.lastOut.Load()))
		return min(quiet+s.drain, s.refusedAt+5*s.drain) - now, endClosed, true
	case s.exit != nil:
		quiet := max(s.exitAt, time.Duration(s.lastOut.Load()))
		return min(quiet+s.drain, s.exitAt+5*s.drain) - now, endDrained, true
	case limit > 0:
		return limit - now, endTimeout, true
	}
	return 0, 0, false
}

// poll takes what has already arrived.
func (s *session) poll() {
	for {
		select {
		case r, ok := <-s.requests:
			s.handle(r, ok)
		case a := <-s.reply:
			s.answered(a)
		case <-s.streams:
			s.ended++
		default:
			return
		}
	}
}
