package ssh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

const (
	// proxyGrace is how long a proxy command has to go once it is asked to,
	// and how long what it has left behind may hold its standard error open.
	proxyGrace = 500 * time.Millisecond
	// proxyVerdict is how long the status of a proxy command is waited for
	// whose output has ended.
	proxyVerdict = 250 * time.Millisecond
	// maxProxyText is how much of its last line is shown, in bytes.
	maxProxyText = 300
)

// A proxy is a connection by way of a program. It is in a process group of its
// own, so that a signal from the terminal does not reach it, and nothing of it
// outlives the connection but what has left that group.
type proxy struct {
	to       tunnelAddr
	in       *os.File // what the program reads
	out      *os.File // what it writes
	process  *os.Process
	exited   chan struct{}    // closed after the exit
	state    *os.ProcessState // once exited is closed; nil: not known
	complain complaint
	close    func()
}

var _ net.Conn = (*proxy)(nil)

// startProxy starts the proxy command of ep.
func startProxy(c *Client, ep *endpoint) (*proxy, error) {
	var files []*os.File
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	inR, inW, err1 := pipe()
	outR, outW, err2 := pipe()
	errR, errW, err3 := pipe()
	cmd := exec.Command(c.shell, "-c", "exec "+ep.ProxyCommand) //nolint:gosec // the operator's configuration says so
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	cmd.Env = c.childEnv
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := errors.Join(err1, err2, err3)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		closeAll(files...)
		return nil, proxyFailure(err)
	}
	closeAll(inR, outW, errW)
	tails := c.tails
	p := &proxy{to: tunnelAddr(ep.address()), in: inW, out: outR, process: cmd.Process, exited: make(chan struct{})}
	p.close = sync.OnceFunc(func() {
		closeAll(p.in, p.out)
		tails.Go(p.end)
	})
	heard := make(chan struct{})
	tails.Go(func() {
		defer close(heard)
		_, _ = io.Copy(&p.complain, errR) // it ends with the pipe, and nothing else is to be known
	})
	tails.Go(func() { p.reap(cmd, errR, heard) })
	return p, nil
}

// proxyFailure explains why a program could not be started.
func proxyFailure(err error) error {
	f := &fanout.Failure{Op: fanout.OpLocal, Final: true, Message: "start the proxy command: " + reason(err)}
	if outOfFiles(err) {
		f.Cause = causeOfFiles(err)
	}
	return &jumpError{f}
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // a pipe that the proxy no longer needs
	}
}

// reap waits for the program, then ends what it has left in its group.
func (p *proxy) reap(cmd *exec.Cmd, errR *os.File, heard <-chan struct{}) {
	_ = cmd.Wait() // the state says more
	_ = syscall.Kill(-p.process.Pid, syscall.SIGKILL)
	t := time.NewTimer(proxyGrace)
	defer t.Stop()
	select {
	case <-heard:
	case <-t.C:
	}
	_ = errR.Close() // a process outside the group may hold the other end open
	<-heard
	p.state = cmd.ProcessState
	close(p.exited)
}

// end asks the program and its group to go, and makes them.
func (p *proxy) end() {
	_ = syscall.Kill(-p.process.Pid, syscall.SIGTERM) // it may have gone
	t := time.NewTimer(proxyGrace)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		_ = syscall.Kill(-p.process.Pid, syscall.SIGKILL)
	}
}

// failure says why the program has ended, or nil if it goes on or has nothing
// to complain about.
func (p *proxy) failure() *fanout.Failure {
	t := time.NewTimer(proxyVerdict)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		return nil
	}
	if p.state == nil || p.state.Success() {
		return nil
	}
	f := &fanout.Failure{Op: fanout.OpJump, Message: fmt.Sprintf("the proxy command ended with %s", p.state)}
	if said := p.said(); said != "" {
		f.Message += ": " + said
	}
	return f
}

// said is the last line the program has written to its standard error.
func (p *proxy) said() string { return sanitize.Line(p.complain.String(), maxProxyText) }

func (p *proxy) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *proxy) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the program; every call on the connection returns at once.
func (p *proxy) Close() error {
	p.close()
	return nil
}

func (p *proxy) LocalAddr() net.Addr  { return tunnelAddr("") }
func (p *proxy) RemoteAddr() net.Addr { return p.to }

func (p *proxy) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}
func (p *proxy) SetReadDeadline(t time.Time) error  { return p.out.SetReadDeadline(t) }
func (p *proxy) SetWriteDeadline(t time.Time) error { return p.in.SetWriteDeadline(t) }

// A complaint keeps the last line of what is written to it that is not empty.
type complaint struct {
	mu   sync.Mutex // guards what follows
	full bool       // line has ended
	line []byte
}

func (l *complaint) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range p {
		switch {
		case b == '\n' || b == '\r':
			l.full = true
			continue
		case l.full:
			l.full, l.line = false, l.line[:0]
		}
		if len(l.line) < maxProxyText {
			l.line = append(l.line, b)
		}
	}
	return len(p), nil
}

func (l *complaint) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.line)
}
