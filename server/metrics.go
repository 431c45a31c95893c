package server

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tutti/fanout"
	"tutti/notify"
	"tutti/scheduler"
)

// Metrics are a daemon in numbers, for Prometheus: see docs/metrics.md. Make
// them with NewMetrics. Each of several daemons on one history counts only what it
// did itself, so that the sum over them is the whole. All methods may be called by
// several goroutines at once.
type Metrics struct {
	registry *prometheus.Registry

	firings, missed, runs, hosts, attempts *prometheus.CounterVec
	troubles                               *prometheus.CounterVec
	lag, duration                          *prometheus.HistogramVec
	running, succeeded, failures, jobs     *prometheus.GaugeVec
	readable, working, lastBeat            prometheus.Gauge
	lanes, busyLanes, queued               prometheus.Gauge

	source func(context.Context) ([]scheduler.StoredJob, error)
	// waiting says how many submitted runs wait; nil: that is not told.
	waiting func(context.Context) (int, error)

	mu sync.Mutex // guards what follows
	// lastTick is when the loop last turned, or the daemon started.
	lastTick time.Time
	// trouble is what could not be done in the last turn; nil: nothing.
	trouble error
	// seen are the jobs that have numbers.
	seen map[string]bool
}

var (
	_ scheduler.Observer = (*Metrics)(nil)
	_ notify.Observer    = (*Metrics)(nil)
)

// Bounds of the histograms, in seconds.
var (
	lagBounds      = []float64{.1, .5, 1, 2, 5, 10, 30, 60, 300, 3600}
	durationBounds = []float64{.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600}
)

// NewMetrics makes the metrics of a tutti of the given version. Whenever they
// are read, jobs says which jobs there are: the numbers of others are dropped.
func NewMetrics(version string, jobs func(context.Context) ([]scheduler.StoredJob, error)) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), source: jobs, lastTick: time.Now(), seen: map[string]bool{}}
	m.firings = m.counter("firings_total", "Decisions about scheduled times of a job.", "job", "decision")
	m.missed = m.counter("missed_instants_total", "Scheduled times of a job that were missed.", "job", "reason")
	m.runs = m.counter("runs_total", "Finished runs of a job.", "job", "outcome")
	m.hosts = m.counter("run_hosts_total", "Hosts of the finished runs of a job.", "job", "outcome")
	m.attempts = m.counter("notification_attempts_total", "Attempts to deliver a notification.", "kind", "result")
	m.troubles = m.counter("history_errors_total", "Scheduler cycles in which a history operation failed.", "doing")
	m.lag = m.histogram("run_lag_seconds", "Delay between the due time of a run and its start.", lagBounds)
	m.duration = m.histogram("run_duration_seconds", "Duration of the runs of a job.", durationBounds)
	m.running = m.gauge("runs_running", "Runs of a job in progress in this daemon.", "job")
	m.succeeded = m.gauge("job_last_success_timestamp_seconds", "End of the last run of a job in which every host was ok, in Unix time.", "job")
	m.failures = m.gauge("job_failures", "Consecutive failures of a job.", "job")
	m.jobs = m.gauge("jobs", "Jobs by state: active, paused, broken.", "state")
	m.readable = m.gauge("history_readable", "1 if the jobs could be read from the history, else 0.").WithLabelValues()
	m.working = m.gauge("history_working", "1 if all history operations of the scheduler's last cycle succeeded, else 0.").WithLabelValues()
	m.working.Set(1) // there was no turn in which it could not
	m.lastBeat = m.gauge("last_beat_timestamp_seconds", "Time of the scheduler's last cycle, in Unix time.").WithLabelValues()
	m.lanes = m.gauge("lanes", "How many submitted runs this daemon executes at once.").WithLabelValues()
	m.busyLanes = m.gauge("lanes_busy", "Submitted runs in progress in this daemon.").WithLabelValues()
	m.queued = m.gauge("queue_length", "Submitted runs of the history that have not started.").WithLabelValues()
	m.gauge("build_info", "Always 1; the labels hold the version.", "version", "goversion").WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, kind := range notify.Kinds() {
		for _, result := range notify.Results() {
			m.attempts.WithLabelValues(string(kind), string(result))
		}
	}
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tutti", Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tutti", Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, bounds []float64) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tutti", Name: name, Help: help, Buckets: bounds}, []string{"job"})
	m.registry.MustRegister(v)
	return v
}

