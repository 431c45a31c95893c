package sftp

import (
	"io"
	"sync/atomic"
)

// A meter bounds how much a host may say to a question with an answer of any length.
type meter struct {
	io.ReadWriteCloser
	limit atomic.Pointer[limit]
}

type limit struct {
	left atomic.Int64
	over func()
}

// bound calls over once more than n bytes have come, until the returned function is
// called.
func (m *meter) bound(n int64, over func()) (end func()) {
	l := &limit{over: over}
	l.left.Store(n)
	m.limit.Store(l)
	return func() { m.limit.CompareAndSwap(l, nil) }
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadWriteCloser.Read(p)
	if l := m.limit.Load(); l != nil && l.left.Add(-int64(n)) < 0 {
		l.over()
	}
	return n, err
}
