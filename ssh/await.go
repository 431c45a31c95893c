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
func (c *channel) await(ctx context.Context, limit time.Duration) ending {
	timer := fanout.NewTimer(time.Hour, c.conn.wire.lastRead.Load)
	defer timer.Stop()
	for !c.over() {
		if left, _, timed := c.deadline(limit); timed {
			timer.Reset(left)
		} else {
			timer.Stop()
		}
		heard := c.waitEvent(timer.C, c.clock.resumed, ctx.Done())
		switch {
		case c.input.err != nil:
			return endInput
		case heard:
			continue
		case ctx.Err() == nil:
			if how, up := c.timeUp(limit); up && timer.Up() {
				return how
			}
			continue
		}
		if c.poll(); c.over() {
			return endClosed
		}
		if c.exit != nil {
			return endDrained
		}
		return endStopped
	}
	return endClosed
}

// timeUp returns what it means that the time is up, and whether it is.
func (c *channel) timeUp(limit time.Duration) (ending, bool) {
	c.poll()
	left, how, timed := c.deadline(limit)
	return how, timed && left <= 0 && !c.over()
}

// waitEvent waits for the next event of the host or of a helper and handles it. It
// returns false if one of the other channels, which may be nil, fired first.
func (c *channel) waitEvent(t <-chan time.Time, this, that <-chan struct{}) bool {
	select {
	case r, ok := <-c.requests:
		c.handle(r, ok)
	case a := <-c.reply:
		c.answered(a)
	case <-c.ends:
		c.ended++
	case c.input.err = <-c.failed:
	case <-t:
		return false
	case <-this:
		return false
	case <-that:
		return false
	}
	return true
}

// answered records the host's answer to the request to run the command. After a refusal
// the session still listens for a moment, in case the command runs after all.
func (c *channel) answered(a execReply) {
	c.answer, c.refusedAt = a, c.clock.elapsed()
}

// over reports whether nothing more can come from the session. If the host refused the
// requested terminal, the command was not sent.
func (c *channel) over() bool {
	return c.requests == nil && c.ended == 2 || c.answer.refused && c.answer.terminal
}

// ran reports whether something has run, whatever the host answered: it may have been
// the command.
func (c *channel) ran() bool { return c.exit != nil || c.garbled || c.lastOut.Load() != 0 }

// deadline returns how long to wait at most, and what it means when that time
// is up. It has no limit while output is being written.
func (c *channel) deadline(limit time.Duration) (time.Duration, ending, bool) {
	now, running := c.clock.read()
	switch {
	case !running:
		return 0, 0, false
	case c.answer.refused && !c.ran():
		return c.refusedAt + lastWords - now, endClosed, true
	case c.answer.refused && c.exit == nil:
		quiet := max(c.refusedAt, time.Duration(c.lastOut.Load()))
		return min(quiet+c.drain, c.refusedAt+5*c.drain) - now, endClosed, true
	case c.exit != nil:
		quiet := max(c.exitAt, time.Duration(c.lastOut.Load()))
		return min(quiet+c.drain, c.exitAt+5*c.drain) - now, endDrained, true
	case limit > 0:
		return limit - now, endTimeout, true
	}
	return 0, 0, false
}

// poll takes what has already arrived.
func (c *channel) poll() {
	for {
		select {
		case r, ok := <-c.requests:
			c.handle(r, ok)
		case a := <-c.reply:
			c.answered(a)
		case <-c.ends:
			c.ended++
		default:
			return
		}
	}
}
