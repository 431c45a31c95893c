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
	lines   []string
	numbers []int64 // of those that are about no target
}

func (s *story) Handle(_ context.Context, e fanout.Event) error {
	line := fmt.Sprint(e.Kind)
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
			var want, got story
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
