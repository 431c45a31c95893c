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
	stdout, stderr *turns        // as they come
	valve          *valve        // of the connection
	dead           chan struct{} // closed with the connection
	shut           chan struct{} // closed when nothing more comes on the channel
	ends           chan struct{} // receives one for each of the two, at any time
	ended          int           // of them, that have been received
	clock          *stopwatch    // of the command; stands still while output is passed on

	parted  atomic.Bool  // nothing is written any more
	lastOut atomic.Int64 // time of the last output, by clock
	broken  atomic.Bool  // output could not be passed on
	spilled atomic.Bool  // output was thrown away to hear the end
}

// copy passes a stream on until the channel ends, without what is said to us
// in it. The stream ends earlier if the host says so; what a host sends after
// that all the same is output as well, and would be missing.
func (s *streams) copy(to io.Writer, from io.Reader, m *remote.MarkerReader) {
	s.valve.attend()
	s.copyOn(to, from, m.Strip)
	s.valve.leave()
	s.pass(to, m.Rest())
	<-s.shut
	s.copyOn(to, from, nil)
	s.ends <- struct{}{}
}

// copyOn passes a stream on as far as there is more of it; strip, unless it is
// nil, says what of it is output.
func (s *streams) copyOn(to io.Writer, from io.Reader, strip func([]byte) []byte) {
	buf := make([]byte, smallBuffer)
	for {
		s.valve.ask()
		n, err := from.Read(buf)
		s.valve.took(n, n < len(buf))
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

// Turns let one of several read at a time. The library wakes only one of them
// when the stream ends.
type turns struct {
	mu   sync.Mutex // held while somebody waits for more, who then takes it
	from io.Reader
}

func (t *turns) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from.Read(p)
}

// pass writes p. The time this takes does not count against any limit. When
// writing has failed the rest of the stream is thrown away, so that the host
// is not held up.
func (s *streams) pass(to io.Writer, p []byte) {
	if len(p) == 0 || s.broken.Load() || s.parted.Load() || s.spilled.Load() {
		return
	}
	s.clock.pause()
	s.valve.busy()
	_, err := to.Write(p)
	s.valve.free()
	s.clock.resume()
	if err != nil {
		s.broken.Store(true)
	}
	s.lastOut.Store(int64(s.clock.elapsed()))
}

// spill throws a stream away from the moment that full is closed, beside copy,
// whose Write waits: the connection is to be read from, for what else comes over
// it, and what it brings must not pile up. What copy gets to read later has
// holes, and is thrown away as well.
func (s *streams) spill(from io.Reader, full <-chan struct{}) {
	select {
	case <-full:
	case <-s.dead:
		return
	}
	s.spilled.Store(true)
	buf := make([]byte, smallBuffer)
	for {
		n, err := from.Read(buf)
		if n == 0 && err != nil {
			return
		}
		s.valve.discarded(n, n < len(buf))
	}
}