// reasonLabels are the labels of reasons; those of any other are "other", so
// that no text makes a series of its own.
var reasonLabels = map[string]string{scheduler.MissedDeadline: "late"}

const reasonOther = "other"

// Decided counts decisions about scheduled times.
func (m *Metrics) Decided(job string, d scheduler.Decision, reason string, count int) {
	m.know(job)
	m.firings.WithLabelValues(job, d.String()).Add(float64(count))
	if d != scheduler.Missed {
		return
	}
	label, ok := reasonLabels[reason]
	if !ok {
		label = reasonOther
	}
	m.missed.WithLabelValues(job, label).Add(float64(count))
}

// Started records how late a run is.
func (m *Metrics) Started(t scheduler.Assignment, _ int64, lag time.Duration) {
	if t.Firing.Due.IsZero() || t.Repeats != 0 {
		return // it has no scheduled time to be late for
	}
	m.know(t.Job.Name)
	m.lag.WithLabelValues(t.Job.Name).Observe(lag.Seconds())
}

// ServeQueue says that this daemon executes submitted runs, so many at once. Whenever
// the metrics are read, waiting says how many wait. It is called before that.
func (m *Metrics) ServeQueue(lanes int, waiting func(context.Context) (int, error)) {
	m.lanes.Set(float64(lanes))
	m.waiting = waiting
}

// SetBusyLanes records how many submitted runs are being executed.
func (m *Metrics) SetBusyLanes(n int) { m.busyLanes.Set(float64(n)) }

// refreshQueue asks how many submitted runs wait.
func (m *Metrics) refreshQueue(ctx context.Context) error {
	if m.waiting == nil {
		return nil
	}
	n, err := m.waiting(ctx)
	if err == nil {
		m.queued.Set(float64(n))
	}
	return err
}

// Carrying counts a run of a job among those that this daemon is carrying out,
// until the function is called that it returns.
func (m *Metrics) Carrying(job string) (ended func()) {
	m.know(job)
	m.running.WithLabelValues(job).Inc()
	return func() {
		m.know(job)
		m.running.WithLabelValues(job).Dec()
	}
}

// Ended counts a run, and its hosts. Firings without a run were counted by Decided.
func (m *Metrics) Ended(e scheduler.Completion) {
	if e.Run == 0 {
		return
	}
	job := e.Job.Name
	m.know(job)
	outcome := outcomeFailed
	switch {
	case e.Interrupted:
		outcome = outcomeInterrupted
	case e.OnRequest:
		outcome = outcomeStopped
	case e.OK:
		outcome = outcomeOK
		m.SetLastSuccess(job, e.Summary.Ended)
	}
	m.runs.WithLabelValues(job, outcome).Inc()
	for _, o := range fanout.Outcomes() {
		m.hosts.WithLabelValues(job, o.String()).Add(float64(e.Summary.Counts[o]))
	}
	if !e.Interrupted {
		m.duration.WithLabelValues(job).Observe(e.Summary.Ended.Sub(e.Summary.Started).Seconds())
	}
}

const (
	outcomeOK          = "ok"
	outcomeFailed      = "failed"
	outcomeInterrupted = "interrupted"
	outcomeStopped     = "stopped"
)

// SetLastSuccess records when the job last succeeded. A daemon that starts reads it
// from the history.
func (m *Metrics) SetLastSuccess(job string, at time.Time) {
	m.know(job)
	m.succeeded.WithLabelValues(job).Set(float64(at.UnixMilli()) / 1000)
}

