// Package interrupt makes stages of the signals that ask the program to stop.
package interrupt

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"tutti/fanout"
)

// An Interrupter turns signals into stages. At a terminal the first INT starts no more
// hosts, the second stops running commands, and the third quits at once. Elsewhere, and
// for TERM and HUP everywhere, the first signal stops running commands. QUIT quits at
// once.
type Interrupter struct {
	terminal bool
	cancel   context.CancelCauseFunc
	leave    chan struct{} // closed by the last stage

	mu sync.Mutex // guards what follows
	// sig is the last signal that asked to stop, and at when.
	sig      os.Signal
	at       time.Time
	canceled bool
	left     bool
	halt     chan struct{} // of the run in progress; nil without one
	halted   bool
	display  Display // of the run in progress; nil without one
	daemon   *daemonStages
	patience *time.Timer // until a command that runs nothing is left; nil: it was not asked to end
	// ignored says that INT is for another program, such as a pager.
	ignored bool
	leaving func() // called before the program is left at once; nil: nothing
}

// endTime is how long a command that runs nothing on hosts has to stop after a signal.
// It may be blocked where no context reaches: in a FIFO without a writer, or on a file
// server that does not answer.
const endTime = 3 * time.Second

// daemonStages are what signals do to a daemon; nil: there is none.
type daemonStages struct {
	reload  func()
	hurry   context.CancelCauseFunc
	hurried bool
}

// A Display shows the progress of a run and can be stopped; the run's screen is one.
// Its methods may be called at any time and do not block for long.
type Display interface {
	// Status is the progress of the run, in whole lines.
	Status() string
	// ShowLines shows whole lines before anything else that waits to be shown.
	ShowLines(lines string)
	// Mute shows no more output of the hosts to the operator.
	Mute()
	// Restore restores the terminal.
	Restore()
}

// New returns a context that a signal cancels.
func New(ctx context.Context, terminal bool) (context.Context, *Interrupter) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &Interrupter{terminal: terminal, cancel: cancel, leave: make(chan struct{})}
}

// Watch handles signals until done is closed.
func (in *Interrupter) Watch(signals <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case sig := <-signals:
			in.handle(sig)
		case <-done:
			in.mu.Lock()
			defer in.mu.Unlock()
			if in.patience != nil {
				in.patience.Stop()
			}
			return
		}
	}
}

// abandon quits if a command does not stop in time. If commands run on hosts, their own
// time to stop applies.
func (in *Interrupter) abandon() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.left && in.halt == nil && in.daemon == nil {
		in.left = true
		if in.leaving != nil {
			in.leaving()
		}
		close(in.leave)
	}
}

func (in *Interrupter) handle(sig os.Signal) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch sig {
	case syscall.SIGPIPE:
		// The write that caused it returns an error; that is enough.
		return
	case syscall.SIGUSR1:
		if in.display != nil {
			in.display.ShowLines(in.display.Status())
		}
		return
	case syscall.SIGHUP:
		if in.daemon != nil {
			in.daemon.reload()
			return
		}
	}
	if in.again(sig) || in.ignored && sig == os.Interrupt {
		return
	}
	in.sig, in.at = sig, time.Now()
	switch {
	case in.left:
	case in.canceled && in.daemon != nil && !in.daemon.hurried && sig != syscall.SIGQUIT:
		in.daemon.hurried = true
		in.daemon.hurry(fmt.Errorf("%w by %s", fanout.ErrSignal, signalName(sig)))
	case in.canceled, sig == syscall.SIGQUIT:
		in.left = true
		if in.display != nil {
			in.display.ShowLines("Quit. Commands may still be running on the hosts.\n")
			in.display.Restore()
		}
		if in.leaving != nil {
			in.leaving()
		}
		close(in.leave)
	case in.halt != nil && in.terminal && sig == os.Interrupt && !in.halted:
		in.halted = true
		status := in.display.Status() // while the waiting hosts still count as waiting
		close(in.halt)
		in.display.ShowLines("Interrupted: no more hosts are started. Ctrl-C again to stop running commands.\n" + status)
	default:
		in.canceled = true
		if in.halt != nil && in.terminal {
			in.display.Mute()
			in.display.ShowLines("Stopping remote commands, output hidden. Ctrl-C again to quit now.\n")
		}
		in.cancel(fmt.Errorf("%w by %s", fanout.ErrSignal, signalName(sig)))
		if in.halt == nil && in.daemon == nil {
			in.patience = time.AfterFunc(endTime, in.abandon)
		}
	}
}

// sameRequest is how soon a repeated signal counts as the same request: timeout and
// service managers signal a process, and then its group.
const sameRequest = time.Second

// again reports whether sig only repeats the last one. Ctrl-C twice at a terminal is no
// repetition.
func (in *Interrupter) again(sig os.Signal) bool {
	pressed := in.terminal && sig == os.Interrupt
	return !pressed && sig == in.sig && time.Since(in.at) < sameRequest
}

// Stage starts the stages of a run that is shown on to: the first closes the returned
// channel. After end the display is not called any more.
func (in *Interrupter) Stage(to Display) (halt <-chan struct{}, end func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.halt, in.halted, in.display = make(chan struct{}), false, to
	return in.halt, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.halt, in.display = nil, nil
	}
}

// Serve starts the stages of a daemon: the first TERM or INT lets running firings
// finish, the second cancels the returned context and with it what still runs, and the
// third quits at once. HUP only calls reload, which must not block.
func (in *Interrupter) Serve(ctx context.Context, reload func()) (hurried context.Context, end func()) {
	hurried, hurry := context.WithCancelCause(context.WithoutCancel(ctx))
	in.mu.Lock()
	defer in.mu.Unlock()
	in.daemon = &daemonStages{reload: reload, hurry: hurry}
	return hurried, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.daemon = nil
		hurry(nil)
	}
}

// IgnoreInterrupts leaves INT to another program in the foreground, until it is
// called off.
func (in *Interrupter) IgnoreInterrupts() (end func()) {
	set := func(ignored bool) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.ignored = ignored
	}
	set(true)
	return func() { set(false) }
}

// OnLeaving registers do to be called if the program quits at once, until the returned
// function is called.
func (in *Interrupter) OnLeaving(do func()) (end func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.leaving = do
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.leaving = nil
	}
}

// End is closed when the program is to end at once, whatever still runs.
func (in *Interrupter) End() <-chan struct{} { return in.leave }

// Signal is the signal that asked to stop; nil if none has.
func (in *Interrupter) Signal() os.Signal {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.sig
}

func signalName(sig os.Signal) string {
	switch sig {
	case syscall.SIGINT:
		return "INT"
	case syscall.SIGTERM:
		return "TERM"
	case syscall.SIGHUP:
		return "HUP"
	}
	return sig.String()
}
