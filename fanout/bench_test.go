package fanout_test

import (
	"context"
	"io"
	"testing"

	"tutti/fanout"
)

// null is an Executor that does nothing, as fast as the contract allows.
type null struct{}

func (null) Exec(ctx context.Context, a fanout.Attempt, _ fanout.Task, stdout, _ io.Writer) fanout.Report {
	if err := a.Starting(ctx, ""); err != nil {
		return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpLocal, Message: err.Error()}}
	}
	_, _ = io.WriteString(stdout, "up 12 days\n")
	return fanout.Report{Exit: &fanout.Exit{}, Started: true, OutputComplete: true}
}

func (null) Release(fanout.Target) {}

// BenchmarkRun is what the loop itself costs for a run over 10,000 targets.
func BenchmarkRun(b *testing.B) {
	plan := planOf(numbered(10_000)...)
	plan.Policy.Fanout = 1024
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fanout.Run(b.Context(), plan, fanout.Options{Executor: null{}}); err != nil {
			b.Fatal(err)
		}
	}
}

// talker is an Executor whose hosts say much.
type talker struct{ null }

// talk is how much that is.
const talk = 4 << 20

func (x talker) Exec(ctx context.Context, a fanout.Attempt, _ fanout.Task, stdout, _ io.Writer) fanout.Report {
	piece := make([]byte, 32<<10)
	for range talk / len(piece) {
		_, _ = stdout.Write(piece)
	}
	return fanout.Report{Exit: &fanout.Exit{}, Started: true, OutputComplete: true}
}

// BenchmarkOutput is what the loop costs for output, beside a copy of it.
func BenchmarkOutput(b *testing.B) {
	plan := planOf(numbered(4)...)
	plan.Policy.Fanout = 4
	b.ReportAllocs()
	b.SetBytes(4 * talk)
	for b.Loop() {
		if _, err := fanout.Run(b.Context(), plan, fanout.Options{Executor: talker{}}); err != nil {
			b.Fatal(err)
		}
	}
}
