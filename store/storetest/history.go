package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// When a recorder is closed, the state of the job has the end of its run.
func testEnds(t *testing.T, b *bed) {
	job := b.add("backup", func(j *scheduler.Job) { j.Overlap = scheduler.OverlapAllow }).State.ID
	w := b.join()
	finished := w.begin(job, 1)
	cut := w.begin(job, 2)
	running := w.begin(job, 3)
	if err := cut.Starting(t.Context(), plan("job", 2).Targets[0], 1, ""); err != nil {
		t.Fatal(err)
	}
	w.finish(finished, plan("job", 2), 0, 3)
	b.must(cut.Close())
	var got []string
	for _, f := range b.load(job).State.Open {
		said := "running"
		if e := f.Ended; e != nil {
			said = fmt.Sprintf("%s ok %d lost %d unproved %t failed %d", e.State, e.Summary.Counts[fanout.OK], e.Summary.Counts[fanout.Lost], e.Unproved, len(e.HostsFailed))
		}
		got = append(got, said)
	}
	want := []string{"finished ok 1 lost 0 unproved false failed 1", "interrupted ok 0 lost 1 unproved true failed 2", "running"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ends, err := b.Ends(t.Context(), []int64{finished.RunID(), cut.RunID(), running.RunID(), 99})
	if err != nil || len(ends) != 3 || ends[0].State != "finished" || ends[1].State != "interrupted" || ends[2].Known() {
		t.Errorf("got %+v, %v, want two ends, and one of which nothing is known", ends, err)
	}
	endings := w.settle(3)
	if len(endings) != 2 || endings[0].ConsecutiveFailures.Count+endings[1].ConsecutiveFailures.Count != 3 {
		t.Errorf("got %+v, want two failures in a row", endings)
	}
	if again := w.settle(3); len(again) > 0 {
		t.Errorf("again: got %+v, want nothing", again)
	}
	b.must(running.Close())
}

// One process at a time has a message, until it is delivered or given up.
func testOutbox(t *testing.T, b *bed) {
	job := b.add("backup").State.ID
	first, second := b.join(), b.join()
	r := first.begin(job, 1)
	first.finish(r, plan("job", 2), 1, 0)
	first.settle(1)
	take := func(w *worker, now int) []scheduler.Delivery {
		t.Helper()
		ds, err := w.Lease(t.Context(), minute(now), minute(now+1), 10)
		b.must(err)
		return ds
	}
	taken := take(first, 1)
	if len(taken) != 1 || taken[0].Attempt != 1 || taken[0].Notify.Command != "mail" || taken[0].Message.Run != r.RunID() || len(taken[0].Message.HostsFailed) != 1 {
		t.Fatalf("got %+v, want the message to the command", taken)
	}
	if got := take(second, 1); len(got) > 0 {
		t.Errorf("got %+v, which the first has", got)
	}
	again := take(second, 2)
	if len(again) != 1 || again[0].Attempt != 2 || again[0].ID != taken[0].ID || again[0].Message.ID != taken[0].Message.ID {
		t.Fatalf("got %+v, want the same, since the first said nothing", again)
	}
	b.must(first.Release(t.Context(), taken, minute(1))) // another process has leased them
	if got := take(first, 2); len(got) > 0 {
		t.Errorf("got %+v, which the second has", got)
	}
	b.must(second.Daemon.Delivered(t.Context(), again[0], minute(2), errors.New("refused"), minute(9)))
	if got := take(first, 8); len(got) > 0 {
		t.Errorf("got %+v too early", got)
	}
	last := take(first, 9)
	if len(last) != 1 {
		t.Fatalf("got %+v, want it again", last)
	}
	b.must(first.Daemon.Delivered(t.Context(), last[0], minute(9), nil, time.Time{}))
	if got := take(first, 99); len(got) > 0 {
		t.Errorf("got %+v, which has arrived", got)
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 || len(rows[0].Notifications) != 2 || rows[0].Notifications[0].Error != "refused" || rows[0].Notifications[1].Error != "" {
		t.Errorf("got %+v, %v, want both attempts on record", rows, err)
	}
}

func testLargeTexts(t *testing.T, b *bed) {
	large := strings.Repeat("0123456789abcdef", 4096) // 64 KiB
	s := b.add("backup", func(j *scheduler.Job) { j.Command = large })
	if now := b.load(s.State.ID); now.State.Command != large {
		t.Errorf("got a command of %d bytes, want %d", len(now.State.Command), len(large))
	}
}

// A record with invalid UTF-8 is not lost.
func testOddTexts(t *testing.T, b *bed) {
	odd := "a\x00b\xffc"
	w := b.join()
	s := b.add("backup")
	b.commit(b.request(s, odd))
	if open := b.load(s.State.ID).State.Open; len(open) != 1 || !strings.HasPrefix(open[0].RequestedBy, "a") {
		t.Errorf("got %+v, want the firing", open)
	}
	p := plan("cli", 1)
	r, err := w.Begin(t.Context(), p, store.RunInfo{User: "ann", Note: odd})
	b.must(err)
	b.must(r.Handle(t.Context(), fanout.Event{Kind: fanout.Output, Time: noon, Target: &p.Targets[0], Attempt: 1, Data: []byte(odd)}))
	w.finish(r, p, 0)
	if got := outputOf(t, b, r.RunID()); !strings.HasPrefix(got, odd) {
		t.Errorf("got the output %q, want %q as it was", got, odd)
	}
}

// outputOf returns the output of all hosts of a run.
func outputOf(t *testing.T, b *bed, run int64) string {
	t.Helper()
	var said strings.Builder
	b.must(b.Replay(t.Context(), run, store.Filter{}, sink(func(e fanout.Event) { said.Write(e.Data) })))
	return said.String()
}

type sink func(fanout.Event)

func (s sink) Handle(_ context.Context, e fanout.Event) error {
	s(e)
	return nil
}

// A follower in another process gets the run while it is running, and its end.
func testFollow(t *testing.T, b *bed) {
	p := plan("cli", 2)
	r, err := b.Begin(t.Context(), p, store.RunInfo{})
	b.must(err)
	b.must(r.Starting(t.Context(), p.Targets[1], 1, "10.0.0.2:22"))
	heard, done := make(chan string, 100), make(chan error, 1)
	other := b.open(t)
	go func() {
		defer close(heard)
		done <- other.Follow(t.Context(), r.RunID(), store.Filter{}, sink(func(e fanout.Event) {
			switch {
			case e.Target != nil && e.Kind != fanout.Output:
				heard <- fmt.Sprint(e.Target.Name, " ", e.Kind)
			case e.Kind == fanout.RunFinished:
				heard <- fmt.Sprint(e.Summary.Counts)
			}
		}))
	}()
	if got, want := <-heard, fmt.Sprint("web01 ", fanout.TargetStarted); got != want {
		t.Errorf("got %q, want %q, which is on record", got, want)
	}
	if states, err := other.States(t.Context(), r.RunID()); err != nil || len(states) != 2 || states[0].Started || !states[1].Started || states[1].Ended {
		t.Errorf("got %+v, %v, want that web01 runs", states, err)
	}
	b.finish(r, p, 0, 7)
	var rest []string
	for text := range heard {
		rest = append(rest, text)
	}
	b.must(<-done)
	want := fmt.Sprint("web00 ", fanout.TargetStarted, ",web00 ", fanout.TargetFinished, ",web01 ", fanout.TargetFinished, ",[1 1 0 0 0 0 0]")
	sort.Strings(rest)
	if got := strings.Join(append(rest[1:], rest[0]), ","); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if states, err := other.States(t.Context(), r.RunID()); err != nil || !states[0].Ended || states[1].ExitCode != 7 || states[0].StdoutBytes != 6 {
		t.Errorf("got %+v, %v, want how they ended", states, err)
	}
}

// A run is replayed as it was recorded, and found by its properties.
func testReplay(t *testing.T, b *bed) {
	p := plan("cli", 3)
	r, err := b.Begin(t.Context(), p, store.RunInfo{User: "ann", Note: "first"})
	b.must(err)
	b.finish(r, p, 0, 7, 0)
	if got := outputOf(t, b, r.RunID()); got != "web00\nweb01\nweb02\n" {
		t.Errorf("got %q, want what each host said, in order", got)
	}
	kinds := map[fanout.Kind]int{}
	b.must(b.Replay(t.Context(), r.RunID(), store.Filter{Outcomes: []fanout.Outcome{fanout.Failed}}, sink(func(e fanout.Event) { kinds[e.Kind]++ })))
	if kinds[fanout.RunStarted] != 1 || kinds[fanout.TargetFinished] != 1 || kinds[fanout.RunFinished] != 1 {
		t.Errorf("got %v, want one host between the beginning and the end", kinds)
	}
	run, err := b.Run(t.Context(), "last", "ann")
	if err != nil || run.ID != r.RunID() || run.State != store.Finished || run.Note != "first" || run.Summary.Counts[fanout.OK] != 2 {
		t.Errorf("got %+v, %v, want the run", run, err)
	}
	hosts, err := b.HostsOf(t.Context(), "last", "ann", []fanout.Outcome{fanout.Failed})
	if err != nil || fmt.Sprint(hosts) != "[web01]" {
		t.Errorf("got %v, %v, want web01", hosts, err)
	}
	if _, err := b.Run(t.Context(), "99", ""); !errors.As(err, new(*store.NoRunError)) {
		t.Errorf("got %v, want a *NoRunError", err)
	}
	if err := r.Handle(t.Context(), fanout.Event{Kind: fanout.Output}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after the end: got %v, want %v", err, store.ErrClosed)
	}
	pruned, err := b.Prune(t.Context(), store.Retention{Keep: time.Nanosecond})
	if err != nil || pruned.Runs != 1 {
		t.Errorf("got %+v, %v, want it pruned", pruned, err)
	}
}

// Changes of jobs are refused with the right errors.
func testOperators(t *testing.T, b *bed) {
	s := b.add("backup")
	k := s.State.StoredJob
	if _, err := b.AddJob(t.Context(), k.Job, "bob", noon); !errors.As(err, new(*store.JobExistsError)) {
		t.Errorf("add: got %v, want a *JobExistsError", err)
	}
	k.Command = "df"
	if _, err := b.ChangeJob(t.Context(), k.Job, "bob", minute(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ChangeJob(t.Context(), s.State.Job, "eve", minute(2)); !errors.As(err, new(*store.JobChangedError)) {
		t.Errorf("change: got %v, want a *JobChangedError", err)
	}
	if err := b.RemoveJob(t.Context(), "backup", 1, "eve", minute(2)); !errors.As(err, new(*store.JobChangedError)) {
		t.Errorf("remove: got %v, want a *JobChangedError", err)
	}
	if _, err := b.RequestFiring(t.Context(), "none", "eve", minute(2)); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("request: got %v, want a *NoJobError", err)
	}
	b.must(b.RemoveJob(t.Context(), "backup", 2, "bob", minute(3)))
	changes, err := b.JobChanges(t.Context(), "backup")
	if err != nil || len(changes) != 3 || changes[0].What != store.JobRemoved || changes[1].User != "bob" {
		t.Errorf("got %+v, %v, want who did what", changes, err)
	}
}

// The line of the audit about a change is written with it, or not at all.
func testAuditedChanges(t *testing.T, b *bed) {
	audited := func(action string) context.Context {
		return store.Audited(t.Context(), access.Entry{By: access.By{Actor: "ann", At: noon}, Action: action})
	}
	job := scheduler.NewJob("backup", "UTC")
	job.Schedules, job.Selector, job.Command = []string{"0 4 * * *"}, "web", "df"
	kept, err := b.AddJob(audited("job.add"), job, "ann", noon)
	b.must(err)
	if _, err := b.AddJob(audited("job.add"), job, "ann", noon); err == nil {
		t.Error("it was added twice")
	}
	if _, err := b.ChangeJob(audited("job.change"), kept.Job, "ann", noon); err != nil { // nothing is different
		t.Error(err)
	}
	changed := kept.Job
	changed.Command = "df -h"
	_, err = b.ChangeJob(audited("job.change"), changed, "ann", noon)
	b.must(err)
	if _, err := b.ChangeJob(audited("job.change"), kept.Job, "ann", noon); err == nil {
		t.Error("another version was changed")
	}
	for range 2 { // the second is refused by the rule of overlap
		_, err = b.RequestFiring(audited("job.run"), "backup", "ann", noon)
		b.must(err)
	}
	b.must(b.RemoveJob(audited("job.remove"), "backup", 0, "ann", minute(1)))
	entries, err := b.Access().Audit(t.Context(), access.AuditQuery{Object: "job:backup"})
	b.must(err)
	var got []string
	for _, e := range slices.Backward(entries) {
		got = append(got, fmt.Sprintf("%s %s %s", e.Action, e.Outcome, e.After))
	}
	want := []string{
		`job.add done {"version":1}`, `job.change done {"version":2}`, `job.run done {"version":2}`, `job.run refused {"version":2}`,
		`job.remove done {"version":3}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A job is added, and a firing requested, once for a key: both are written, or neither.
func testOnce(t *testing.T, b *bed) {
	key := func(name, body string, at time.Time) store.RequestKey {
		return store.RequestKey{Principal: "ann", Key: name, Body: []byte(body), At: at}
	}
	once := func(k store.RequestKey) context.Context { return store.Once(t.Context(), k) }
	job := scheduler.NewJob("backup", "UTC")
	job.Schedules, job.Selector, job.Command = []string{"0 4 * * *"}, "web", "df"
	kept, err := b.AddJob(once(key("add", "1", noon)), job, "ann", noon)
	b.must(err)
	before := func(what string, err error, want store.ReplayedError) {
		t.Helper()
		if got, ok := errors.AsType[*store.ReplayedError](err); !ok || *got != want {
			t.Errorf("%s: got %v, want %+v", what, err, want)
		}
	}
	_, err = b.AddJob(once(key("add", "1", noon)), job, "ann", noon)
	before("add", err, store.ReplayedError{Job: kept.ID})
	_, err = b.AddJob(once(key("add", "2", noon)), job, "ann", noon)
	if !errors.As(err, new(*store.KeyReusedError)) {
		t.Errorf("another body: got %v, want a *KeyReusedError", err)
	}
	run := func(k store.RequestKey) (scheduler.Assignment, error) {
		return b.RequestFiring(once(k), "backup", "ann", noon)
	}
	first, err := run(key("run", "1", noon))
	b.must(err)
	_, err = run(key("run", "1", noon))
	before("run", err, store.ReplayedError{Job: kept.ID, Firing: first.ID})
	_, err = run(key("add", "1", noon))
	before("a key of another operation", err, store.ReplayedError{Job: kept.ID})
	for range 2 { // what overlap refuses may be asked for again
		refused, err := run(key("later", "1", noon))
		if b.must(err); refused.Decision == scheduler.Run {
			t.Errorf("got %+v, want a refusal", refused)
		}
	}
	other := key("run", "1", noon)
	other.Principal = "bob"
	if _, err := run(other); err != nil { // another principal has its own keys
		t.Error(err)
	}
	if _, err := run(key("run", "1", noon.Add(store.KeptKeys+time.Second))); err != nil {
		t.Errorf("a day later: %v", err)
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{Job: "backup"})
	if b.must(err); len(rows) != 5 {
		t.Errorf("got %d firings, want 5", len(rows))
	}
}