// Beat records that the loop turns.
func (m *Metrics) Beat(now time.Time) {
	m.lastBeat.Set(float64(now.UnixMilli()) / 1000)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastTick = time.Now() // now may be put back
}

// Turned records what could not be done with the history.
func (m *Metrics) Turned(trouble map[string]error) {
	var doings []string
	for doing := range trouble {
		m.troubles.WithLabelValues(doing).Inc()
		doings = append(doings, doing)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = nil
	if doings == nil {
		m.working.Set(1)
		return
	}
	m.working.Set(0)
	slices.Sort(doings)
	m.trouble = fmt.Errorf("the scheduler cannot %s: %w", doings[0], trouble[doings[0]])
}

// Working is an error that says what the scheduler could not do with the history
// in its last turn.
func (m *Metrics) Working() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

// Alive is an error that says so if the last beat is longer ago than limit.
func (m *Metrics) Alive(limit time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if silent := time.Since(m.lastTick); silent > limit {
		return fmt.Errorf("the scheduler has made no cycle for %s", silent.Round(time.Millisecond))
	}
	return nil
}

// Attempted counts an attempt to deliver a notification.
func (m *Metrics) Attempted(kind notify.Kind, result notify.Result) {
	m.attempts.WithLabelValues(string(kind), string(result)).Inc()
}

// know remembers that a job has numbers.
func (m *Metrics) know(job string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[job] = true
}

// refresh asks which jobs there are. If that cannot be said, all stays as it is.
func (m *Metrics) refresh(ctx context.Context) error {
	// A job that is new after this is not among those that may be gone.
	m.mu.Lock()
	gone := make(map[string]bool, len(m.seen))
	for job := range m.seen {
		gone[job] = true
	}
	m.mu.Unlock()
	kept, err := m.source(ctx)
	if err != nil {
		m.readable.Set(0)
		return err
	}
	if err := m.refreshQueue(ctx); err != nil {
		m.readable.Set(0)
		return err
	}
	m.readable.Set(1)
	states := map[string]int{"active": 0, "paused": 0, "broken": 0}
	for _, k := range kept {
		delete(gone, k.Name)
		states[state(k)]++
		m.introduce(k)
	}
	for state, n := range states {
		m.jobs.WithLabelValues(state).Set(float64(n))
	}
	for job := range gone {
		m.drop(job)
	}
	return nil
}

func state(k scheduler.StoredJob) string {
	switch {
	case k.Broken != nil:
		return "broken"
	case k.Paused:
		return "paused"
	}
	return "active"
}

// introduce gives a job its zeros, without which a rate misses the first of
// everything.
func (m *Metrics) introduce(k scheduler.StoredJob) {
	m.know(k.Name)
	for d := scheduler.Run; d <= scheduler.Refused; d++ {
		m.firings.WithLabelValues(k.Name, d.String())
	}
	for _, label := range reasonLabels {
		m.missed.WithLabelValues(k.Name, label)
	}
	for _, outcome := range []string{outcomeOK, outcomeFailed, outcomeInterrupted, outcomeStopped} {
		m.runs.WithLabelValues(k.Name, outcome)
	}
	for _, o := range fanout.Outcomes() {
		m.hosts.WithLabelValues(k.Name, o.String())
	}
	m.running.WithLabelValues(k.Name)
	m.failures.WithLabelValues(k.Name).Set(float64(k.ConsecutiveFailures.Count))
}

// drop forgets a job.
func (m *Metrics) drop(job string) {
	m.mu.Lock()
	delete(m.seen, job)
	m.mu.Unlock()
	labels := prometheus.Labels{"job": job}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.firings, m.missed, m.runs, m.hosts, m.lag, m.duration, m.running, m.succeeded, m.failures,
	} {
		v.DeletePartialMatch(labels)
	}
}
