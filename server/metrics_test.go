package server

import (
	"context"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"tutti/fanout"
	"tutti/notify"
	"tutti/scheduler"
)

// jobsOf is a source of jobs with the given names.
func jobsOf(names ...string) func(context.Context) ([]scheduler.StoredJob, error) {
	return func(context.Context) ([]scheduler.StoredJob, error) {
		var kept []scheduler.StoredJob
		for _, name := range names {
			kept = append(kept, scheduler.StoredJob{Job: scheduler.Job{Name: name}})
		}
		return kept, nil
	}
}

// assignment is one of a job that was due at a time.
func assignment(job string, due time.Time) scheduler.Assignment {
	return scheduler.Assignment{Job: scheduler.StoredJob{Job: scheduler.Job{Name: job}}, Firing: scheduler.Firing{Due: due}}
}

// ending is one of a run that took a minute.
func ending(job string, counts map[fanout.Outcome]int) scheduler.Completion {
	e := scheduler.Completion{Assignment: assignment(job, epoch), Run: 1, OK: true}
	e.Summary.Started, e.Summary.Ended = epoch, epoch.Add(time.Minute)
	for o, n := range counts {
		e.Summary.Counts[o] = n
		e.Summary.Hosts += n
		e.OK = e.OK && o == fanout.OK
	}
	return e
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scrape is what /metrics shows, without the metrics of the Go runtime.
func scrape(tb testing.TB, m *Metrics) string {
	tb.Helper()
	w := httptest.NewRecorder()
	Pages{Metrics: m}.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		tb.Fatalf("got %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// checkLines looks for lines in what was scraped, and for those with a ! in
// front that they are not there.
func checkLines(tb testing.TB, text string, lines ...string) {
	tb.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if not, ok := strings.CutPrefix(line, "!"); ok {
			if slices.ContainsFunc(all, func(have string) bool { return strings.HasPrefix(have, not) }) {
				tb.Errorf("%s is there", not)
			}
		} else if !slices.Contains(all, line) {
			name, _, _ := strings.Cut(line, "{")
			all := slices.DeleteFunc(slices.Clone(all), func(have string) bool { return !strings.HasPrefix(have, name) })
			tb.Errorf("%s is missing among\n%s", line, strings.Join(all, "\n"))
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics("1.2.3", jobsOf("nightly"))
	m.Decided("nightly", scheduler.Run, "", 1)
	m.Decided("nightly", scheduler.Skipped, "an earlier firing is running", 1)
	m.Decided("nightly", scheduler.Missed, scheduler.MissedDeadline, 40)
	m.Decided("nightly", scheduler.Missed, "a text of any kind", 2)
	m.Started(assignment("nightly", epoch), 1, 3*time.Second)
	m.Started(assignment("nightly", time.Time{}), 2, 0)
	repeated := assignment("nightly", epoch)
	repeated.Repeats = 1
	m.Started(repeated, 3, 0)
	m.Ended(ending("nightly", map[fanout.Outcome]int{fanout.OK: 4}))
	m.Ended(ending("nightly", map[fanout.Outcome]int{fanout.OK: 3, fanout.Lost: 1}))
	cut := ending("nightly", map[fanout.Outcome]int{fanout.Lost: 2})
	cut.Interrupted = true
	m.Ended(cut)
	stopped := ending("nightly", map[fanout.Outcome]int{fanout.Canceled: 1})
	stopped.OnRequest = true
	m.Ended(stopped)
	m.Ended(scheduler.Completion{Assignment: assignment("nightly", epoch)})
	ended := m.Carrying("nightly")
	m.Carrying("nightly")
	ended()
	m.Beat(epoch)
	checkLines(t, scrape(t, m),
		`tutti_firings_total{decision="run",job="nightly"} 1`,
		`tutti_firings_total{decision="skipped",job="nightly"} 1`,
		`tutti_firings_total{decision="missed",job="nightly"} 42`,
		`tutti_firings_total{decision="failed",job="nightly"} 0`,
		`tutti_missed_instants_total{job="nightly",reason="late"} 40`,
		`tutti_missed_instants_total{job="nightly",reason="other"} 2`,
		`tutti_run_lag_seconds_bucket{job="nightly",le="2"} 0`,
		`tutti_run_lag_seconds_bucket{job="nightly",le="5"} 1`,
		`tutti_run_lag_seconds_count{job="nightly"} 1`,
		`tutti_runs_total{job="nightly",outcome="ok"} 1`,
		`tutti_runs_total{job="nightly",outcome="failed"} 1`,
		`tutti_runs_total{job="nightly",outcome="interrupted"} 1`,
		`tutti_runs_total{job="nightly",outcome="stopped"} 1`,
		`tutti_run_hosts_total{job="nightly",outcome="ok"} 7`,
		`tutti_run_hosts_total{job="nightly",outcome="lost"} 3`,
		`tutti_run_hosts_total{job="nightly",outcome="skipped"} 0`,
		`tutti_run_duration_seconds_sum{job="nightly"} 180`,
		`tutti_runs_running{job="nightly"} 1`,
		`tutti_job_last_success_timestamp_seconds{job="nightly"} 1.77236646e+09`,
		`tutti_last_beat_timestamp_seconds 1.7723664e+09`,
		`tutti_history_readable 1`,
		`tutti_history_working 1`,
	)
	full := map[string]error{"decide": errors.New("no space left")}
	m.Turned(full)
	m.Turned(full)
	checkLines(t, scrape(t, m), `tutti_history_working 0`, `tutti_history_errors_total{doing="decide"} 2`)
	m.Turned(map[string]error{})
	checkLines(t, scrape(t, m), `tutti_history_working 1`, `tutti_history_errors_total{doing="decide"} 2`)
}

func TestMetricsOfJobs(t *testing.T) {
	kept := []scheduler.StoredJob{
		{Job: scheduler.Job{Name: "active"}, ConsecutiveFailures: scheduler.ConsecutiveFailures{Count: 3}},
		{Job: scheduler.Job{Name: "paused", Paused: true}},
		{Job: scheduler.Job{Name: "broken"}, Broken: errors.New("its spec cannot be read")},
	}
	var err error
	m := NewMetrics("", func(context.Context) ([]scheduler.StoredJob, error) { return kept, err })
	m.Ended(ending("removed", nil))
	m.Started(assignment("removed", epoch), 1, time.Second)
	m.Decided("removed", scheduler.Missed, "", 1)
	m.Carrying("removed")
	text := scrape(t, m)
	checkLines(t, text,
		`tutti_jobs{state="active"} 1`, `tutti_jobs{state="paused"} 1`, `tutti_jobs{state="broken"} 1`,
		`tutti_job_failures{job="active"} 3`, `tutti_job_failures{job="paused"} 0`,
		`tutti_runs_total{job="active",outcome="ok"} 0`,
	)
	if strings.Contains(text, `job="removed"`) {
		t.Errorf("a job that was removed is still there:\n%s", text)
	}

	kept, err = nil, errors.New("the disk is gone")
	checkLines(t, scrape(t, m), `tutti_history_readable 0`, `tutti_jobs{state="active"} 1`, `tutti_job_failures{job="active"} 3`)

	err = nil
	checkLines(t, scrape(t, m), `tutti_history_readable 1`, `tutti_jobs{state="active"} 0`, `!tutti_job_failures`)
}

// A job that is added while the jobs are being read keeps its numbers.
func TestMetricsOfNewJob(t *testing.T) {
	var m *Metrics
	m = NewMetrics("", func(context.Context) ([]scheduler.StoredJob, error) {
		m.Decided("new", scheduler.Run, "", 1)
		return nil, nil
	})
	checkLines(t, scrape(t, m), `tutti_firings_total{decision="run",job="new"} 1`)
}

func TestMetricsOfNotifications(t *testing.T) {
	m := NewMetrics("", jobsOf())
	for _, result := range []notify.Result{notify.Sent, notify.Failed, notify.Sent, notify.GivenUp, notify.Sent} {
		m.Attempted(notify.Webhook, result)
	}
	checkLines(t, scrape(t, m),
		`tutti_notification_attempts_total{kind="webhook",result="sent"} 3`,
		`tutti_notification_attempts_total{kind="webhook",result="failed"} 1`,
		`tutti_notification_attempts_total{kind="webhook",result="given_up"} 1`,
		`tutti_notification_attempts_total{kind="command",result="sent"} 0`,
	)
}

// What Prometheus' own rules say of names, units and help.
func TestMetricsLint(t *testing.T) {
	m := NewMetrics("1.2.3", jobsOf("nightly"))
	m.Started(assignment("nightly", epoch), 1, time.Second)
	m.Ended(ending("nightly", map[fanout.Outcome]int{fanout.OK: 1}))
	m.Turned(map[string]error{"decide": errors.New("no space left")})
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tutti_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// The documentation names each metric, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	m := NewMetrics("1.2.3", jobsOf("nightly"))
	m.Started(assignment("nightly", epoch), 1, time.Second)
	m.Ended(ending("nightly", map[fanout.Outcome]int{fanout.OK: 1}))
	m.Turned(map[string]error{"decide": errors.New("no space left")})
	have := map[string]bool{}
	for line := range strings.Lines(scrape(t, m)) {
		if name, ok := strings.CutPrefix(line, "# TYPE tutti_"); ok {
			name, _, _ = strings.Cut(name, " ")
			have["tutti_"+name] = true
		}
	}
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(tutti_\\w+)`").FindAllStringSubmatch(string(text), -1) {
		documented[match[1]] = true
	}
	if !maps.Equal(have, documented) {
		t.Errorf("there are\n%s\nand documented\n%s", slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(documented)))
	}
}
