package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// An Engine is the engine under test.
type Engine struct {
	// New makes an empty store, and returns a function that opens it: each call as
	// another process would.
	New func(tb testing.TB) (open func(tb testing.TB) store.Store)
	// Rounds is how often races are repeated; 0: 50 times.
	Rounds int
	// Faults are the faults that it can inject.
	Faults Faults
}

// Test runs all tests on an engine.
func Test(t *testing.T, e Engine) {
	if e.Rounds == 0 {
		e.Rounds = 50
	}
	tests := map[string]func(*testing.T, *bed){
		"Create":      testCreate,
		"Commit":      testCommit,
		"Known":       testKnown,
		"Batch":       testBatch,
		"Race":        testRace,
		"Races":       testRaceOfBatches,
		"Sync":        testSync,
		"Fence":       testFence,
		"Takeover":    testTakeover,
		"Clocks":      testClocks,
		"Halts":       testHalts,
		"Stops":       testStops,
		"Ends":        testEnds,
		"Outbox":      testOutbox,
		"LargeTexts":  testLargeTexts,
		"OddTexts":    testOddTexts,
		"Replay":      testReplay,
		"Follow":      testFollow,
		"Operators":   testOperators,
		"Audited":     testAuditedChanges,
		"AuditedRuns": testAuditedRuns,
		"Once":        testOnce,
		"Groups":      testGroups,
		"Results":     testResultsPage,
		"Compare":     testCompare,
		"Runs":        testRunsPage,
		"Counts":      testCounts,
		"Health":      testHealth,
		"Output":      testOutput,
		"Attempts":    testOutputOfAttempts,
		"Search":      testSearch,

		"Controllers":   testControllers,
		"Callbacks":     testCallbacks,
		"Find":          testFind,
		"Script":        testScript,
		"Queue":         testQueue,
		"QueuedRuns":    testQueuedRuns,
		"QueueStops":    testQueueStops,
		"QueueKeys":     testQueueKeys,
		"QueueClocks":   testQueueClocks,
		"QueueRace":     testQueueRace,
		"QueueSecrets":  testQueueSecrets,
		"QueueFollowed": testQueueFollowed,
		"Scopes":        testScopes,
		"Maintenance":   testMaintenance,
		"Accounts":      testAccounts,
		"Tokens":        testTokenGate,
		"Sessions":      testSessions,
		"Links":         testLinks,
		"Audit":         testAudit,
	}
	maps.Copy(tests, e.Faults.tests())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			open := e.New(t)
			test(t, &bed{TB: t, rounds: e.Rounds, faults: e.Faults, open: open, Store: open(t)})
		})
	}
}

// A bed is a store under test.
type bed struct {
	testing.TB
	store.Store
	rounds int
	faults Faults
	open   func(tb testing.TB) store.Store
}

// noon is when jobs are added.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// add adds a job that fires every minute, and sends all events to a command.
func (b *bed) add(name string, change ...func(*scheduler.Job)) scheduler.Subject {
	b.Helper()
	j := scheduler.NewJob(name, "UTC")
	j.Schedules, j.Selector, j.Command = []string{"* * * * *"}, "web", "uptime"
	j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Command: "mail"}
	for _, f := range change {
		f(&j)
	}
	s, err := b.Create(b.Context(), j, "ann", noon)
	b.must(err)
	return s
}

// load returns the subject of a job as it is now.
func (b *bed) load(job int64) scheduler.Subject {
	b.Helper()
	subjects, err := b.Load(b.Context(), []int64{job})
	b.must(err)
	if len(subjects) != 1 {
		b.Fatalf("got %d subjects, want 1", len(subjects))
	}
	return subjects[0]
}

// A worker is a member with a desk, as a daemon has.
type worker struct {
	store.Daemon
	*bed
	desk *scheduler.Desk
	has  map[int64]bool
}

// join returns a member that has its own process.
func (b *bed) join() *worker {
	b.Helper()
	s := b.open(b)
	d, err := s.JoinDaemons(b.Context(), noon)
	b.must(err)
	b.Cleanup(func() { _ = d.Close() }) // some tests have
	return &worker{Daemon: d, bed: &bed{TB: b.TB, Store: s, open: b.open, faults: b.faults}, desk: scheduler.NewDesk(d), has: map[int64]bool{}}
}

