package fleet

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// lineLimit is how many bytes are under way in one direction before the sender
// waits: enough that latency does not become a limit of throughput.
const lineLimit = 8 << 20

// delay holds back what travels on a connection. Each direction is a queue of
// chunks with the time at which they arrive.
type delay struct {
	tcp     *net.TCPConn
	half    time.Duration
	base    time.Time // when the server would have seen the connection at the earliest
	out, in *line
	rest    []byte // of the chunk that read last took
	end     error  // that read has come to; nil: not yet
	gone    chan struct{}
	once    sync.Once // closes gone
	wg      sync.WaitGroup
}

// newDelay starts the two goroutines that move bytes; abort ends them.
func newDelay(tcp *net.TCPConn, rtt, jitter time.Duration, seed uint64) *delay {
	d := &delay{
		tcp:  tcp,
		half: rtt / 2,
		base: time.Now().Add(rtt),
		out:  newLine(jitter, seed, 1),
		in:   newLine(jitter, seed, 2),
		gone: make(chan struct{}),
	}
	d.wg.Go(d.deliver)
	d.wg.Go(d.receive)
	return d
}

// write sends a copy of p on its way.
func (d *delay) write(p []byte) (int, error) {
	c := chunk{data: append([]byte(nil), p...), due: d.arrival(d.base.Add(d.half))}
	if !d.out.push(c, d.gone) {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// finish acts once everything written so far has arrived.
func (d *delay) finish(act func()) {
	d.out.push(chunk{act: act, due: d.arrival(d.base.Add(d.half))}, d.gone)
}

// arrival is when something sent now arrives, if nothing is sent before base.
func (d *delay) arrival(base time.Time) time.Time {
	now := time.Now()
	if now.Before(base) {
		now = base
	}
	return now.Add(d.half)
}

// deliver writes chunks as they fall due.
func (d *delay) deliver() {
	for {
		c, ok := d.out.pop(d.gone)
		if !ok {
			return
		}
		if c.act != nil {
			c.act()
			continue
		}
		if _, err := d.tcp.Write(c.data); err != nil {
			d.out.fail()
			return
		}
	}
}

// receive stamps what the client sends with the time of its arrival.
func (d *delay) receive() {
	buf := make([]byte, 8<<10)
	for {
		n, err := d.tcp.Read(buf)
		due := d.arrival(d.base)
		if n > 0 && !d.in.push(chunk{data: append([]byte(nil), buf[:n]...), due: due}, d.gone) {
			return
		}
		if err != nil {
			d.in.push(chunk{err: err, due: due}, d.gone)
			return
		}
	}
}

// read returns what has arrived. After the end there is nothing but the end.
func (d *delay) read(p []byte) (int, error) {
	if d.end != nil {
		return 0, d.end
	}
	if len(d.rest) == 0 {
		c, ok := d.in.pop(d.gone)
		if !ok {
			return 0, net.ErrClosed
		}
		if c.err != nil {
			d.end = c.err
			return 0, c.err
		}
		d.rest = c.data
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// abort drops what is under way and waits for the goroutines. The TCP
// connection must be closed.
func (d *delay) abort() {
	d.once.Do(func() { close(d.gone) })
	d.wg.Wait()
}

// chunk is something under way: bytes, an error or an act.
type chunk struct {
	due  time.Time
	data []byte
	err  error
	act  func()
}

// line is one direction: chunks in order, each with a time before which it is
// not handed out.
type line struct {
	jitter time.Duration
	ready  chan struct{} // holds one token if the queue may have grown
	space  chan struct{} // holds one token if the queue may have shrunk

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	queue  []chunk
	size   int       // bytes in queue
	last   time.Time // due time of the youngest chunk
	failed bool
}

func newLine(jitter time.Duration, seed, stream uint64) *line {
	return &line{
		jitter: jitter,
		ready:  make(chan struct{}, 1),
		space:  make(chan struct{}, 1),
		random: rand.New(rand.NewPCG(seed, stream)),
	}
}

// push adds a chunk, waiting for space. It reports false if the line is dead.
func (l *line) push(c chunk, gone <-chan struct{}) bool {
	for {
		l.mu.Lock()
		if l.failed {
			l.mu.Unlock()
			return false
		}
		if l.size < lineLimit {
			l.add(c)
			l.mu.Unlock()
			token(l.ready)
			return true
		}
		l.mu.Unlock()
		select {
		case <-l.space:
		case <-gone:
			return false
		}
	}
}

// add queues a chunk; the lock is held.
func (l *line) add(c chunk) {
	if l.jitter > 0 {
		c.due = c.due.Add(time.Duration(l.random.Int64N(int64(l.jitter))))
	}
	if c.due.Before(l.last) {
		c.due = l.last // never overtake
	}
	l.last = c.due
	l.queue = append(l.queue, c)
	l.size += len(c.data)
}

// pop waits for the oldest chunk to fall due. It reports false if the
// connection is gone.
func (l *line) pop(gone <-chan struct{}) (chunk, bool) {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue[0] = chunk{}
			l.queue = l.queue[1:]
			l.size -= len(c.data)
			l.mu.Unlock()
			token(l.space)
			return c, wait(time.Until(c.due), gone)
		}
		l.mu.Unlock()
		select {
		case <-l.ready:
		case <-gone:
			return chunk{}, false
		}
	}
}

// fail makes further pushes fail.
func (l *line) fail() {
	l.mu.Lock()
	l.failed = true
	l.mu.Unlock()
	token(l.space)
}

// token leaves a token unless one is there.
func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// wait waits and reports whether it came to the end of it before gone closed.
func wait(d time.Duration, gone <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-gone:
		return false
	}
}
