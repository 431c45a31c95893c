package ssh

import (
	"errors"
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

// TestP07OpenWhileConnectionEnds: a wish for a channel does not outlive the
// connection.
func TestP07OpenWhileConnectionEnds(t *testing.T) {
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
