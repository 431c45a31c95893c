// Package tail keeps the end of what is written.
package tail

// A Buffer keeps the last Size bytes that are written to it; the zero value keeps
// none. It is not for several goroutines at once.
type Buffer struct {
	Size int

	buf  []byte
	next int // where the next byte goes once buf is full
	cut  bool
}

// Write never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	written := len(p)
	if b.cut = b.cut || len(b.buf)+len(p) > b.Size; len(p) > b.Size {
		p = p[len(p)-b.Size:]
	}
	room := min(b.Size-len(b.buf), len(p))
	b.buf = append(b.buf, p[:room]...)
	for p = p[room:]; len(p) > 0; {
		n := copy(b.buf[b.next:], p)
		p = p[n:]
		b.next = (b.next + n) % b.Size
	}
	return written, nil
}

// Bytes returns a copy of what is kept, oldest first.
func (b *Buffer) Bytes() []byte {
	return append(append([]byte(nil), b.buf[b.next:]...), b.buf[:b.next]...)
}

// Cut reports whether more was written than is kept.
func (b *Buffer) Cut() bool { return b.cut }
