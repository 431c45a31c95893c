package fleet

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a server's network connection with faults of the byte stream. The
// library writes from one goroutine at a time, each packet in one Write, so that
// bytes and packets can be counted here.
type wire struct {
	net.Conn // the TCP connection, for addresses and deadlines
	tcp      *net.TCPConn
	delay    *delay // nil without latency
	strike   func() // called when the end has come
	written  *atomic.Int64

	mu    sync.Mutex // guards what follows
	plan  *Cut       // the cut to come; nil: none
	limit int64      // value of written at which plan is due; -1: not armed
	armed bool       // a cut that counts from the exec request has its limit
	stall Step
	scan  scanner
	ended bool    // the end has come, in the way that how says
	how   CutMode // how it ended; not Garble
	wrong bool    // bytes are garbled
}

// newWire wraps a connection, whose bytes entry counts and whose number seeds
// the jitter.
func newWire(tcp *net.TCPConn, entry *connEntry, latency time.Duration, faults *Faults) *wire {
	w := &wire{Conn: tcp, tcp: tcp, written: &entry.written, strike: faults.strike, limit: -1, plan: faults.Cut, stall: faults.Stall}
	if rtt := latency + faults.Latency; rtt > 0 || faults.Jitter > 0 {
		w.delay = newDelay(tcp, rtt, faults.Jitter, uint64(entry.Conn))
	}
	return w
}

// begin executes the faults that are due before the version line.
func (w *wire) begin() {
	w.mu.Lock()
	due, how := w.stall == StepAccept, Silence
	if w.plan != nil && !w.plan.FromExec {
		w.limit = w.written.Load() + w.plan.After
		if w.plan.After == 0 {
			due, how = true, w.plan.How
		}
	}
	w.mu.Unlock()
	if due {
		w.cut(how)
	}
}

// exec starts the count of a cut that counts from the exec request.
func (w *wire) exec() {
	w.mu.Lock()
	armed := w.plan != nil && w.plan.FromExec && !w.armed
	if armed {
		w.armed = true
		w.limit = w.written.Load() + w.plan.After
	}
	due := armed && w.plan.After == 0
	w.mu.Unlock()
	if due {
		w.cut(w.plan.How)
	}
}

// text sends a line that is not of the protocol: the scanner does not see it and
// no cut applies.
func (w *wire) text(s string) {
	_, _ = w.deliver([]byte(s)) // the client may have left
}

// Write sends what the faults let through.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.ended {
		how := w.how
		w.mu.Unlock()
		if how == Silence {
			return len(p), nil
		}
		return 0, net.ErrClosed
	}
	if w.wrong {
		w.mu.Unlock()
		return w.deliver(garbled(p))
	}
	keep, due, how := len(p), false, Silence
	if n, reached := w.scan.until(p, w.stall); reached {
		keep, due = n, true
	}
	if left := w.limit - w.written.Load(); w.limit >= 0 && left <= int64(keep) {
		keep, due, how = int(left), true, w.plan.How
	}
	w.mu.Unlock()

	n, err := w.deliver(p[:keep])
	if err != nil || !due {
		return n, err
	}
	w.cut(how)
	switch how {
	case Silence:
		return len(p), nil
	case Garble:
		rest, err := w.deliver(garbled(p[keep:]))
		return n + rest, err
	}
	return n, net.ErrClosed
}

// garbled is p with every bit wrong.
func garbled(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = ^b
	}
	return out
}

// deliver sends and counts.
func (w *wire) deliver(p []byte) (int, error) {
	n, err := w.send(p)
	w.written.Add(int64(n))
	return n, err
}

func (w *wire) send(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.delay != nil {
		return w.delay.write(p)
	}
	return w.tcp.Write(p)
}

// Read returns what the client sent. After a silence or a FIN it swallows it,
// so that the end of a client that gives up is still noticed.
func (w *wire) Read(p []byte) (int, error) {
	for {
		var n int
		var err error
		if w.delay != nil {
			n, err = w.delay.read(p)
		} else {
			n, err = w.tcp.Read(p)
		}
		w.mu.Lock()
		dead := w.ended
		w.mu.Unlock()
		if err != nil || !dead {
			return n, err
		}
	}
}

// cut ends the connection, behind the bytes that are still under way.
func (w *wire) cut(how CutMode) {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return
	}
	if how == Garble {
		w.wrong, w.limit = true, -1
	} else {
		w.ended, w.how = true, how
	}
	w.mu.Unlock()
	if how == Reset || how == Finish {
		w.finish(func() { end(w.tcp, how) })
	}
	w.strike()
}

// silence falls silent.
func (w *wire) silence() { w.cut(Silence) }

// Close closes the connection, behind the bytes that are still under way.
func (w *wire) Close() error {
	w.mu.Lock()
	silent := w.ended && w.how != Reset
	w.mu.Unlock()
	if silent {
		return nil // the point of it is that the connection stands; abort ends it
	}
	w.finish(func() { _ = w.tcp.Close() })
	return nil
}

func (w *wire) finish(act func()) {
	if w.delay != nil {
		w.delay.finish(act)
		return
	}
	act()
}

// abort closes the connection now, whatever is under way, and waits for the
// goroutines of the delay.
func (w *wire) abort() {
	_ = w.tcp.Close() // closing twice is no news
	if w.delay != nil {
		w.delay.abort()
	}
}

// end ends a TCP connection by RST or FIN. The errors say that the client has
// ended it already.
func end(tcp *net.TCPConn, how CutMode) {
	if how == Finish {
		_ = tcp.CloseWrite()
		return
	}
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}
