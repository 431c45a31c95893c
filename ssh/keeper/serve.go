package keeper

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tutti/fanout"
	"tutti/ssh"
)

const (
	// helloTime is how long a caller has to say what it wants.
	helloTime = 10 * time.Second
	// DefaultMost is how many idle connections there are at most, unless callers say.
	DefaultMost = 4096
	// spareFiles is how many open files are for other things than connections.
	spareFiles = 64
	// idleLook is how often a keeper looks whether it is still of use.
	idleLook = time.Second
)

// A Keeper keeps connections for the processes of one user. See Serve.
type Keeper struct {
	dir     string
	version string
	socket  os.FileInfo // its own
	pool    *ssh.IdlePool
	files   int // that may be open
	running atomic.Int64
	wg      sync.WaitGroup // of callers

	mu      sync.Mutex // guards what follows
	callers int
	closing bool          // no more callers
	stopped chan struct{} // closed when closing becomes true
}

// State is what a keeper holds.
type State struct {
	// Process is its number.
	Process int
	// Running is how many commands it runs.
	Running int64
	// Idle are the connections that wait for the next command.
	Idle []ssh.IdleConn
}

// Serve keeps connections for callers that connect to l, which is the socket in dir, until
// there has been neither a caller nor a connection for a second, it is asked to stop,
// or ctx is done. Then it removes the socket. Version is that of the program.
func Serve(ctx context.Context, l *net.UnixListener, dir, version string) error {
	return serve(ctx, l, dir, version, idleLook)
}

// serve is Serve with another time between two looks.
func serve(ctx context.Context, l *net.UnixListener, dir, version string, look time.Duration) error {
	socket, err := os.Lstat(filepath.Join(dir, socketName))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	k := &Keeper{
		dir: dir, version: version, socket: socket, pool: ssh.NewIdlePool(0, DefaultMost), files: openFiles(),
		stopped: make(chan struct{}),
	}
	k.pool.SetMost(k.most(DefaultMost))
	accepted := make(chan error, 1)
	go func() { accepted <- k.accept(ctx, l) }() // ends with l
	err = k.watch(ctx, accepted, look)
	closeErr := k.remove(l)
	k.wg.Wait()
	return errors.Join(err, closeErr, k.pool.Close())
}

// most is how many idle connections there may be of those that were asked for.
func (k *Keeper) most(asked int) int { return max(1, min(asked, k.files-spareFiles)) }

// accept takes callers until l is closed.
func (k *Keeper) accept(ctx context.Context, l *net.UnixListener) error {
	for {
		conn, err := l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		case !k.enter():
			_ = conn.Close() // who connects again finds another keeper, or none
			continue
		}
		k.wg.Go(func() {
			defer k.leave()
			defer func() { _ = conn.Close() }() // nothing more is sent
			if checkPeer(conn) == nil {
				k.serve(ctx, conn)
			}
		})
	}
}

func (k *Keeper) enter() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closing {
		return false
	}
	k.callers++
	return true
}

func (k *Keeper) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.callers--
}

// close lets no more callers in.
func (k *Keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closing {
		k.closing = true
		close(k.stopped)
	}
}

// closeUnused is close, unless there is a caller or a connection.
func (k *Keeper) closeUnused() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closing || k.callers > 0 || k.pool.Len() > 0 {
		return k.closing
	}
	k.closing = true
	close(k.stopped)
	return true
}

// watch returns when the keeper is to end.
func (k *Keeper) watch(ctx context.Context, accepted <-chan error, look time.Duration) error {
	tick := fanout.NewTimer(look, nil)
	defer tick.Stop()
	for unused := false; ; tick.Reset(look) {
		select {
		case err := <-accepted:
			return err
		case <-k.stopped:
			return nil
		case <-ctx.Done():
			k.close()
			return nil
		case <-tick.C:
		}
		k.mu.Lock()
		idle := k.callers == 0 && k.pool.Len() == 0
		k.mu.Unlock()
		if idle && unused && k.closeUnused() {
			return nil
		}
		unused = idle
	}
}

// remove removes the socket, unless another keeper has made it.
func (k *Keeper) remove(l *net.UnixListener) error {
	k.close()
	unlock, err := lock(k.dir)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer unlock()
	path := filepath.Join(k.dir, socketName)
	if there, statErr := os.Lstat(path); statErr == nil && os.SameFile(there, k.socket) {
		err = os.Remove(path)
	}
	return errors.Join(err, l.Close())
}

// serve does what one caller wants.
func (k *Keeper) serve(ctx context.Context, conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(helloTime)) // if it fails so does what follows
	from := bufio.NewReaderSize(conn, 64<<10)
	var h hello
	m, err := read(from)
	if err == nil {
		err = m.decode(&h)
	}
	if err != nil || m.kind != kindHello {
		return
	}
	switch h.Want {
	case wantList:
		k.welcome(conn, welcome{State: k.state()})
	case wantStop:
		k.welcome(conn, k.stop(h.Match))
	case wantRun:
		k.session(ctx, conn, from, &h)
	}
}

func (k *Keeper) state() State {
	return State{Process: os.Getpid(), Running: k.running.Load(), Idle: k.pool.List()}
}

// stop ends connections. Those that are in use end with their caller, if everything is to
// end; else they are judged again at their next use.
func (k *Keeper) stop(match []Place) welcome {
	places := make(map[Place]bool, len(match))
	for _, p := range match {
		places[p] = true
	}
	ended := k.pool.End(func(c ssh.IdleConn) bool { return match == nil || places[Place{c.Address, c.Port}] })
	if match == nil {
		k.close()
		k.pool.SetMost(0) // for those that are in use
	}
	return welcome{State: k.state(), Ended: ended}
}

// welcome answers the hello.
func (k *Keeper) welcome(conn net.Conn, w welcome) {
	_, _ = conn.Write(message{kindWelcome, 0, encode(w)}.append(nil)) // who does not get it has hung up
}

// session runs the attempts of a caller.
func (k *Keeper) session(ctx context.Context, conn net.Conn, from *bufio.Reader, h *hello) {
	if h.Version != k.version {
		k.welcome(conn, welcome{Error: "the running keeper is of another version of this program", Other: true, State: k.state()})
		return
	}
	if h.Most > 0 {
		k.pool.SetMost(k.most(h.Most))
	}
	s, err := k.newSession(ctx, conn, from, h)
	if err != nil {
		k.welcome(conn, welcome{Error: err.Error()})
		return
	}
	k.welcome(conn, welcome{State: State{Process: os.Getpid()}})
	_ = conn.SetDeadline(time.Time{}) // if it fails so does what follows
	s.run()
}
