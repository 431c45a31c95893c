package output

import (
	"bytes"

	"tutti/fanout"
)

// A source is one stream of one target.
type source struct {
	target int
	stream fanout.Stream
}

// partials holds the incomplete lines, by source.
type partials struct {
	pool *pool
	open map[source]*buffer
}

func newPartials() partials {
	return partials{pool: newPool(spillLimit), open: make(map[source]*buffer)}
}

// take returns the incomplete line of s, which the caller then owns; nil if there is
// none.
func (p partials) take(s source) *buffer {
	b := p.open[s]
	delete(p.open, s)
	return b
}

// keep adds data to the incomplete line of s.
func (p partials) keep(s source, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	b := p.open[s]
	if b == nil {
		b = p.pool.buffer()
		p.open[s] = b
	}
	return b.write(data)
}

// drop frees every line, and the temporary file.
func (p partials) drop() error {
	for s, b := range p.open {
		b.free()
		delete(p.open, s)
	}
	return p.pool.Close()
}

// splitLines splits data after its last newline. Pieces of a long line have none, which
// is found out much faster from the front.
func splitLines(data []byte) (whole, begun []byte) {
	if bytes.IndexByte(data, '\n') < 0 {
		return nil, data
	}
	i := bytes.LastIndexByte(data, '\n') + 1
	return data[:i], data[i:]
}
