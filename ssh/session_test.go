package ssh

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

func TestOddStreamsAreWhole(t *testing.T) {
	tests := []struct {
		name   string
		faults fleet.Faults
	}{
		{"byte by byte", fleet.Faults{PacketSize: 1}},
		{"late reply", fleet.Faults{LateReply: true}},
		{"unknown extended data", fleet.Faults{Extended: []byte(strings.Repeat("z", 100_000))}},
		{"drip", fleet.Faults{PacketSize: 100, Drip: time.Millisecond}},
	}
	command := strings.Repeat("0123456789", 100)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: tt.faults}}, nil)
			r := b.exec(t.Context(), 0, command)
			r.wantExit(t, fanout.Exit{})
			if r.stdout.String() != command+"\n" || r.stderr.String() != "h\n" || !r.OutputComplete {
				t.Errorf("got %d and %d bytes, complete %v, want all", len(r.stdout.String()), len(r.stderr.String()), r.OutputComplete)
			}
		})
	}
}

func TestDataAfterEOFDoesNoHarm(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{AfterEOF: []byte("late")}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	if r.Failure != nil || !strings.HasPrefix(r.stdout.String(), "x\n") {
		t.Errorf("got failure %+v, stdout %q, want an end with what came before", r.Failure, r.stdout.String())
	}
}

func TestRekeyLosesNothing(t *testing.T) {
	const n = 3_000_000
	b := newBench(t, []fleet.Host{{Name: "h", Crypto: gossh.Config{RekeyThreshold: 64 << 10}, Faults: fleet.Faults{Flood: n}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if got, want := len(r.stdout.String()), n+2; got != want || !r.OutputComplete {
		t.Errorf("got %d bytes, complete %v, want %d, complete", got, r.OutputComplete, want)
	}
}

// A blocker is a Writer whose Writes wait.
type blocker struct {
	entered chan struct{} // receives a value for each Write that begins
	let     chan struct{} // a Write ends when this is closed
}

func newBlocker() *blocker {
	return &blocker{entered: make(chan struct{}, 1000), let: make(chan struct{})}
}

func (b *blocker) Write(p []byte) (int, error) {
	b.entered <- struct{}{}
	<-b.let
	return len(p), nil
}

// TestSlowWriterCostsNoTime: the time that a Write takes does not count, neither
// against the timeout nor against the drain.
func TestSlowWriterCostsNoTime(t *testing.T) {
	tests := []struct {
		name   string
		faults fleet.Faults
	}{
		{"running", fleet.Faults{}},
		{"hung up meanwhile", fleet.Faults{HangUp: fleet.HangUpAfterClose}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, []fleet.Host{{Name: "h", Faults: tt.faults}}, nil)
			target := b.targets[0]
			target.Limits.Timeout = 300 * time.Millisecond
			slow := newBlocker()
			done := make(chan fanout.Report, 1)
			go func() {
				done <- b.Exec(t.Context(), fanout.Attempt{N: 1, Target: target}, fanout.Task{Action: fanout.Command("x")}, slow, io.Discard)
			}()
			<-slow.entered
			// Longer than the timeout, the drain and the hold of a read error.
			<-time.After(2 * target.Limits.Timeout)
			close(slow.let)
			r := <-done
			if r.Exit == nil || !r.Exit.Success() || !r.OutputComplete {
				t.Errorf("got %+v, failure %+v, want a complete run", r, r.Failure)
			}
		})
	}
}

// TestStuckWriterIsLeftBehind: a Write that never ends does not keep Exec from
// returning when the run is stopped, and nothing is written after that.
func TestStuckWriterIsLeftBehind(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Flood: fleet.Forever}}}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	stuck := newBlocker()
	done := make(chan fanout.Report, 1)
	go func() {
		done <- b.Exec(ctx, fanout.Attempt{N: 1, Target: b.targets[0]}, fanout.Task{Action: fanout.Command("x")}, stuck, stuck)
	}()
	<-stuck.entered
	cancel(fanout.ErrSignal)
	var r fanout.Report
	select {
	case r = <-done:
	case <-time.After(patience):
		t.Fatal("Exec has not returned")
	}
	if r.Failure == nil || r.Failure.Op != fanout.OpCanceled || !r.Started {
		t.Errorf("got %+v, failure %+v, want canceled after the start", r, r.Failure)
	}
	before := len(stuck.entered)
	close(stuck.let)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := len(stuck.entered); got != before {
		t.Errorf("got %d more Writes after Exec had returned, want none", got-before)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestFailingWriter: output that cannot be passed on is not complete, and the
// command is not held up.
func TestFailingWriter(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Flood: 5_000_000}}}, nil)
	r := b.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, fanout.Task{Action: fanout.Command("x")}, failingWriter{}, io.Discard)
	if r.Exit == nil || r.OutputComplete {
		t.Errorf("got %+v, failure %+v, want an exit with incomplete output", r, r.Failure)
	}
}

// TestStopWhileDraining: the status of a command that had ended is kept.
func TestStopWhileDraining(t *testing.T) {
	exited := make(chan struct{})
	talk := fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
		s.Exit(fleet.Exit{Code: 5})
		close(exited)
		<-s.Done
		return fleet.Exit{}
	})
	b := newBench(t, []fleet.Host{{Name: "h", Exec: talk}}, func(o *Options) { o.Drain = time.Hour })
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan *record, 1)
	go func() { done <- b.exec(ctx, 0, "x") }()
	<-exited
	n := b.held[0]
	eventually(t, "the host is quiet", func() bool { return n.wire.silence() > 20*time.Millisecond })
	cancel(fanout.ErrSignal)
	r := <-done
	r.wantExit(t, fanout.Exit{Code: 5})
	if r.OutputComplete {
		t.Error("got complete output, want incomplete")
	}
}
