package ssh

import (
	"bytes"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tutti/fanout"
)

// A channel of the library ends in two ways that look alike to who reads from it:
// the host has closed it, which says that everything has come, or the library
// has given up on the connection, over a message that it cannot take. By the
// time that shows, the end of the channel has been acted upon; to wait for it is
// to bet. What tells them apart is that the library answers a close with a close
// of its own, before Read returns the end, and sends nothing when it gives up.
// Messages are encrypted, so the caller of Write is the only sign that a message is
// this answer.

const (
	// closeAnswerer sends nothing but the answer to a close by itself.
	closeAnswerer = "golang.org/x/crypto/ssh.(*channel).handlePacket"
	// windowKeeper is called by it, and may send something else.
	windowKeeper = "golang.org/x/crypto/ssh.(*channel).handleData"
	// windowGranter sends nothing but grants of the window.
	windowGranter = "golang.org/x/crypto/ssh.(*channel).adjustWindow"
	// maxShort is the longest that one of these messages can be once it is
	// encrypted, and maxDepth how far away the function is that sends it.
	maxShort = 128
	maxDepth = 24
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

// A role is what a function of the library says about a message that is sent beneath
// it.
type role int

const (
	passesOn     role = iota // nothing
	answersOnly              // it is the answer to a close
	keepsWindow              // it is not
	grantsWindow             // it grants the host more of a window
)

// callers remembers the roles of places in the program that messages were sent
// from, by program counter. The connections of a client share one; the zero value
// is ready.
type callers struct {
	roles atomic.Pointer[map[uintptr]role] // never changed, but replaced
	mu    sync.Mutex                       // held by who replaces it
}

// sender is the role of the innermost function with a role that p is sent beneath. It
// is called by Write itself, whose callers it looks through.
func (c *callers) sender(p []byte) role {
	if len(p) > maxShort {
		return passesOn
	}
	var calls [maxDepth]uintptr
	for _, pc := range calls[:runtime.Callers(3, calls[:])] {
		if r := c.roleOf(pc); r != passesOn {
			return r
		}
	}
	return passesOn
}

// roleOf is what the call at pc means for what is sent beneath it. Names are looked
// for once: that takes longer than all else that is done for a message.
func (c *callers) roleOf(pc uintptr) role {
	if known := c.roles.Load(); known != nil {
		if r, ok := (*known)[pc]; ok {
			return r
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more := make(map[uintptr]role)
	if known := c.roles.Load(); known != nil {
		maps.Copy(more, *known)
	}
	r := lookUpRole(pc)
	more[pc] = r
	c.roles.Store(&more)
	return r
}

func lookUpRole(pc uintptr) role {
	frames := runtime.CallersFrames([]uintptr{pc}) // several, where calls were inlined
	for {
		f, more := frames.Next()
		switch {
		case f.Function == closeAnswerer:
			return answersOnly
		case f.Function == windowKeeper:
			return keepsWindow
		case f.Function == windowGranter:
			return grantsWindow
		case !more:
			return passesOn
		}
	}
}

// closedByHost reports whether it is proved that the host has closed the
// channel, which has ended. The answer to a close is held back while keys are
// exchanged, or is not sent if we were the first to close; then the host is
// asked for a sign of life: what reads it has given nothing up.
func (c *channel) closedByHost() bool {
	if c.conn.wire.takeClose() {
		return true
	}
	if c.doomed || c.answer.refused && !c.ran() {
		return false // it does not matter; the connection is closed next
	}
	answered := make(chan bool, 1)
	c.helpers.Go(func() { // ends with the connection
		_, _, err := c.conn.ssh.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err == nil
	})
	t := fanout.NewTimer(askTime, c.conn.wire.lastRead.Load)
	defer t.Stop()
	select {
	case ok := <-answered:
		return ok
	case <-c.conn.dead:
	case <-t.C:
	}
	c.conn.wire.abort()
	return false
}
