package output

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// A flood is an Executor whose hosts write as much as they can.
type flood struct {
	text     string
	times    int
	accepted atomic.Int64
}

func (f *flood) Exec(ctx context.Context, a fanout.Attempt, _ fanout.Task, stdout, _ io.Writer) fanout.Report {
	if err := a.Starting(ctx, a.Target.Name); err != nil {
		return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpLocal, Message: err.Error()}}
	}
	for range f.times {
		n, err := io.WriteString(stdout, f.text)
		f.accepted.Add(int64(n))
		if err != nil {
			return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpCanceled}, Started: true}
		}
	}
	return fanout.Report{Exit: &fanout.Exit{}, Started: true, OutputComplete: true}
}

func (*flood) Release(fanout.Target) {}

// TestSlowReaderHoldsUpTheHosts stops the reader of a run in which a hundred hosts flood:
// they must wait once the budget is spent, and lose nothing when it reads on.
func TestSlowReaderHoldsUpTheHosts(t *testing.T) {
	const hosts, budget = 100, 1 << 20
	line := strings.Repeat("0123456789abcdef", 16)
	opens := map[string]func(*Writer) closingSink{
		"stream":   func(w *Writer) closingSink { return NewStream(Options{Stdout: w, Stderr: w}) },
		"terminal": func(w *Writer) closingSink { return NewStream(Options{Stdout: w, Stderr: w, StdoutTerminal: true}) },
		"json":     func(w *Writer) closingSink { return NewJSON(w, nil) },
	}
	for name, open := range opens {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dst := &stuckWriter{open: make(chan struct{})}
				w := NewWriter(dst)
				sink := open(w)
				f := &flood{text: strings.Repeat(line+"\n", 64), times: 4}
				plan := fanout.Plan{Policy: fanout.Policy{Fanout: hosts}}
				for i := range hosts {
					plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("h%02d", i)})
				}
				done := make(chan error, 1) // the run ends before it is asked for
				go func() {
					_, err := fanout.Run(t.Context(), plan, fanout.Options{Executor: f, Sink: sink, OutputBudget: budget})
					done <- err
				}()
				synctest.Wait()
				if got, most := f.accepted.Load(), int64(budget+2*writeBufferSize); got > most || got < budget/2 {
					t.Errorf("with a stopped reader: got %d bytes accepted, want about %d", got, budget)
				}
				close(dst.open)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if err := sink.Close(); err != nil {
					t.Fatal(err)
				}
				closeWriters(t, w)
				want := hosts * f.times * 64
				if got := strings.Count(dst.String(), line); got != want {
					t.Errorf("got %d lines, want %d", got, want)
				}
			})
		})
	}
}

// TestStoppedReaderAndCanceledRun checks that a run can be ended while its
// reader is stopped, and that its whole memory of lines is given back.
func TestStoppedReaderAndCanceledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dst := &stuckWriter{open: make(chan struct{})}
		w := NewWriter(dst)
		sink := NewStream(Options{Stdout: w, Stderr: w})
		f := &flood{text: strings.Repeat("no newline, ", 8<<10) + "\nand more", times: 1000}
		plan := fanout.Plan{Targets: []fanout.Target{{Name: "a"}, {Index: 1, Name: "b"}}, Policy: fanout.Policy{Fanout: 2}}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan fanout.Summary, 1) // the run ends before it is asked for
		go func() {
			summary, err := fanout.Run(ctx, plan, fanout.Options{Executor: f, Sink: sink, OutputBudget: 256 << 10})
			if err != nil {
				t.Error(err)
			}
			ended <- summary
		}()
		synctest.Wait()
		cancel(fanout.ErrSignal)
		if got := (<-ended).Counts[fanout.Canceled]; got != 2 {
			t.Errorf("got %d hosts canceled, want 2", got)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
		close(dst.open)
		closeWriters(t, w)
		if p := sink.partials.pool; p.used != 0 || p.live != 0 || p.file != nil {
			t.Errorf("got %d bytes, %d blocks and file %v in use, want nothing", p.used, p.live, p.file)
		}
	})
}

// TestDirSlowDisk stops the disk of a run in which a hundred hosts flood: they
// must wait once the budget is spent, and every byte arrives when it goes on.
func TestDirSlowDisk(t *testing.T) {
	const hosts, budget = 100, 1 << 20
	path := filepath.Join(t.TempDir(), "results")
	synctest.Test(t, func(t *testing.T) {
		f := &flood{text: strings.Repeat("0123456789abcde\n", 1024), times: 4}
		plan := fanout.Plan{Policy: fanout.Policy{Fanout: hosts}}
		for i := range hosts {
			plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("h%02d", i)})
		}
		d, err := NewDir(path, plan.Targets)
		if err != nil {
			t.Fatal(err)
		}
		disk := make(chan struct{})
		if err := d.queue.queue(nil, func() { <-disk }); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1) // the run ends before it is asked for
		go func() {
			_, err := fanout.Run(t.Context(), plan, fanout.Options{Executor: f, Sink: d, OutputBudget: budget})
			done <- err
		}()
		synctest.Wait()
		if got := f.accepted.Load(); got > budget || got < budget/2 {
			t.Errorf("with a stopped disk: got %d bytes accepted, want about %d", got, budget)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		select {
		case err := <-done:
			t.Errorf("the run ended with %v while its output was not on disk", err)
		case <-ctx.Done():
		}
		close(disk)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, target := range plan.Targets {
			data, err := os.ReadFile(filepath.Join(path, target.Name+outEnding))
			if want := strings.Repeat(f.text, f.times); err != nil || string(data) != want {
				t.Errorf("%s: got %d bytes, %v, want %d", target.Name, len(data), err, len(want))
			}
		}
	})
}
