package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// refusing is a ledger that refuses a given number of commits.
type refusing struct {
	*member
	why   error
	times int
	moves []Move // that were committed
	// before is called before each refusal.
	before func()
}

func (r *refusing) Commit(ctx context.Context, moves []Move) ([]Committed, error) {
	r.moves = append(r.moves, moves...)
	if len(r.moves) > 1000 {
		return nil, errors.New("there is no end to it")
	}
	if len(r.moves) > r.times {
		return r.member.Commit(ctx, moves)
	}
	if r.before != nil {
		r.before()
	}
	return []Committed{{Err: r.why}}, nil
}

// newRefusing returns a ledger with one job, number 1.
func newRefusing(why error, times int) *refusing {
	m := newMemory()
	j := NewJob("job", "UTC")
	j.Schedules = []string{"* * * * *"}
	m.keep(j, clock(0))
	return &refusing{member: m.join(), why: why, times: times}
}

// A desk that loses every race returns ErrBusy, and not the conflict of a rule; its
// pauses grow.
func TestLosingEachTimeIsNoConflict(t *testing.T) {
	for _, why := range []error{ErrConflict, ErrKnown} {
		t.Run(why.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, began := newRefusing(why, 1e9), time.Now()
				_, err := NewDesk(r).Apply(t.Context(), 1, clock(1), func(s JobState, at Moment) (Transition, error) {
					return s.Request("ann", 0, at), nil
				})
				if !errors.Is(err, ErrBusy) || errors.Is(err, ErrConflict) || len(r.moves) != maxTries {
					t.Errorf("got %v after %d tries, want %v", err, len(r.moves), ErrBusy)
				}
				if took := time.Since(began); (took > 0) != errors.Is(why, ErrConflict) || took > maxTries*maxPause {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// The end of the context ends the pause.
func TestTryingAgainEndsWithItsContext(t *testing.T) {
	r, gone := newRefusing(ErrConflict, 1e9), errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.before = func() { cancel(gone) }
	_, err := NewDesk(r).Apply(ctx, 1, clock(1), func(s JobState, at Moment) (Transition, error) { return s.Request("ann", 0, at), nil })
	if !errors.Is(err, gone) || len(r.moves) != 1 {
		t.Errorf("got %v after %d tries, want %v", err, len(r.moves), gone)
	}
	if err := Retry(ctx, func() error { return ErrConflict }); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

// A desk that learned of scheduled times with firings still knows them after the job
// has changed.
func TestKnownTimesStayKnown(t *testing.T) {
	r := newRefusing(ErrKnown, 1)
	r.before = func() { r.change(func() { r.jobs[1].revision++ }) }
	d := NewDesk(r)
	if _, err := d.Sync(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	what := Decisions{Job: d.ListJobs()[0], Firings: []Firing{{ScheduledTime: ScheduledTime{At: clock(1)}, Due: clock(1)}}, Cursor: clock(1)}
	_, errs, err := d.Decide(t.Context(), clock(1), []Decisions{what})
	if err != nil || errs[0] != nil || len(r.moves) != 2 {
		t.Fatalf("got %v, %v after %d tries, want 2", err, errs, len(r.moves))
	}
	if n := len(r.moves[1].Firings); n != 0 {
		t.Errorf("got %d firings of a scheduled time that has one", n)
	}
}
