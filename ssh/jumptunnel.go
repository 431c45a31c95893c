package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// A tunnel is a connection that a bastion has made for us. Our end of it is a
// pipe: what the library gives us to read and write on cannot be interrupted
// and knows no deadlines.
type tunnel struct {
	net.Conn
	to     tunnelAddr
	hangUp func() // tells the bastion
}

// Close ends the tunnel; every call on it returns at once.
func (t *tunnel) Close() error {
	err := t.Conn.Close()
	t.hangUp()
	return err
}

// RemoteAddr is the address that the bastion was asked for.
func (t *tunnel) RemoteAddr() net.Addr { return t.to }

// A tunnelAddr is a host and a port that the bastion or the proxy command resolves.
type tunnelAddr string

func (tunnelAddr) Network() string  { return "tcp" }
func (a tunnelAddr) String() string { return string(a) }

// errJumpLost is the loss of the connection to the bastion while it was in use.
var errJumpLost = errors.New("the connection to the bastion was lost")

// tunnel connects by way of the last bastion.
func (l *login) tunnel(ctx context.Context) (net.Conn, error) {
	via := l.ep.via
	l.phase.Store(int32(phaseJump))
	r, err := via.acquire(ctx, l)
	if err != nil {
		return nil, err
	}
	l.jump = r
	l.phase.Store(int32(phaseDial))
	c, err := via.open(ctx, r, l.ep)
	if err == nil {
		return c, nil
	}
	via.release(r)
	return nil, err
}

// open asks the bastion for a connection to the host at to. If ctx ends first, a
// goroutine still waits for the answer: other targets use the connection to the bastion
// as well.
func (b *bastion) open(ctx context.Context, r *jumpConn, to *endpoint) (net.Conn, error) {
	var (
		ch       gossh.Channel
		requests <-chan *gossh.Request
		err      error
	)
	opened := make(chan struct{})
	b.client.tails.Go(func() {
		ch, requests, err = r.openChannel("direct-tcpip", gossh.Marshal(struct {
			Host       string
			Port       uint32
			Originator string
			From       uint32
		}{to.Address, uint32(to.Port), "127.0.0.1", 0})) //nolint:gosec // prepare has checked the port
		select {
		case opened <- struct{}{}:
		case <-ctx.Done():
			if err == nil {
				_ = ch.Close() // if it fails the connection is gone
				gossh.DiscardRequests(requests)
			}
		}
	})
	select {
	case <-opened:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, b.refusal(r, err)
	}
	b.noteAnswer(r)
	return b.join(r, ch, requests, to), nil
}

// join makes a tunnel of a channel.
func (b *bastion) join(r *jumpConn, ch gossh.Channel, requests <-chan *gossh.Request, to *endpoint) *tunnel {
	ours, theirs := net.Pipe()
	wg := b.client.tails
	hangUp := sync.OnceFunc(func() {
		b.release(r)
		wg.Go(func() { _ = ch.Close() }) // it can wait for the bastion; if it fails the connection is gone
	})
	wg.Go(func() { gossh.DiscardRequests(requests) })
	wg.Go(func() {
		pump(ch, theirs)
		_ = theirs.Close() // a pipe; nothing is in it
	})
	wg.Go(func() {
		pump(theirs, ch)
		_ = theirs.Close() // a pipe; nothing is in it
		hangUp()
	})
	return &tunnel{Conn: ours, to: tunnelAddr(to.address()), hangUp: hangUp}
}

// pump copies until either side has ended.
func pump(to io.Writer, from io.Reader) {
	buf := make([]byte, smallBuffer)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		buf = grown(buf, n)
	}
}

// onwardReasons are what servers say, in more words, of hosts that they cannot
// reach. Their words may hold addresses, and would not fold.
var onwardReasons = []string{
	"connection refused", "connection timed out", "no route to host", "network is unreachable", "host is down",
	"name or service not known", "no such host", "temporary failure in name resolution",
}

// refusal explains why a bastion has made no connection.
func (b *bastion) refusal(r *jumpConn, err error) error {
	refused, ok := errors.AsType[*gossh.OpenChannelError](err)
	if !ok {
		return errJumpLost
	}
	b.noteAnswer(r)
	said := sanitize.Line(refused.Message, 200)
	for _, reason := range onwardReasons {
		if strings.Contains(strings.ToLower(said), reason) {
			said = reason
		}
	}
	f := &fanout.Failure{Op: fanout.OpJump, Message: fmt.Sprintf("via %s: %s", b.name(), said)}
	if refused.Reason == gossh.Prohibited || refused.Reason == gossh.UnknownChannelType {
		f.Final = true
		f.Message = fmt.Sprintf("via %s: it does not allow the connection (check AllowTcpForwarding and PermitOpen there): %s", b.name(), said)
	}
	return &jumpError{f}
}

// lost reports whether the way to the host is gone, rather than the host.
func (r *jumpConn) lost() bool { return r != nil && !r.wire.settled(r.dead) }

// blame says of a connection that was lost that its bastion was.
func (c *conn) blame(f *fanout.Failure) {
	if f != nil && f.Op == fanout.OpConnection && c.jump.lost() {
		const lost = "the connection"
		f.Message = strings.Replace(f.Message, lost, lost+" to the bastion "+c.ep.via.name(), 1)
	}
}
