package ssh

import (
	"errors"
	"net"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// A deafConn never answers, as the library does not when it gives up between a
// question and its answer.
type deafConn struct {
	gossh.Conn
	asked, done chan struct{}
}

func (d *deafConn) OpenChannel(string, []byte) (gossh.Channel, <-chan *gossh.Request, error) {
	close(d.asked)
	<-d.done
	return nil, nil, errors.New("too late")
}

// TestOpenEndsWithItsConnection: a wish for a channel does not outlive the
// connection.
func TestOpenEndsWithItsConnection(t *testing.T) {
	d := &deafConn{asked: make(chan struct{}), done: make(chan struct{})}
	defer close(d.done)
	c := &conn{ssh: d, dead: make(chan struct{})}
	failed := make(chan error, 1)
	go func() {
		_, _, err := c.openChannel("session", nil)
		failed <- err
	}()
	<-d.asked
	close(c.dead)
	if err := <-failed; !errors.Is(err, errGone) {
		t.Errorf("got %v, want %v", err, errGone)
	}
}

// TestWriteAfterReadError: the library is not left to wait for an answer that
// cannot come any more.
func TestWriteAfterReadError(t *testing.T) {
	ours, theirs := net.Pipe()
	w := newWire(ours)
	defer w.abort()
	_ = theirs.Close()
	if _, err := w.Write([]byte("before")); err != nil {
		t.Errorf("got %v before reading has failed, want nothing to be told by writing", err)
	}
	if _, err := w.Read(make([]byte, 1)); err == nil {
		t.Fatal("got no error from reading what the other side has closed")
	}
	if _, err := w.Write([]byte("after")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v after reading has failed, want %v", err, net.ErrClosed)
	}
}
