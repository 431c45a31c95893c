package fanout_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// TestNumbersGrow: every event has a number above the one before of the same target,
// or of the run; a byte of output takes one.
func TestNumbersGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planOf("a", "b", "c")
		plan.Policy.Batches = []fanout.Share{{Value: 2}}
		plan.Policy.Retry = fanout.Retry{On: []fanout.Outcome{fanout.Unreachable, fanout.Failed}, Delay: time.Second}
		for i := range plan.Targets {
			plan.Targets[i].Limits.Retries = 2
		}
		twice := func(w io.Writer) { _, _ = io.WriteString(w, "12345"); _, _ = io.WriteString(w, "678") }
		x := &scripted{steps: map[string][]step{
			"a": {{fail: &fanout.Failure{Op: fanout.OpDial}}, {write: twice, exit: fanout.Exit{Code: 1}}, {output: "9"}},
			"b": {{output: "1234"}},
		}}
		numbers := map[string][]int64{}
		mustRun(t, t.Context(), plan, fanout.Options{Executor: x, Sink: fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			name := ""
			if e.Target != nil {
				name = e.Target.Name
			}
			numbers[name] = append(numbers[name], e.Number)
			return nil
		})})
		want := map[string][]int64{
			"":  {1, 2, 3, 4, 5},
			"a": {1, 3, 4, 5, 10, 13, 14, 15, 16, 17, 19},
			"b": {1, 2, 6, 8},
			"c": {1, 2, 4},
		}
		for name, list := range numbers {
			if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
				t.Errorf("%q: got %v, want each above the one before", name, list)
			}
			if fmt.Sprint(list) != fmt.Sprint(want[name]) {
				t.Errorf("%q: got %v, want %v", name, list, want[name])
			}
		}
	})
}

// TestNumbersWithoutAnAttempt: what was never begun, and what was stopped while it
// waited for another attempt, ends with a number as well.
func TestNumbersWithoutAnAttempt(t *testing.T) {
	var skipped fanout.Numbering
	if got := skipped.Next(&fanout.Event{Kind: fanout.TargetFinished, Result: &fanout.Result{}}); got != 1 {
		t.Errorf("skipped: got %d, want 1", got)
	}
	var waiting fanout.Numbering
	result := &fanout.Result{StdoutBytes: 7}
	retrying := waiting.Next(&fanout.Event{Kind: fanout.TargetRetrying, Attempt: 1, Result: result})
	if got := waiting.Next(&fanout.Event{Kind: fanout.TargetFinished, Attempt: 1, Result: result}); retrying != 10 || got != 11 {
		t.Errorf("waiting: got %d and %d, want 10 and 11", retrying, got)
	}
}

// TestNumbersOfStreams: the bytes of each stream are numbered by themselves, and the end
// of an attempt is above them all.
func TestNumbersOfStreams(t *testing.T) {
	var n fanout.Numbering
	started := n.Next(&fanout.Event{Kind: fanout.TargetStarted, Attempt: 1})
	var got []int64
	for _, e := range []fanout.Event{
		{Stream: fanout.Stdout, Data: []byte("1234")},
		{Stream: fanout.Stderr, Data: []byte("E")},
		{Stream: fanout.Stdout, Omitted: 10},
		{Stream: fanout.Stderr, Data: []byte("EE")},
	} {
		e.Kind, e.Attempt = fanout.Output, 1
		got = append(got, n.Next(&e)-started)
	}
	if want := []int64{4, 1, 14, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v after the start, want %v", got, want)
	}
	end := fanout.Event{Kind: fanout.TargetFinished, Attempt: 1, Result: &fanout.Result{StdoutBytes: 14, StderrBytes: 3}}
	if got := n.Next(&end); got <= started+14 {
		t.Errorf("got %d for the end, want more than %d", got, started+14)
	}
}
