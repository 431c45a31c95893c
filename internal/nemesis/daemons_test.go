package nemesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tutti/cmd"
)

// clockEnv tells the test binary to be tutti, and where its clock is.
const clockEnv = "TUTTI_NEMESIS_CLOCK"

// childMain is main of a process that is tutti.
func childMain() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	streams := cmd.System()
	streams.Now = clock{os.Getenv(clockEnv)}.now
	return cmd.Main(os.Args[1:], streams, signals)
}

// A daemon is a place for one process after the other.
type daemon struct {
	number int
	log    string // what all of them have said
	said   int64  // how much of it the earlier ones
	cmd    *exec.Cmd
	over   chan error // gets how the process has ended
	// again starts it again, as a service manager does, if it could not begin because its
	// way to the history was broken; nil: that is no reason.
	again func() error
}

// start starts a process.
func (d *daemon) start(ctx context.Context, w *world) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	info, err := log.Stat()
	if err != nil {
		return err
	}
	d.said = info.Size()
	if d.again = nil; w.place.breaks {
		d.again = func() error { return d.start(ctx, w) }
	}
	d.cmd = exec.CommandContext(ctx, self, "serve", "--history", w.place.of(d.number), "--stop-timeout", "1s")
	d.cmd.Env = []string{clockEnv + "=" + w.clock.path, "HOME=" + w.dir, "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH")}
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.over = make(chan error, 1) // it is not waited for by all
	go func(c *exec.Cmd, over chan<- error) { over <- c.Wait() }(d.cmd, d.over)
	return nil
}

// kill kills the process.
func (d *daemon) kill() error {
	if err := d.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if err := <-d.over; err == nil {
		return fmt.Errorf("daemon %d was killed, and ended well", d.number)
	}
	return nil
}

// end asks the process to end, once it listens, and waits until it has.
func (d *daemon) end() error {
	if err := d.listens(); err != nil {
		return err
	}
	if err := d.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-d.over:
		return err
	case <-time.After(patience):
		return fmt.Errorf("daemon %d was asked to end, and has not", d.number)
	}
}

// listens waits until the process has said that it is at work.
func (d *daemon) listens() error {
	return eventually(func() error {
		if err := d.lives(); err != nil {
			return err
		}
		works, err := d.works()
		if err == nil && !works {
			err = fmt.Errorf("daemon %d does not say that it is at work", d.number)
		}
		return err
	})
}

// works reports whether the process has said that it is at work.
func (d *daemon) works() (bool, error) {
	text, err := os.ReadFile(d.log)
	return err == nil && bytes.Contains(text[d.said:], []byte("scheduler started")), err
}

// lives starts the process again if it could not begin. That it has ended otherwise is an
// error.
func (d *daemon) lives() error {
	var ended error
	select {
	case ended = <-d.over:
	default:
		return nil
	}
	if works, err := d.works(); err == nil && !works && d.again != nil {
		return d.again()
	}
	return fmt.Errorf("daemon %d has ended by itself: %w", d.number, errors.Join(ended, errors.New("see "+d.log)))
}

func (d *daemon) signal(sig syscall.Signal) error {
	if err := d.lives(); err != nil {
		return err
	}
	return d.cmd.Process.Signal(sig)
}

// newDaemons are those that are not started.
func newDaemons(n int, dir string) []*daemon {
	var all []*daemon
	for i := range n {
		all = append(all, &daemon{number: i, log: filepath.Join(dir, fmt.Sprintf("daemon%d.log", i))})
	}
	return all
}
