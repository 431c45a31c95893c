package fanout_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// story writes down the events of a run as a text each.
type story struct {
	began   time.Time
	lines   []string
	numbers []int64 // of those that are about no target
}

func (s *story) Handle(_ context.Context, e fanout.Event) error {
	line := fmt.Sprintf("%s %d", time.Since(s.began), e.Kind)
	if e.Target == nil {
		s.numbers = append(s.numbers, e.Number)
	} else {
		line += " " + e.Target.Name
	}
	if e.Batch != nil {
		line += fmt.Sprintf(" %+v", *e.Batch)
	}
	s.lines = append(s.lines, line)
	return nil
}

// recorded is sink, without what a record lacks.
func recorded(sink fanout.Sink) fanout.Sink {
	return fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		switch e.Kind {
		case fanout.BatchStarted, fanout.BatchFinished, fanout.TargetConnecting:
			return nil
		}
		return sink.Handle(ctx, e)
	})
}

// TestWithBatches checks that the events that are added to a record are those of the run.
func TestWithBatches(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			plan, steps := aRollingRun(rng)
			want, got := story{began: time.Now()}, story{began: time.Now()}
			live := fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
				if e.Kind == fanout.TargetConnecting {
					return nil
				}
				return want.Handle(ctx, e)
			})
			again := recorded(fanout.WithBatches(plan.Policy, &got))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if rng.IntN(4) == 0 {
				stop := time.AfterFunc(time.Duration(rng.IntN(5000))*time.Millisecond+time.Microsecond, func() { cancel(fanout.ErrSignal) })
				defer stop.Stop()
			}
			mustRun(t, ctx, plan, fanout.Options{Executor: &scripted{steps: steps}, Sink: fanout.Tee(live, again)})
			if !slices.Equal(got.lines, want.lines) || !slices.Equal(got.numbers, want.numbers) {
				t.Errorf("seed %d, %+v: got\n%s\n%v\nwant\n%s\n%v", seed, plan.Policy,
					strings.Join(got.lines, "\n"), got.numbers, strings.Join(want.lines, "\n"), want.numbers)
			}
		})
	}
}

// aRollingRun is a plan in batches, and what its hosts do.
func aRollingRun(rng *rand.Rand) (fanout.Plan, map[string][]step) {
	var names []string
	steps := map[string][]step{}
	for i := range rng.IntN(7) {
		name := fmt.Sprintf("h%d", i)
		names = append(names, name)
		for range 1 + rng.IntN(2) {
			s := step{run: time.Duration(1+rng.IntN(2000)) * time.Millisecond}
			if rng.IntN(5) == 0 {
				s.exit.Code = 1
			}
			steps[name] = append(steps[name], s)
		}
	}
	plan := planOf(names...)
	for i := range plan.Targets {
		plan.Targets[i].Limits.Retries = rng.IntN(2)
	}
	plan.Policy = fanout.Policy{Fanout: 1 + rng.IntN(4), Pause: time.Duration(rng.IntN(2)) * 700 * time.Millisecond}
	plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Failed}, Delay: 100 * time.Millisecond}
	for range rng.IntN(3) {
		plan.Policy.Batches = append(plan.Policy.Batches, fanout.Share{Value: float64(1 + rng.IntN(3))})
	}
	if rng.IntN(3) > 0 {
		plan.Policy.MaxFail = &fanout.Share{Value: float64(rng.IntN(3))}
	}
	return plan, steps
}

// Of a run that was stopped the hosts may be told in another order: no batch has finished
// before the one that was never started.
func TestWithBatchesOfAStoppedRun(t *testing.T) {
	plan := planOf("a", "b")
	plan.Policy.Batches = []fanout.Share{{Value: 1}}
	for _, outcome := range []fanout.Outcome{fanout.OK, fanout.Canceled} {
		var kinds []fanout.Kind
		sink := fanout.WithBatches(plan.Policy, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			kinds = append(kinds, e.Kind)
			return nil
		}))
		want := []fanout.Kind{fanout.RunStarted, fanout.BatchStarted, fanout.TargetFinished, fanout.BatchFinished, fanout.TargetFinished}
		if outcome == fanout.Canceled {
			want = slices.Delete(want, 3, 4)
		}
		for _, e := range []fanout.Event{
			{Kind: fanout.RunStarted, Plan: &plan},
			{Kind: fanout.TargetFinished, Target: &plan.Targets[0], Attempt: 1, Result: &fanout.Result{Outcome: outcome, Attempts: 1}},
			{Kind: fanout.TargetFinished, Target: &plan.Targets[1], Result: &fanout.Result{Outcome: fanout.Skipped}},
		} {
			if err := sink.Handle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("%s: got %v, want %v", outcome, kinds, want)
		}
	}
}
