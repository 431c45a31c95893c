package keeper

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// maxPending is how many bytes wait to be sent before those who send wait.
const maxPending = 1 << 20

// errGone is the other side that has hung up.
var errGone = errors.New("the connection is closed")

// A link carries messages both ways over a connection. Many goroutines may send and ask.
type link struct {
	conn net.Conn
	from *bufio.Reader
	dead chan struct{} // closed when nothing more comes or goes
	wg   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	pending  []byte
	wake     *sync.Cond // there is something pending, or the link is dead
	room     *sync.Cond // the same for the other direction
	failed   error      // why it is dead; nil: it is not
	asked    uint32
	answers  map[uint32]chan message
	received int64 // messages
}

func newLink(conn net.Conn, from *bufio.Reader) *link {
	l := &link{conn: conn, from: from, dead: make(chan struct{}), answers: map[uint32]chan message{}}
	l.wake, l.room = sync.NewCond(&l.mu), sync.NewCond(&l.mu)
	return l
}

// start sends what is pending, and gives what comes to handle, one after the other, until
// the link is dead. Handle must not wait for the other side.
func (l *link) start(handle func(message) error) {
	l.wg.Go(l.sendPending)
	l.wg.Go(func() { l.fail(l.receive(handle)) })
}

func (l *link) receive(handle func(message) error) error {
	for {
		m, err := read(l.from)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.received++
		waiting := l.answers[m.number]
		if m.kind == kindAnswer {
			delete(l.answers, m.number)
		}
		l.mu.Unlock()
		switch {
		case m.kind != kindAnswer:
			err = handle(m)
		case waiting != nil:
			waiting <- m
		}
		if err != nil {
			return err
		}
	}
}

func (l *link) sendPending() {
	var spare []byte
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && l.failed == nil {
			l.wake.Wait()
		}
		if l.failed != nil {
			l.mu.Unlock()
			return
		}
		out := l.pending
		l.pending = spare[:0]
		l.room.Broadcast()
		l.mu.Unlock()
		if _, err := l.conn.Write(out); err != nil {
			l.fail(err)
			return
		}
		spare = out
		if cap(spare) > 2*maxPending {
			spare = nil
		}
	}
}

// fail ends the link.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = errGone
	}
	l.failed = err
	close(l.dead)
	_ = l.conn.Close() // it is given up
	l.wake.Broadcast()
	l.room.Broadcast()
}

// close ends the link and waits for its goroutines.
func (l *link) close() {
	l.fail(errGone)
	l.wg.Wait()
}

// isDead reports whether nothing more comes or goes.
func (l *link) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// post sends m without waiting. An error is that of a dead link.
func (l *link) post(k kind, number uint32, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(message{k, number, body})
}

// put is post with l.mu held.
func (l *link) put(m message) error {
	if l.failed != nil {
		return l.failed
	}
	if len(l.pending) == 0 {
		l.wake.Signal()
	}
	l.pending = m.append(l.pending)
	return nil
}

// ask sends a question about an attempt, once there is room for it, and waits for the
// answer. It does not use the pieces of the body after it has returned.
func (l *link) ask(ctx context.Context, k kind, body ...[]byte) ([]byte, error) {
	l.mu.Lock()
	for len(l.pending) > maxPending && l.failed == nil {
		l.room.Wait()
	}
	if l.failed != nil {
		defer l.mu.Unlock()
		return nil, l.failed
	}
	l.asked++
	number, answer := l.asked, make(chan message, 1)
	l.answers[number] = answer
	if len(l.pending) == 0 {
		l.wake.Signal()
	}
	size := 0
	for _, piece := range body {
		size += len(piece)
	}
	l.pending = message{k, number, nil}.append(l.pending)
	binary.BigEndian.PutUint32(l.pending[len(l.pending)-headerSize:], uint32(size)) //nolint:gosec // of pieces in memory
	for _, piece := range body {
		l.pending = append(l.pending, piece...)
	}
	l.mu.Unlock()
	select {
	case m := <-answer:
		return open(m.body)
	case <-l.dead:
	case <-ctx.Done():
	}
	l.mu.Lock()
	delete(l.answers, number)
	l.mu.Unlock()
	select {
	case m := <-answer: // it came in time
		return open(m.body)
	default:
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, errGone
}

// open is what an answer says.
func open(body []byte) ([]byte, error) {
	switch {
	case len(body) == 0:
		return nil, errors.New("an answer is empty")
	case body[0] == 0:
		return body[1:], nil
	}
	return nil, errors.New(string(body[1:]))
}

// answer answers question number. That it cannot be sent is told by the link.
func (l *link) answer(number uint32, said []byte, err error) {
	if err != nil {
		_ = l.post(kindAnswer, number, append([]byte{1}, err.Error()...))
		return
	}
	_ = l.post(kindAnswer, number, append([]byte{0}, said...))
}

// numbered is a number as a body begins with it.
func numbered(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
