package fanout_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// TestBatchFinished checks between which batches it is emitted, and that it comes
// before the pause.
func TestBatchFinished(t *testing.T) {
	failing := []step{{exit: fanout.Exit{Code: 1}}}
	tests := []struct {
		name  string
		sizes []fanout.Share
		steps map[string][]step
		want  []time.Duration // when
	}{
		{"no batches", nil, nil, nil},
		{"one batch", []fanout.Share{{Value: 3}}, nil, nil},
		{"three", []fanout.Share{{Value: 1}}, nil, []time.Duration{0, time.Minute}},
		{"the budget is spent", []fanout.Share{{Value: 1}}, map[string][]step{"b": failing}, []time.Duration{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := planOf("a", "b", "c")
				plan.Policy.Batches, plan.Policy.Pause = tt.sizes, time.Minute
				plan.Policy.MaxFail = &fanout.Share{}
				var got []time.Duration
				begin, open := time.Now(), 0
				mustRun(t, t.Context(), plan, fanout.Options{Executor: &scripted{steps: tt.steps}, Sink: fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
					switch e.Kind {
					case fanout.TargetConnecting:
						open++
					case fanout.TargetFinished:
						open--
					case fanout.BatchFinished:
						got = append(got, time.Since(begin))
						if open > 0 {
							t.Errorf("%d targets of the batch have not ended", open)
						}
					}
					return nil
				})})
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestTargetConnecting checks that an attempt is reported when it starts, and not
// when it waits.
func TestTargetConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a", "b", "c")
		plan.Policy.Fanout = 1
		plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Unreachable}, Delay: time.Minute}
		plan.Targets[0].Limits.Retries = 1
		x := &scripted{steps: map[string][]step{
			"a": {{connect: time.Second, fail: &fanout.Failure{Op: fanout.OpDial}}, {}},
			"b": {{connect: time.Second}},
		}}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		type beginning struct {
			host    string
			attempt int
			after   time.Duration
		}
		var got []beginning
		begin := time.Now()
		mustRun(t, ctx, plan, fanout.Options{Executor: x, Sink: fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			switch {
			case e.Kind == fanout.TargetConnecting:
				got = append(got, beginning{e.Target.Name, e.Attempt, time.Since(begin).Truncate(time.Second)})
			case e.Kind == fanout.TargetFinished && e.Target.Name == "b":
				cancel(errors.New("enough"))
			}
			return nil
		})})
		if want := []beginning{{"a", 1, 0}, {"b", 1, time.Second}}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
