package sqlite

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// fleetHosts is how many hosts the benchmarks have.
const fleetHosts = 10_000

// BenchmarkViews reads a history with three runs of 10,000 hosts, of which one in 50
// fails or cannot be reached.
func BenchmarkViews(b *testing.B) {
	s := openTest(b, tempPath(b))
	var runs []int64
	for range 3 {
		runs = append(runs, recordFleet(b, s))
	}
	run := runs[1]
	some, given := numbered(100), numbered(fleetHosts)
	for _, bm := range []struct {
		name string
		read func() (rows int, err error)
		want int
	}{
		{"Groups", func() (int, error) { x, err := s.Groups(b.Context(), run, nil); return len(x), err }, 4},
		{"GroupsVisible", func() (int, error) {
			x, err := s.Groups(b.Context(), run, func(host string) bool { return host[len(host)-1] != '7' })
			return len(x), err
		}, 4},
		{"States", func() (int, error) { x, err := s.States(b.Context(), run); return len(x), err }, fleetHosts},
		{"ResultsPage", func() (int, error) {
			x, err := s.ResultsPage(b.Context(), store.ResultQuery{Run: run, From: 5000})
			return len(x.Hosts), err
		}, 100},
		{"ResultsPageFailed", func() (int, error) {
			x, err := s.ResultsPage(b.Context(), store.ResultQuery{Run: run, Outcomes: []fanout.Outcome{fanout.Failed}})
			return len(x.Hosts), err
		}, 100},
		{"Compare", func() (int, error) { x, err := s.Compare(b.Context(), runs[0], runs[1], nil); return len(x), err }, 4},
		{"RunsPage", func() (int, error) { x, err := s.RunsPage(b.Context(), store.Query{}); return len(x.Runs), err }, 3},
		{"HealthOf", func() (int, error) { x, err := s.HealthOf(b.Context(), nil); return len(x), err }, fleetHosts},
		{"HealthOfGiven", func() (int, error) { x, err := s.HealthOf(b.Context(), given); return len(x), err }, fleetHosts},
		{"HealthOf100", func() (int, error) { x, err := s.HealthOf(b.Context(), some); return len(x), err }, 100},
		{"HostRuns", func() (int, error) { x, err := s.HostRuns(b.Context(), some[7], 50); return len(x), err }, 3},
		{"OutputRange", func() (int, error) {
			x, err := s.OutputRange(b.Context(), store.OutputQuery{Run: run, Host: some[7]})
			return int(x.Next), err
		}, 15},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := bm.read(); err != nil || got != bm.want {
					b.Fatalf("got %d, %v, want %d", got, err, bm.want)
				}
			}
		})
	}
}

// recordFleet records a run of 10,000 hosts.
func recordFleet(b *testing.B, s *Store) int64 {
	b.Helper()
	p := testPlan(numbered(fleetHosts)...)
	r := begin(b, s, p, store.RunInfo{})
	var results []*fanout.Result
	for i := range p.Targets {
		var events []fanout.Event
		switch i % 50 {
		case 1:
			events = hostEvents(&p, i, "no such file\n", 1)
		case 2:
			x := &fanout.Result{Target: p.Targets[i], Attempts: 1, Outcome: fanout.Unreachable, EndedAt: at(9)}
			x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: "connection refused"}
			events = []fanout.Event{{Kind: fanout.TargetFinished, Time: at(9), Target: &p.Targets[i], Attempt: 1, Result: x}}
		case 3:
			events = hostEvents(&p, i, "something else\n", 0)
		default:
			events = hostEvents(&p, i, "Linux 6.1.0-18\n", 0)
		}
		handle(b, r, events...)
		results = append(results, events[len(events)-1].Result)
	}
	handle(b, r, endEvent(results...))
	closeRecorder(b, r)
	return r.RunID()
}

// BenchmarkLongOutput reads and searches what a host said in 1,000,000 lines.
func BenchmarkLongOutput(b *testing.B) {
	s := openTest(b, tempPath(b))
	p := testPlan("a")
	r := begin(b, s, p, store.RunInfo{RecordLimit: 1 << 30})
	var text bytes.Buffer
	const lines = 1_000_000
	for i := range lines {
		fmt.Fprintf(&text, "%06d GET /index.html 200 1234 %s\n", i, time.Duration(i*i%97)*time.Microsecond)
	}
	all := text.Bytes()
	for i := 0; i < len(all); i += 32 << 10 {
		if i%(8<<20) == 0 {
			if err := r.Starting(b.Context(), p.Targets[0], 1, ""); err != nil {
				b.Fatal(err)
			}
		}
		handle(b, r, fanout.Event{Kind: fanout.Output, Time: epoch, Target: &p.Targets[0], Attempt: 1, Data: all[i:min(i+32<<10, len(all))]})
	}
	x := finished(p.Targets[0], 1, 0, int64(len(all)), 0)
	handle(b, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[0], Attempt: 1, Result: x}, endEvent(x))
	closeRecorder(b, r)
	out := []fanout.Stream{fanout.Stdout}
	for name, q := range map[string]store.OutputQuery{
		"Offset": {Offset: int64(len(all) / 2), Bytes: 64 << 10}, "Line": {Line: lines / 2, Lines: 400}, "Tail": {Tail: 400},
	} {
		b.Run(name, func(b *testing.B) {
			q.Run, q.Host, q.Streams = r.RunID(), "a", out
			b.ReportAllocs()
			for b.Loop() {
				if got, err := s.OutputRange(b.Context(), q); err != nil || len(got.Parts) != 1 {
					b.Fatalf("got %d parts, %v", len(got.Parts), err)
				}
			}
		})
	}
	b.Run("Search", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := s.SearchOutput(b.Context(), store.SearchQuery{Run: r.RunID(), Host: "a", Streams: out, Text: "99999 GET"})
			if err != nil || len(got.Hits) != 10 || got.More {
				b.Fatalf("got %d hits, %v", len(got.Hits), err)
			}
		}
	})
}
