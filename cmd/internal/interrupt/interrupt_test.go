package interrupt

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// A listener is a display that records its calls.
type listener struct{ told []string }

func (l *listener) Status() string         { return "status\n" }
func (l *listener) ShowLines(lines string) { l.told = append(l.told, strings.Fields(lines)[0]) }
func (l *listener) Mute()                  { l.told = append(l.told, "hush") }
func (l *listener) Restore()               { l.told = append(l.told, "farewell") }

// TestStages: what each signal does, at a terminal and away from one, and that
// a signal that arrives twice at once is one wish.
func TestStages(t *testing.T) {
	type step struct {
		after time.Duration
		sig   os.Signal
	}
	const soon, later = time.Millisecond, 2 * sameRequest
	tests := []struct {
		name     string
		terminal bool
		steps    []step
		halted   bool
		canceled bool
		left     bool
	}{
		{"INT at a terminal", true, []step{{0, os.Interrupt}}, true, false, false},
		{"INT twice at a terminal, fast", true, []step{{0, os.Interrupt}, {soon, os.Interrupt}}, true, true, false},
		{"INT three times at a terminal", true, []step{{0, os.Interrupt}, {soon, os.Interrupt}, {soon, os.Interrupt}}, true, true, true},
		{"INT elsewhere", false, []step{{0, os.Interrupt}}, false, true, false},
		{"INT elsewhere, to the process and its group", false, []step{{0, os.Interrupt}, {soon, os.Interrupt}}, false, true, false},
		{"INT elsewhere, and again", false, []step{{0, os.Interrupt}, {later, os.Interrupt}}, false, true, true},
		{"TERM at a terminal", true, []step{{0, syscall.SIGTERM}}, false, true, false},
		{"TERM, to the process and its group", true, []step{{0, syscall.SIGTERM}, {soon, syscall.SIGTERM}}, false, true, false},
		{"TERM, and again", true, []step{{0, syscall.SIGTERM}, {later, syscall.SIGTERM}}, false, true, true},
		{"HUP, then TERM", false, []step{{0, syscall.SIGHUP}, {soon, syscall.SIGTERM}}, false, true, true},
		{"QUIT", true, []step{{0, syscall.SIGQUIT}}, false, false, true},
		{"PIPE and USR1", true, []step{{0, syscall.SIGPIPE}, {0, syscall.SIGUSR1}}, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, in := New(context.Background(), tt.terminal)
				defer in.cancel(nil)
				halt, end := in.Stage(&listener{})
				defer end()
				for _, s := range tt.steps {
					time.Sleep(s.after)
					in.handle(s.sig)
				}
				if got := isClosed(halt); got != tt.halted {
					t.Errorf("halted: got %v, want %v", got, tt.halted)
				}
				if got := ctx.Err() != nil; got != tt.canceled {
					t.Errorf("canceled: got %v, want %v", got, tt.canceled)
				}
				if got := isClosed(in.leave); got != tt.left {
					t.Errorf("left: got %v, want %v", got, tt.left)
				}
			})
		})
	}
}

// TestDaemonStages: a daemon is asked to end, then hurried, then left; HUP is no
// end of it.
func TestDaemonStages(t *testing.T) {
	const later = 2 * sameRequest
	tests := []struct {
		name                    string
		signals                 []os.Signal
		reloads                 int
		canceled, hurried, left bool
	}{
		{"HUP", []os.Signal{syscall.SIGHUP, syscall.SIGHUP}, 2, false, false, false},
		{"TERM", []os.Signal{syscall.SIGTERM}, 0, true, false, false},
		{"TERM, HUP", []os.Signal{syscall.SIGTERM, syscall.SIGHUP}, 1, true, false, false},
		{"TERM twice", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, 0, true, true, false},
		{"INT, TERM, INT", []os.Signal{os.Interrupt, syscall.SIGTERM, os.Interrupt}, 0, true, true, true},
		{"QUIT", []os.Signal{syscall.SIGQUIT}, 0, false, false, true},
		{"TERM, QUIT", []os.Signal{syscall.SIGTERM, syscall.SIGQUIT}, 0, true, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, in := New(context.Background(), false)
				defer in.cancel(nil)
				reloads := 0
				hurried, end := in.Serve(ctx, func() { reloads++ })
				defer end()
				for _, sig := range tt.signals {
					in.handle(sig)
					time.Sleep(later)
				}
				if reloads != tt.reloads {
					t.Errorf("reloads: got %d, want %d", reloads, tt.reloads)
				}
				if got := ctx.Err() != nil; got != tt.canceled {
					t.Errorf("canceled: got %v, want %v", got, tt.canceled)
				}
				if got := hurried.Err() != nil; got != tt.hurried || got && !errors.Is(context.Cause(hurried), fanout.ErrSignal) {
					t.Errorf("hurried: got %v, cause %v, want %v", got, context.Cause(hurried), tt.hurried)
				}
				if got := isClosed(in.leave); got != tt.left {
					t.Errorf("left: got %v, want %v", got, tt.left)
				}
			})
		})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestStuckCommandIsLeft: a command that was asked to end and hangs is left, unless
// it runs something on hosts or is a daemon, which take their own time.
func TestStuckCommandIsLeft(t *testing.T) {
	tests := []struct {
		name string
		busy func(ctx context.Context, in *Interrupter)
		left bool
	}{
		{"nothing runs", func(context.Context, *Interrupter) {}, true},
		{"a run", func(_ context.Context, in *Interrupter) { in.Stage(&listener{}) }, false},
		{"a daemon", func(ctx context.Context, in *Interrupter) { in.Serve(ctx, func() {}) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, in := New(context.Background(), false)
				defer in.cancel(nil)
				tt.busy(ctx, in)
				in.handle(syscall.SIGTERM)
				time.Sleep(endTime - 1)
				synctest.Wait()
				if isClosed(in.leave) {
					t.Error("left before its time")
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := isClosed(in.leave); got != tt.left {
					t.Errorf("got left %v, want %v", got, tt.left)
				}
			})
		})
	}
}
