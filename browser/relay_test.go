package browser

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A relay is an address that leads to a daemon, or to none, and stays the same meanwhile.
type relay struct {
	listener net.Listener
	copies   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	to    string     // empty: connections end at once
	conns map[net.Conn]bool
	asked bytes.Buffer // what clients have sent
}

func newRelay(tb testing.TB) *relay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{listener: l, conns: make(map[net.Conn]bool)}
	r.copies.Go(r.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		r.lead("")
		r.copies.Wait()
	})
	return r
}

// url is the address of a path of the site.
func (r *relay) url(path string) string { return "http://" + r.listener.Addr().String() + path }

// lead ends what is connected; later connections lead to that address, or, if it is
// empty, end at once.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	r.end()
}

// cut ends what is connected.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

// end is cut; r.mu is held.
func (r *relay) end() {
	for c := range r.conns {
		_ = c.Close()
	}
	clear(r.conns)
}

// headers are the values that clients have sent so far of a header, in order.
func (r *relay) headers(name string) (values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.asked.String()) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.copies.Go(func() { r.connect(c) })
	}
}

func (r *relay) connect(client net.Conn) {
	defer client.Close() //nolint:errcheck // it may be closed
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // it may be closed
	if !r.keep(to, client, server) {
		return
	}
	r.copies.Go(func() {
		_, _ = io.Copy(client, server) // until one of them is gone
		_ = client.Close()
	})
	_, _ = io.Copy(io.MultiWriter(server, noting{r}), client)
}

// keep notes connections to an address, unless the relay leads elsewhere by now.
func (r *relay) keep(to string, conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.to == to {
			r.conns[c] = true
		}
	}
	return r.to == to
}

// noting notes what clients send.
type noting struct{ *relay }

func (n noting) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked.Write(p)
}
