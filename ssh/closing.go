package ssh

import (
	"bytes"
	"runtime"
	"time"

	"tutti/fanout"
)

// A channel of the library ends in two ways that look alike to who reads from it:
// the host has closed it, which says that everything has come, or the library
// has given up on the connection, over a message that it cannot take. By the
// time that shows, the end of the channel has been acted upon; to wait for it is
// to bet. What tells them apart is that the library answers a close with a close
// of its own, before anybody learns of the end, and sends nothing when it gives
// up. Who calls Write is the only sign by which that message can be told from
// the others, which are encrypted.

const (
	// closeAnswerer sends nothing but the answer to a close by itself.
	closeAnswerer = "golang.org/x/crypto/ssh.(*channel).handlePacket"
	// windowKeeper is called by it, and may send something else.
	windowKeeper = "golang.org/x/crypto/ssh.(*channel).handleData"
	// maxCloseAnswer is the longest that the answer can be once it is encrypted,
	// and maxAnswerDepth how far away the answerer is.
	maxCloseAnswer = 128
	maxAnswerDepth = 24
	// askTime bounds the question whether the connection has outlived a channel,
	// counted from what came last: the answer may have to wait for an exchange of
	// keys, which takes a busy machine its time.
	askTime = 5 * time.Second
)

// isPatient reports whether a server of that version line leaves it to the client
// to hang up, as OpenSSH's does. Where that is wrong, a command that had ended is
// lost, and never ok.
func isPatient(version []byte) bool {
	return bytes.HasPrefix(version, []byte("SSH-2.0-OpenSSH_"))
}

// answersClose reports whether the library is about to send p, as whose first
// function the caller was called, in answer to a close.
func answersClose(p []byte) bool {
	if len(p) > maxCloseAnswer {
		return false
	}
	var calls [maxAnswerDepth]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(3, calls[:])])
	for {
		f, more := frames.Next()
		if f.Function == closeAnswerer {
			return true
		}
		if f.Function == windowKeeper || !more {
			return false
		}
	}
}

// closedByHost reports whether it is proved that the host has closed the
// channel, which has ended. The answer to a close is held back while keys are
// exchanged, or is not sent if we were the first to close; then the host is
// asked for a sign of life: what reads it has given nothing up.
func (s *session) closedByHost() bool {
	if s.conn.wire.takeClose() {
		return true
	}
	if s.beside || s.ending || s.answer.refused && !s.ran() {
		return false // it does not matter; the connection is closed next
	}
	answered := make(chan bool, 1)
	s.helpers.Go(func() { // ends with the connection
		_, _, err := s.conn.ssh.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err == nil
	})
	t := fanout.NewTimer(askTime, s.conn.wire.lastRead.Load)
	defer t.Stop()
	select {
	case ok := <-answered:
		return ok
	case <-s.conn.dead:
	case <-t.C:
	}
	s.conn.wire.abort()
	return false
}
