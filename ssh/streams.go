package ssh

import (
	"io"
	"sync"
	"sync/atomic"

	"tutti/ssh/remote"
)

const (
	// smallBuffer is what a stream is first read with. Whenever that is filled,
	// the next one is bufferGrowth times as large, up to largeBuffer: every host
	// has two streams, and most say little. A full packet does not fill the
	// largest, so that it shows whether there was more than that.
	smallBuffer  = largeBuffer / (bufferGrowth * bufferGrowth)
	bufferGrowth = 8
	largeBuffer  = fullPacket * 5 / 4
	// fullPacket is the output, or input, in the largest packet of the library.
	fullPacket = 32 << 10
)

// Streams are the two outputs of a channel on their way to their writers.
type streams struct {
	stdout, stderr *streamReader // as they come
	gate           *readGate     // of the connection
	dead           chan struct{} // closed with the connection
	shut           chan struct{} // closed when nothing more comes on the channel
	ends           chan struct{} // receives one for each of the two, at any time
	ended          int           // of them, that have been received
	clock          *stopwatch    // of the command; stands still while output is passed on

	detached   atomic.Bool  // nothing is written any more
	lastOut    atomic.Int64 // time of the last output, by clock
	broken     atomic.Bool  // output could not be passed on
	discarding atomic.Bool  // output is discarded so that the end can be read
}

// copy passes a stream on until the channel ends, without tutti's own markers in it.
// The host may signal end of file early; what it sends after that is output as well.
func (s *streams) copy(to io.Writer, from io.Reader, m *remote.MarkerReader) {
	s.gate.arm()
	s.copyOn(to, from, m.Strip)
	s.gate.disarm()
	s.pass(to, m.Rest())
	<-s.shut
	s.copyOn(to, from, nil)
	s.ends <- struct{}{}
}

// copyOn passes a stream on until it ends; strip, unless nil, returns the part of each
// piece that is output.
func (s *streams) copyOn(to io.Writer, from io.Reader, strip func([]byte) []byte) {
	buf := make([]byte, smallBuffer)
	for {
		s.gate.ask()
		n, err := from.Read(buf)
		s.gate.consumed(n, n < len(buf))
		switch {
		case n > 0:
			p := buf[:n]
			if strip != nil {
				p = strip(p)
			}
			s.pass(to, p)
			buf = grown(buf, n)
			continue // an error that came along is about writing, or comes again
		case err != nil:
			return
		}
	}
}

// grown is the buffer to read with after n bytes have come into buf.
func grown(buf []byte, n int) []byte {
	if n < len(buf) || n >= largeBuffer {
		return buf
	}
	return make([]byte, bufferGrowth*n)
}

// A streamReader lets several goroutines read one stream, one at a time. The library
// wakes only one reader when the stream ends.
type streamReader struct {
	mu   sync.Mutex // held by the goroutine that reads
	from io.Reader
}

func (t *streamReader) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from.Read(p)
}

// pass writes p. The time this takes does not count against any limit. After a failed
// write the rest of the stream is discarded, so that the host is not blocked.
func (s *streams) pass(to io.Writer, p []byte) {
	if len(p) == 0 || s.broken.Load() || s.detached.Load() || s.discarding.Load() {
		return
	}
	s.clock.pause()
	s.gate.busy()
	_, err := to.Write(p)
	s.gate.free()
	s.clock.resume()
	if err != nil {
		s.broken.Store(true)
	}
	s.lastOut.Store(int64(s.clock.elapsed()))
}

// discard throws a stream away from the moment that full is closed, alongside a copy
// whose Write blocks: the connection must still be read, and what it brings must not
// pile up. What copy reads later has holes, and is discarded as well.
func (s *streams) discard(from io.Reader, full <-chan struct{}) {
	select {
	case <-full:
	case <-s.dead:
		return
	}
	s.discarding.Store(true)
	buf := make([]byte, smallBuffer)
	for {
		n, err := from.Read(buf)
		if n == 0 && err != nil {
			return
		}
		s.gate.discarded(n, n < len(buf))
	}
}