func (w *worker) sync() {
	w.Helper()
	_, err := w.desk.Sync(w.bed.Context(), w.Daemon)
	w.must(err)
}

// decide decides a minute of a job.
func (w *worker) decide(job int64, n int) error {
	w.Helper()
	w.sync()
	k := w.load(job).State.StoredJob
	firing := scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: minute(n)}, Due: minute(n)}
	assignments, errs, err := w.desk.Decide(w.bed.Context(), minute(n), []scheduler.Decisions{{Job: k, Firings: []scheduler.Firing{firing}, Cursor: minute(n)}})
	w.must(err)
	if errs[0] != nil || len(assignments[0]) != 1 {
		return errors.Join(errs[0], fmt.Errorf("%d assignments", len(assignments[0])))
	}
	return nil
}

func (w *worker) claim(n int) []scheduler.Assignment {
	w.Helper()
	w.sync()
	assignments, err := w.desk.Claim(w.bed.Context(), w.Daemon, minute(n), func(id int64) bool { return w.has[id] })
	w.must(err)
	for _, t := range assignments {
		w.has[t.ID] = true
	}
	return assignments
}

func (w *worker) settle(n int) []scheduler.Completion {
	w.Helper()
	w.sync()
	endings, err := w.desk.Settle(w.bed.Context(), minute(n))
	w.must(err)
	return endings
}

// begin decides, claims and starts a minute of a job.
func (w *worker) begin(job int64, n int) *store.Recorder {
	w.Helper()
	w.must(w.decide(job, n))
	assignments := w.claim(n)
	if len(assignments) != 1 {
		w.Fatalf("got %d assignments, want 1", len(assignments))
	}
	return w.beginAssigned(assignments[0])
}

func (w *worker) beginAssigned(t scheduler.Assignment) *store.Recorder {
	w.Helper()
	r, err := w.Begin(w.bed.Context(), plan("job", 2), w.infoOf(t))
	w.must(err)
	return r
}

func (w *worker) infoOf(t scheduler.Assignment) store.RunInfo {
	return store.RunInfo{
		Job: t.Job.Name, JobID: t.Job.ID, Firing: t.ID, Owner: w.Daemon, ScheduledAt: t.Firing.At, DueAt: t.Firing.Due, StopOnError: true,
	}
}

func plan(source string, hosts int) fanout.Plan {
	p := fanout.Plan{Source: source, Selector: "web", Task: fanout.Task{Action: fanout.Command("uptime")}}
	for i := range hosts {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("web%02d", i)})
	}
	return p
}

// finish ends a run: each host writes its name, and exits with a code.
func (b *bed) finish(r *store.Recorder, p fanout.Plan, codes ...uint32) {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	s := fanout.Summary{Started: noon}
	handle := func(e fanout.Event) { b.Helper(); b.must(r.Handle(ctx, e)) }
	handle(fanout.Event{Kind: fanout.RunStarted, Time: noon, Plan: &p})
	for i, code := range codes {
		t := &p.Targets[i]
		b.must(r.Starting(ctx, *t, 1, "10.0.0.1:22"))
		handle(fanout.Event{Kind: fanout.TargetStarted, Time: noon, Target: t, Attempt: 1})
		handle(fanout.Event{Kind: fanout.Output, Time: noon, Target: t, Attempt: 1, Data: []byte(t.Name + "\n")})
		res := fanout.Result{Target: *t, Attempts: 1, QueuedAt: noon, BegunAt: noon, StartedAt: noon, EndedAt: noon, StdoutBytes: int64(len(t.Name) + 1)}
		res.Report = fanout.Report{Started: true, OutputComplete: true, Exit: &fanout.Exit{Code: code}}
		if code != 0 {
			res.Outcome = fanout.Failed
		}
		s.Add(res)
		handle(fanout.Event{Kind: fanout.TargetFinished, Time: noon, Target: t, Attempt: 1, Result: &res})
	}
	s.Ended = noon.Add(time.Second)
	handle(fanout.Event{Kind: fanout.RunFinished, Time: s.Ended, Summary: &s})
	b.must(r.Close())
}
