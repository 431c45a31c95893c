package sqlite

import (
	"context"
	"errors"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// A busyLedger is one in which another process always is faster to change a job.
type busyLedger struct {
	*Store
	job   int64
	tries int
	// stale: what is read of the job is older than what its state is.
	stale bool
}

func (b *busyLedger) Commit(ctx context.Context, moves []scheduler.Move) ([]scheduler.Committed, error) {
	if b.tries++; b.tries > 1000 {
		return nil, errors.New("there is no end to it")
	}
	if moves[0].Next.ID == b.job {
		return []scheduler.Committed{{Err: scheduler.ErrConflict}}, nil
	}
	return b.Store.Commit(ctx, moves)
}

func (b *busyLedger) Job(ctx context.Context, name string) (scheduler.StoredJob, error) {
	k, err := b.Store.Job(ctx, name)
	if b.tries++; b.tries > 1000 {
		return k, errors.New("there is no end to it")
	}
	if b.stale {
		k.Cursor = k.Cursor.Add(-1)
	}
	return k, err
}

// A change of a job that loses every race is ErrBusy in the end.
func TestBusyLedger(t *testing.T) {
	s := openTest(t, tempPath(t))
	d := joinTest(t, s)
	first := addJob(t, s, testJob("backup"))
	r := runMinute(t, d, "backup", 1)
	stored, err := s.Job(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	changed := stored.Job
	changed.Command = "date"
	for name, do := range map[string]func(j store.Jobs) error{
		"kill a run": func(j store.Jobs) error {
			_, err := j.KillRuns(t.Context(), store.KillRef{Run: r.RunID()}, "ann", minute(2))
			return err
		},
		"change": func(j store.Jobs) error {
			_, err := j.ChangeJob(t.Context(), changed, "ann", minute(2))
			return err
		},
		"remove": func(j store.Jobs) error { return j.RemoveJob(t.Context(), "backup", 0, "ann", minute(2)) },
	} {
		if err := do(store.NewJobs(&busyLedger{Store: s, job: first.ID})); !errors.Is(err, scheduler.ErrBusy) {
			t.Errorf("%s: got %v, want %v", name, err, scheduler.ErrBusy)
		}
	}
	stale := store.NewJobs(&busyLedger{Store: s, stale: true})
	if _, err := stale.ChangeJob(t.Context(), changed, "ann", minute(2)); !errors.Is(err, scheduler.ErrBusy) {
		t.Errorf("got %v, want %v", err, scheduler.ErrBusy)
	}
	if err := s.RemoveJob(t.Context(), "backup", 0, "ann", minute(2)); err != nil {
		t.Fatal(err)
	}
	addJob(t, s, testJob("backup"))
	second := runMinute(t, d, "backup", 3)
	runs, err := store.NewJobs(&busyLedger{Store: s, job: first.ID}).KillRuns(t.Context(), store.KillRef{Job: "backup"}, "ann", minute(4))
	if !errors.Is(err, scheduler.ErrBusy) || len(runs) != 1 || runs[0] != second.RunID() {
		t.Errorf("got %v, %v, want run %d to be stopped nevertheless", runs, err, second.RunID())
	}
	closeRecorder(t, r)
	closeRecorder(t, second)
}
