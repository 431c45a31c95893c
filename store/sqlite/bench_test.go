package sqlite

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// BenchmarkRecorder records runs of 1,000 hosts that say a line each.
func BenchmarkRecorder(b *testing.B) {
	s := openTest(b, tempPath(b))
	p := testPlan(numbered(1000)...)
	for b.Loop() {
		r := begin(b, s, p, store.RunInfo{})
		var results []*fanout.Result
		for i := range p.Targets {
			events := hostEvents(&p, i, fmt.Sprintf("this is what host %d has to say\n", i), 0)
			handle(b, r, events...)
			results = append(results, events[len(events)-1].Result)
		}
		handle(b, r, endEvent(results...))
		closeRecorder(b, r)
	}
	b.ReportMetric(float64(b.N*len(p.Targets))/b.Elapsed().Seconds(), "hosts/s")
	b.ReportMetric(float64(fileSize(b, s))/float64(b.N*len(p.Targets)), "bytes/host")
}

// BenchmarkOutput records what a flooding host says.
func BenchmarkOutput(b *testing.B) {
	s := openTest(b, tempPath(b))
	p := testPlan("a")
	r := begin(b, s, p, store.RunInfo{RecordLimit: 1 << 40})
	data := []byte(strings.Repeat("GET /index.html 200 1234 0.001\n", 1057))
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		// In a run the budget of the events keeps the host from being faster
		// than the disk.
		if i%64 == 0 {
			if err := r.Starting(b.Context(), p.Targets[0], 1, ""); err != nil {
				b.Fatal(err)
			}
		}
		handle(b, r, fanout.Event{Kind: fanout.Output, Time: epoch, Target: &p.Targets[0], Attempt: 1, Data: data})
	}
	closeRecorder(b, r)
}

// BenchmarkStarting marks the starts of 16 hosts that begin at the same time.
func BenchmarkStarting(b *testing.B) {
	s := openTest(b, tempPath(b))
	p := testPlan(numbered(16)...)
	r := begin(b, s, p, store.RunInfo{})
	b.ReportAllocs()
	for b.Loop() {
		var wg sync.WaitGroup
		for _, t := range p.Targets {
			wg.Go(func() {
				if err := r.Starting(b.Context(), t, 1, "10.0.0.1:22"); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	closeRecorder(b, r)
}
