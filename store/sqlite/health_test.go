package sqlite

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// TestHealthOfMany: what the newest runs say of many hosts at once is what each host's
// own results say.
func TestHealthOfMany(t *testing.T) {
	s := openTest(t, tempPath(t))
	r := rand.New(rand.NewPCG(1, 2))
	names := numbered(12)
	for range 30 {
		hosts := slices.Clone(names)
		r.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		p := testPlan(hosts[:1+r.IntN(8)]...)
		rec := begin(t, s, p, store.RunInfo{})
		var results []*fanout.Result
		for i := range p.Targets {
			x := &fanout.Result{Target: p.Targets[i], Attempts: 1, Outcome: fanout.Unreachable, EndedAt: at(r.IntN(1000))}
			switch r.IntN(4) {
			case 0:
				x = finished(p.Targets[i], 1, uint32(r.IntN(2)), 0, 0)
			case 1:
				x = &fanout.Result{Target: p.Targets[i], Outcome: fanout.Skipped}
			case 2:
				x.Report.Failure = &fanout.Failure{Op: fanout.OpLocal, Message: "no more files"}
			default:
				x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: "connection refused"}
			}
			handle(t, rec, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[i], Attempt: x.Attempts, Result: x})
			results = append(results, x)
		}
		handle(t, rec, endEvent(results...))
		closeRecorder(t, rec)
		asked := append([]string{"none"}, names...)
		each, err := s.health(t.Context(), asked, false)
		if err != nil {
			t.Fatal(err)
		}
		many, err := s.health(t.Context(), asked, true)
		if err != nil || !slices.Equal(many, each) {
			t.Fatalf("got %+v, %v, want %+v", many, err, each)
		}
	}
}
