package browser

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/sqlite"
)

// BenchmarkPaint says when the first of a page is seen, and how long scripts keep it from
// answering, in milliseconds; docs/console.md has what it said:
//
//	cd browser && go test -run - -bench Paint -benchtime 5x .
func BenchmarkPaint(b *testing.B) {
	s := newSite(b, "web1")
	s.record(10_000)
	s.do("", "run", "-q", "--record-limit", "64MiB", "-o", "none", "web1", "lines 1000000")
	v := s.newVisitor()
	v.see(1300, "light")
	v.login(viewer)
	for _, page := range []struct{ name, path, whole string }{
		{"run of 10,000 hosts", "/runs/1", `document.querySelector("#cells").style.height !== ""`},
		{"its hosts", "/runs/1/hosts", `document.querySelector(".allhosts .rows .badge") !== null`},
		{"output of 1,000,000 lines", "/runs/2/hosts/web1", `document.getElementById("log-says").textContent.endsWith("of 1,000,000")`},
	} {
		for _, throttle := range []float64{1, 4} {
			b.Run(fmt.Sprintf("%s x%v", page.name, throttle), func(b *testing.B) {
				if _, err := chromedp.Call(v.ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: throttle}); err != nil {
					b.Fatal(err)
				}
				var paint, long float64
				for range b.N {
					time.Sleep(time.Second) // so that it does not ask too often
					v.visit(page.path)
					v.until(page.whole)
					paint += call[float64](v.tab, `(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN)`)
					long = max(long, call[float64](v.tab, `(() => new Promise((done) => {
						let most = 0;
						new PerformanceObserver((list) => { for (const e of list.getEntries()) most = Math.max(most, e.duration); }).observe({ type: "longtask", buffered: true });
						setTimeout(() => done(most), 200);
					}))`))
				}
				b.ReportMetric(paint/float64(b.N), "ms-to-paint")
				b.ReportMetric(long, "ms-longest-task")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
	if _, err := chromedp.Call(v.ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 1}); err != nil {
		b.Fatal(err)
	}
}

// record writes a run on so many hosts into the history, of which some failed in some ways.
func (s *site) record(hosts int) {
	s.Helper()
	must := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	ctx := s.Context()
	history, err := sqlite.Open(ctx, filepath.Join(s.dir, "history.db"), store.Options{})
	must(err)
	defer history.Close() //nolint:errcheck // everything was written
	now := time.Now()
	p := fanout.Plan{Source: "cli", Selector: "all", Task: fanout.Task{Action: fanout.Command("uptime")}, Policy: fanout.Policy{Fanout: 500}}
	for i := range hosts {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("web%05d", i)})
	}
	recorder, err := history.Begin(ctx, p, store.RunInfo{User: "ann"})
	must(err)
	must(recorder.Handle(ctx, fanout.Event{Kind: fanout.RunStarted, Time: now, Plan: &p}))
	sum := fanout.Summary{Started: now, Ended: now.Add(time.Minute), Hosts: hosts}
	for i := range p.Targets {
		target := &p.Targets[i]
		must(recorder.Starting(ctx, *target, 1, "10.0.0.1:22"))
		must(recorder.Handle(ctx, fanout.Event{Kind: fanout.TargetStarted, Time: now, Target: target, Attempt: 1, Address: "10.0.0.1:22"}))
		said, code := "up\n", uint32(0)
		if i%200 == 7 {
			said, code = fmt.Sprintf("disk %d is full\n", i%3), uint32(1+i%3)
		}
		must(recorder.Handle(ctx, fanout.Event{Kind: fanout.Output, Time: now, Target: target, Attempt: 1, Data: []byte(said)}))
		result := fanout.Result{
			Target: *target, Attempts: 1, StartedAt: now, EndedAt: now.Add(time.Second), StdoutBytes: int64(len(said)),
			Report: fanout.Report{Started: true, OutputComplete: true, Address: "10.0.0.1:22", Exit: &fanout.Exit{Code: code}},
		}
		result.Outcome = result.Report.Outcome()
		sum.Counts[result.Outcome]++
		must(recorder.Handle(ctx, fanout.Event{Kind: fanout.TargetFinished, Time: now, Target: target, Attempt: 1, Result: &result}))
	}
	must(recorder.Handle(ctx, fanout.Event{Kind: fanout.RunFinished, Time: now, Summary: &sum}))
	must(recorder.Close())
}
