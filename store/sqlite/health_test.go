package sqlite

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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

// TestHealthOfKeptRuns: what was kept of runs that have ended is what they say, while
// others run, end, and are deleted.
func TestHealthOfKeptRuns(t *testing.T) {
	s := openTest(t, tempPath(t))
	names := numbered(fewHosts + 1)
	check := func(what string) {
		t.Helper()
		each, err := s.health(t.Context(), names, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from what is kept
			many, err := s.health(t.Context(), names, true)
			if err != nil || !slices.Equal(many, each) {
				t.Fatalf("%s: got other healths, %v", what, err)
			}
		}
	}
	var runs []int64
	for n := range keptContacts + 2 {
		p := testPlan(names...)
		rec := begin(t, s, p, store.RunInfo{})
		var results []*fanout.Result
		for i := range p.Targets {
			x := finished(p.Targets[i], 1, 0, 0, 0)
			if i%7 == n {
				x = &fanout.Result{Target: p.Targets[i], Attempts: 1, Outcome: fanout.Unreachable, EndedAt: at(n)}
				x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: "connection refused"}
			}
			handle(t, rec, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[i], Attempt: 1, Result: x})
			results = append(results, x)
			if i == fewHosts/2 {
				if err := rec.Starting(t.Context(), p.Targets[i+1], 1, ""); err != nil { // which writes all before it
					t.Fatal(err)
				}
				check("running")
			}
		}
		handle(t, rec, endEvent(results...))
		closeRecorder(t, rec)
		check("ended")
		runs = append(runs, rec.RunID())
	}
	if n := len(s.ended.runs); n != keptContacts {
		t.Errorf("got %d runs kept, want %d", n, keptContacts)
	}
	for _, i := range []int{5, 3, 4, 0} {
		if err := s.Delete(t.Context(), runs[i]); err != nil {
			t.Fatal(err)
		}
		check("deleted")
	}
}

// TestTimeReader: a time is read as time.Parse reads it, or is an error.
func TestTimeReader(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var times timeReader
	at := at(0)
	for range 2000 {
		at = at.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
		text := fanout.FormatTime(at)
		if r.IntN(3) == 0 { // some are damaged
			i := r.IntN(len(text))
			text = text[:i] + string("0123456789:.-TZ x"[r.IntN(17)]) + text[i+r.IntN(2):]
		}
		got, err := times.read(text)
		want, wrong := time.Parse(time.RFC3339, text)
		if !got.Equal(want) || (err == nil) != (wrong == nil) || err == nil && got != want {
			t.Fatalf("%q: got %v, %v, want %v, %v", text, got, err, want, wrong)
		}
	}
}
