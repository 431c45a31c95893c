package pgtest

import (
	"bytes"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A Proxy is a way to a server on which connections get lost. Its methods may be called by
// many goroutines at once.
type Proxy struct {
	server   *Server
	listener net.Listener

	mu    sync.Mutex // guards what follows
	pairs map[*pair]bool
	// loseAfter is what a client sends whose next answer is lost, with its connection;
	// empty: no answer is. before: what it sends is lost, too.
	loseAfter string
	before    bool
	lost      int
	// hole: nothing comes through, and no connection ends.
	hole   bool
	filled *sync.Cond // the hole is filled
}

// NewProxy starts a proxy, which ends with the test.
func (s *Server) NewProxy(tb testing.TB) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{server: s, listener: listener, pairs: map[*pair]bool{}}
	p.filled = sync.NewCond(&p.mu)
	var running sync.WaitGroup
	running.Go(func() { p.accept(&running) })
	tb.Cleanup(func() {
		_ = listener.Close() // the test is over
		p.Hole(false)
		p.Cut()
		running.Wait()
	})
	return p
}

// DSN is the address by the proxy of the database that dsn leads to, see
// [Server.NewDatabase].
func (p *Proxy) DSN(dsn string) string {
	return p.server.TCP(Database(dsn), p.listener.Addr().(*net.TCPAddr).Port)
}

// Database is the name of the database that an address leads to.
func Database(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(u.Path, "/")
}

// LoseAnswer breaks the next connection whose client sends text: when the server has
// answered, or, if before, before the server gets it.
func (p *Proxy) LoseAnswer(text string, before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseAfter, p.before = text, before
}

// Lost is how many answers were lost.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Hole makes a black hole of the proxy, or ends it: what was sent meanwhile comes through
// then.
func (p *Proxy) Hole(hole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = hole
	p.filled.Broadcast()
}

// Cut breaks all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pair := range p.pairs {
		pair.close()
	}
}

func (p *Proxy) accept(running *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		running.Go(func() { p.connect(client) })
	}
}

// A pair is a connection on both sides of the proxy.
type pair struct {
	client, server net.Conn
	// mute: the next answer is lost. It is guarded by the proxy's mu.
	mute bool
}

func (p *pair) close() {
	_ = p.client.Close() // it is broken on purpose
	_ = p.server.Close()
}

func (p *Proxy) connect(client net.Conn) {
	p.pass()
	server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.server.Port)))
	if err != nil {
		_ = client.Close() // so that the client sees it
		return
	}
	both := &pair{client: client, server: server}
	p.mu.Lock()
	p.pairs[both] = true
	p.mu.Unlock()
	var ways sync.WaitGroup
	ways.Go(func() { p.copy(both, server, client, p.ask) })
	ways.Go(func() { p.copy(both, client, server, p.answer) })
	ways.Wait()
	p.mu.Lock()
	delete(p.pairs, both)
	p.mu.Unlock()
}

// pass returns when there is no black hole.
func (p *Proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hole {
		p.filled.Wait()
	}
}

// copy forwards what may, until one of the connections ends, which ends both.
func (p *Proxy) copy(both *pair, to, from net.Conn, may func(*pair, []byte) bool) {
	defer both.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.pass()
		if !may(both, buffer[:n]) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// ask reports whether what a client sends comes through.
func (p *Proxy) ask(both *pair, sent []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loseAfter == "" || !bytes.Contains(sent, []byte(p.loseAfter)) {
		return true
	}
	p.loseAfter = ""
	p.lost++
	both.mute = true
	return !p.before
}

// answer reports whether what the server sends comes through.
func (p *Proxy) answer(both *pair, _ []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !both.mute
}
