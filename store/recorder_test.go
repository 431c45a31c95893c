package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/scheduler"
)

// A memory is a Writer that only remembers its batches.
type memory struct {
	mu       sync.Mutex // guards what follows
	calls    []string
	ended    *scheduler.Ended
	taken    bool  // the run is another's
	refusal  error // of Write
	marks    int
	finished bool
}

func (m *memory) Write(_ context.Context, b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusal != nil {
		return m.refusal
	}
	b.Taken = b.Marks && m.taken
	if b.Marks {
		m.marks++
	}
	if b.Ended != nil {
		m.ended, m.finished = b.Ended, b.Run.Finished
	}
	return nil
}

func (m *memory) Interrupt(context.Context) error {
	m.calls = append(m.calls, "interrupt")
	return nil
}

func (m *memory) Release() error {
	m.calls = append(m.calls, "release")
	return nil
}

func (m *memory) Fault(err error) error { return err }

// hosts is a plan for so many.
func hosts(n int) (p fanout.Plan) {
	for i := range n {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("h%02d", i)})
	}
	return p
}

// TestRecorderWithoutEnd: a run that has no end when its recorder is closed is
// interrupted, before another process may treat it as dead.
func TestRecorderWithoutEnd(t *testing.T) {
	m, p := &memory{}, hosts(1)
	r := NewRecorder(t.Context(), 7, p, RunInfo{}, m)
	if err := r.Starting(t.Context(), p.Targets[0], 1, ""); err != nil || m.marks != 1 {
		t.Errorf("got %v after %d commits with marks, want one", err, m.marks)
	}
	if err := r.Close(); err != nil || r.RunID() != 7 {
		t.Errorf("got %v of run %d", err, r.RunID())
	}
	if want := []string{"interrupt", "release"}; !slices.Equal(m.calls, want) || m.ended != nil {
		t.Errorf("got %q and the end %v, want %q", m.calls, m.ended, want)
	}
	if err := r.Starting(t.Context(), p.Targets[0], 2, ""); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: got %v, want %v", err, ErrClosed)
	}
}

// TestRecorderOfATakenRun: no command starts for a run that another process owns,
// whether or not the run goes on where it cannot be recorded.
func TestRecorderOfATakenRun(t *testing.T) {
	m, p := &memory{taken: true}, hosts(1)
	r := NewRecorder(t.Context(), 1, p, RunInfo{}, m)
	if err := r.Starting(t.Context(), p.Targets[0], 1, ""); !errors.Is(err, ErrTaken) {
		t.Errorf("got %v, want %v", err, ErrTaken)
	}
	if err := r.Close(); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestRecorderTellsTheEnd: what the ledger has to know of an end is gathered while the
// run goes on: the first hosts that are not ok, by their places in the plan.
func TestRecorderTellsTheEnd(t *testing.T) {
	const n = 30
	m, p := &memory{}, hosts(n)
	r := NewRecorder(t.Context(), 1, p, RunInfo{ExitCode: func(fanout.Summary) int { return 4 }}, m)
	summary := fanout.Summary{}
	for i := range n {
		target := &p.Targets[n-1-i]
		res := fanout.Result{Target: *target, Attempts: 1, Outcome: fanout.Failed}
		res.Report = fanout.Report{Started: true, Exit: &fanout.Exit{Code: 3}}
		if i == 0 {
			res.Outcome = fanout.Lost
		}
		if target.Index == 0 {
			res.Outcome = fanout.OK
		}
		summary.Add(res)
		if err := r.Handle(t.Context(), fanout.Event{Kind: fanout.TargetFinished, Target: target, Attempt: 1, Result: &res}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Handle(t.Context(), fanout.Event{Kind: fanout.RunFinished, Summary: &summary}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	e := m.ended
	if e == nil || !m.finished || e.State != string(Finished) || !e.Unproved || e.ExitCode == nil || *e.ExitCode != 4 || e.Summary.Hosts != n {
		t.Fatalf("got %+v, want the end of a run that has finished", e)
	}
	if len(e.HostsFailed) != scheduler.MaxMessageHosts || e.HostsFailed[0].Host != "h01" || e.HostsFailed[19].Host != "h20" || *e.HostsFailed[0].ExitCode != 3 {
		t.Errorf("got %+v, want the first twenty that are not ok", e.HostsFailed)
	}
	if want := []string{"release"}; !slices.Equal(m.calls, want) {
		t.Errorf("got %q, want %q", m.calls, want)
	}
}

// TestRecorderThatCannotWrite: the first error is returned, and stops what is to start
// if that is wanted.
func TestRecorderThatCannotWrite(t *testing.T) {
	for _, stop := range []bool{false, true} {
		m, p, disk := &memory{}, hosts(1), errors.New("disk full")
		m.refusal = disk
		r := NewRecorder(t.Context(), 1, p, RunInfo{StopOnError: stop}, m)
		if err := r.Starting(t.Context(), p.Targets[0], 1, ""); errors.Is(err, disk) != stop {
			t.Errorf("stop %t: got %v", stop, err)
		}
		if err := r.Close(); !errors.Is(err, disk) {
			t.Errorf("stop %t: closed: got %v, want %v", stop, err, disk)
		}
	}
}
