package runner

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"sync"

	"tutti/fanout"
)

// readAhead is how far a spool reads beyond the farthest of its readers, in
// bytes: an endless input must not fill the disk for hosts that do not read it.
const readAhead = 1 << 20

// A fileInput is a plain file.
type fileInput struct{ file *os.File }

var _ fanout.Input = fileInput{}

// Open reads from the start.
func (f fileInput) Open(context.Context) io.Reader {
	return io.NewSectionReader(f.file, 0, math.MaxInt64)
}

// Close closes the file.
func (f fileInput) Close() error { return f.file.Close() }

// A spool keeps a stream that can be read only once, for readers that each
// start at its beginning. The file has no name: other processes cannot open it, and
// it is gone however this process ends.
type spool struct {
	file *os.File
	from io.Reader
	once sync.Once // begins to read

	mu     sync.Mutex // guards what follows
	size   int64
	wanted int64         // the farthest that a reader has come
	err    error         // why there is no more: io.EOF if the stream has ended
	more   chan struct{} // closed when size or err changes
	asked  chan struct{} // closed when wanted changes
}

var _ fanout.Input = (*spool)(nil)

// newSpool makes a spool of from, which it reads once the spool is read.
func newSpool(from io.Reader) (*spool, error) {
	f, err := os.CreateTemp("", "tutti-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &spool{file: f, from: from, more: make(chan struct{}), asked: make(chan struct{})}, nil
}

// fill reads the stream to its end, as far ahead as readers need. A read cannot be
// interrupted: the goroutine ends with the process at the latest.
func (s *spool) fill() {
	buf := make([]byte, 64<<10)
	for at := int64(0); s.needed(); {
		n, err := s.from.Read(buf)
		if n > 0 {
			if _, writeErr := s.file.WriteAt(buf[:n], at); writeErr != nil {
				err, n = writeErr, 0
			}
		}
		at += int64(n)
		if s.grow(n, err) {
			return
		}
	}
}

// needed waits until a reader needs more; false: none ever will.
func (s *spool) needed() bool {
	for {
		s.mu.Lock()
		ended, enough, asked := s.err != nil, s.size >= s.wanted+readAhead, s.asked
		s.mu.Unlock()
		if ended || !enough {
			return !ended
		}
		<-asked
	}
}

// grow adds n more bytes, and the end if err is set.
func (s *spool) grow(n int, err error) (ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size += int64(n)
	if s.err == nil {
		s.err = err
	}
	close(s.more)
	s.more = make(chan struct{})
	return s.err != nil
}

// failure is why the stream, or its copy, could not be read to its end; nil if it
// could.
func (s *spool) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, io.EOF) || errors.Is(s.err, os.ErrClosed) {
		return nil
	}
	return s.err
}

// Close wakes waiting readers.
func (s *spool) Close() error {
	s.grow(0, os.ErrClosed)
	s.want(math.MaxInt64 - readAhead)
	return s.file.Close() // it is gone with that
}

func (s *spool) want(at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at > s.wanted {
		s.wanted = at
		close(s.asked)
		s.asked = make(chan struct{})
	}
}

// Open reads from the start.
func (s *spool) Open(ctx context.Context) io.Reader {
	s.once.Do(func() { go s.fill() })
	return &spoolReader{spool: s, ctx: ctx}
}

// A spoolReader reads a spool. Its context is that of Open, for which
// io.Reader has no parameter.
type spoolReader struct {
	spool *spool
	ctx   context.Context
	at    int64
}

// Read waits for more if there is none yet.
func (r *spoolReader) Read(p []byte) (int, error) {
	for {
		s := r.spool
		s.mu.Lock()
		size, err, more := s.size, s.err, s.more
		s.mu.Unlock()
		switch {
		case r.at < size:
			n, err := s.file.ReadAt(p[:min(int64(len(p)), size-r.at)], r.at)
			r.at += int64(n)
			s.want(r.at)
			return n, err
		case err != nil:
			return 0, err
		}
		select {
		case <-more:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
}
