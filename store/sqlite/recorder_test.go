package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// With a slow disk, all who wait share a commit: 200 starts take two of them,
// the one that was under way and the one after it.
// What the recorder of package store keeps to.
const (
	maxDelay       = 100 * time.Millisecond
	maxPending     = 1 << 20
	restFactor     = 4
	maxInterleaved = 4096
)

func TestStartingSharesCommits(t *testing.T) {
	path := tempPath(t)
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, path)
		p := testPlan(numbered(200)...)
		r := begin(t, s, p, store.RunInfo{})
		commits := 0
		s.beforeCommit = func() {
			commits++
			time.Sleep(5 * time.Millisecond)
		}
		errs := make(chan error, len(p.Targets))
		for _, target := range p.Targets {
			go func() { errs <- r.Starting(t.Context(), target, 1, "10.0.0.1:22") }()
		}
		for range p.Targets {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if commits > 2 {
			t.Errorf("got %d commits, want at most 2", commits)
		}
		var marked int
		if err := s.r.QueryRow("SELECT count(*) FROM results WHERE started AND started_at IS NOT NULL AND address = '10.0.0.1:22'").
			Scan(&marked); err != nil || marked != len(p.Targets) {
			t.Errorf("got %d marks, %v, want %d", marked, err, len(p.Targets))
		}
		handle(t, r, fanout.Event{Kind: fanout.RunFinished, Summary: &fanout.Summary{}})
		closeRecorder(t, r)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// While hosts start one after the other all the time, commits rest between each
// other, so that more starts share them; a start that comes alone never waits.
func TestStartsGatherForCommits(t *testing.T) {
	path := tempPath(t)
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, path)
		p := testPlan(numbered(200)...)
		r := begin(t, s, p, store.RunInfo{})
		commits := 0
		s.beforeCommit = func() {
			commits++
			time.Sleep(2 * time.Millisecond)
		}
		start := func(target fanout.Target) {
			if err := r.Starting(t.Context(), target, 1, ""); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		for _, target := range p.Targets[:50] {
			start(target)
		}
		if got := time.Since(began); got != 100*time.Millisecond || commits != 50 {
			t.Errorf("one by one: got %d commits in %s, want 50 in 100ms", commits, got)
		}
		commits, began = 0, time.Now()
		var wg sync.WaitGroup
		for _, target := range p.Targets[50:] {
			wg.Go(func() { start(target) })
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if most := 1 + int(time.Since(began)/((1+restFactor)*2*time.Millisecond)); commits > most+1 {
			t.Errorf("many: got %d commits in %s, want about %d", commits, time.Since(began), most)
		}
		began = time.Now()
		handle(t, r, fanout.Event{Kind: fanout.RunFinished, Summary: &fanout.Summary{}})
		closeRecorder(t, r)
		if got := time.Since(began); got > 2*time.Millisecond {
			t.Errorf("the end took %s, want no rest before it", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Output that is not recorded hurries no commit, however much it is; that it came is
// on record after the delay.
func TestOutputBeyondLimitHurriesNoCommit(t *testing.T) {
	path := tempPath(t)
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, path)
		p := testPlan("a")
		r := begin(t, s, p, store.RunInfo{RecordLimit: 1000})
		var commits atomic.Int64
		s.beforeCommit = func() { commits.Add(1) }
		piece := make([]byte, maxPending/4)
		for range 100 {
			handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(30), Target: &p.Targets[0], Attempt: 1, Data: piece})
			synctest.Wait()
		}
		if n := commits.Load(); n > 1 {
			t.Errorf("got %d commits for output that is not recorded, want at most 1", n)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		var got int
		if err := s.r.QueryRow("SELECT stdout_bytes FROM results").Scan(&got); err != nil || got != 100*len(piece) {
			t.Errorf("after the delay: got %d bytes, %v, want %d", got, err, 100*len(piece))
		}
		closeRecorder(t, r)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An event that no caller waits for is on disk after the delay, and not before: it
// waits for company.
func TestOutputIsCommittedAfterDelay(t *testing.T) {
	path := tempPath(t)
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, path)
		p := testPlan("a")
		r := begin(t, s, p, store.RunInfo{})
		count := func() (n int) {
			t.Helper()
			if err := s.r.QueryRow("SELECT count(*) FROM output").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		handle(t, r, hostEvents(&p, 0, "hello", 0)[:2]...)
		synctest.Wait()
		if got := count(); got != 0 {
			t.Errorf("at once: got %d rows, want 0", got)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		if got := count(); got != 1 {
			t.Errorf("after the delay: got %d rows, want 1", got)
		}
		big := fanout.Event{Kind: fanout.Output, Time: at(30), Target: &p.Targets[0], Attempt: 1, Data: make([]byte, maxPending)}
		handle(t, r, big)
		synctest.Wait()
		if got := count(); got <= 1 {
			t.Errorf("a full batch: got %d rows, want more than 1 at once", got)
		}
		closeRecorder(t, r)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Handle returns while the disk is stuck, and so does Starting once its
// context ends.
func TestHandleDoesNotWaitForDisk(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a", "b")
	r := begin(t, s, p, store.RunInfo{})
	stuck, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.beforeCommit = func() {
		once.Do(func() { close(entered) })
		<-stuck
	}
	first := make(chan error, 1)
	go func() { first <- r.Starting(t.Context(), p.Targets[0], 1, "") }()
	<-entered
	for range 1000 {
		handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(30), Target: &p.Targets[0], Attempt: 1, Data: []byte("line\n")})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fanout.ErrSignal)
	if err := r.Starting(ctx, p.Targets[1], 1, ""); !errors.Is(err, fanout.ErrSignal) {
		t.Errorf("a canceled wait: got %v, want %v", err, fanout.ErrSignal)
	}
	close(stuck)
	if err := <-first; err != nil {
		t.Error(err)
	}
	closeRecorder(t, r)
	var size int
	if err := s.r.QueryRow("SELECT sum(length(data)) FROM output WHERE codec = 'plain'").Scan(&size); err == nil && size == 5000 {
		t.Error("got 5000 plain bytes, want them compressed in one row")
	}
	if got := output(t, s, r.RunID(), "a"); got != strings.Repeat("line\n", 1000) {
		t.Errorf("got %d bytes, want 5000", len(got))
	}
}

// output is a host's output as Replay sends it.
func output(tb testing.TB, s *Store, run int64, host string) string {
	tb.Helper()
	var b strings.Builder
	for _, e := range replayed(tb, s, run, store.Filter{Hosts: []string{host}}) {
		if e.Kind == fanout.Output {
			b.Write(e.Data)
		}
	}
	return b.String()
}

// The recorder works through fanout.Run, whose budget is given back by commits.
func TestRecorderUnderRun(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan(numbered(50)...)
	r := begin(t, s, p, store.RunInfo{ExitCode: func(s fanout.Summary) int { return s.Counts[fanout.OK] }, Note: "note", User: "me"})
	summary, err := fanout.Run(t.Context(), p, fanout.Options{RunID: r.RunID(), Executor: talker{}, Sink: r, Journal: r})
	if err != nil {
		t.Fatal(err)
	}
	closeRecorder(t, r)
	run, err := s.Run(t.Context(), "last", "me")
	if err != nil {
		t.Fatal(err)
	}
	if run.State != store.Finished || run.ExitCode == nil || *run.ExitCode != 50 || run.Note != "note" {
		t.Errorf("got %+v, want a finished run with exit code 50", run)
	}
	if run.Summary.Counts != summary.Counts || run.Summary.Hosts != 50 {
		t.Errorf("got %+v, want %+v", run.Summary, summary)
	}
	for _, target := range p.Targets {
		if got := output(t, s, run.ID, target.Name); got != strings.Repeat(target.Name, 30_000) {
			t.Errorf("%s: got %d bytes, want its name 30000 times", target.Name, len(got))
		}
	}
}

// A talker is an Executor whose commands say their host's name 30,000 times and exit 0.
type talker struct{}

func (talker) Release(fanout.Target) {}

func (talker) Exec(ctx context.Context, a fanout.Attempt, _ fanout.Task, stdout, stderr io.Writer) fanout.Report {
	if err := a.Starting(ctx, "127.0.0.1:22"); err != nil {
		return fanout.Report{Failure: &fanout.Failure{Op: fanout.OpLocal, Message: err.Error()}}
	}
	piece := slices.Repeat([]byte(a.Target.Name), 1000)
	for range 15 {
		for _, w := range []io.Writer{stdout, stderr} {
			if _, err := w.Write(piece); err != nil {
				return fanout.Report{Started: true, Failure: &fanout.Failure{Op: fanout.OpLocal, Message: err.Error()}}
			}
		}
	}
	return fanout.Report{Exit: &fanout.Exit{}, Started: true, OutputComplete: true}
}

func TestCloseWithoutEndInterrupts(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("done", "started", "waits", "never")
	r := begin(t, s, p, store.RunInfo{})
	handle(t, r, hostEvents(&p, 0, "x", 3)...)
	handle(t, r, hostEvents(&p, 1, "half", 0)[:2]...)
	res := finished(p.Targets[2], 1, 7, 0, 0)
	handle(t, r, hostEvents(&p, 2, "", 0)[0],
		fanout.Event{Kind: fanout.TargetRetrying, Time: at(50), Target: &p.Targets[2], Attempt: 1, Result: res, Delay: time.Second})
	closeRecorder(t, r)
	run, err := s.Run(t.Context(), fmt.Sprint(r.RunID()), "")
	if err != nil {
		t.Fatal(err)
	}
	if run.State != store.Interrupted || run.ExitCode != nil || run.Summary.Ended.IsZero() || run.Summary.RemoteCode != 255 {
		t.Errorf("got %+v, want an interrupted run with an end", run)
	}
	checkOutcomes(t, s, run.ID, "done failed", "started lost", "waits failed", "never skipped")
	if got := output(t, s, run.ID, "started"); got != "half" {
		t.Errorf("got output %q, want %q", got, "half")
	}
	lost := replayed(t, s, run.ID, store.Filter{Outcomes: []fanout.Outcome{fanout.Lost}})
	if ended := lost[len(lost)-1].Summary.Ended; !ended.IsZero() {
		t.Errorf("got the end %v, want none of a run that was cut off", ended)
	}
	f := lost[len(lost)-2].Result.Report.Failure
	if f == nil || f.Op != fanout.OpLocal || f.Remote != fanout.RemoteUnknown || f.Message != lostMessage {
		t.Errorf("got %+v, want a local failure that leaves the remote state unknown", f)
	}
	if err := r.Handle(t.Context(), fanout.Event{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, store.ErrClosed)
	}
	if err := r.Starting(t.Context(), p.Targets[3], 1, ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, store.ErrClosed)
	}
}

// checkOutcomes compares "host outcome" of every host in the plan's order, and
// the counts of the run with them.
func checkOutcomes(tb testing.TB, s *Store, run int64, want ...string) {
	tb.Helper()
	got, err := column[string](tb.Context(), s.r,
		"SELECT host || ' ' || coalesce(outcome, 'NULL') FROM results WHERE run_id = ? ORDER BY position", run)
	if err != nil {
		tb.Fatal(err)
	}
	if !slices.Equal(got, want) {
		tb.Errorf("run %d: got %q, want %q", run, got, want)
	}
	r, err := s.Run(tb.Context(), fmt.Sprint(run), "")
	if err != nil {
		tb.Fatal(err)
	}
	for _, o := range fanout.Outcomes() {
		n := 0
		for _, w := range want {
			if strings.HasSuffix(w, " "+o.String()) {
				n++
			}
		}
		if r.Summary.Counts[o] != n {
			tb.Errorf("run %d: got a count of %d %s, want %d", run, r.Summary.Counts[o], o, n)
		}
	}
}

func TestOutputHash(t *testing.T) {
	s := openTest(t, tempPath(t))
	id := record(t, s, store.RunInfo{RecordLimit: 10}, "same output", "same output", "other output", "", strings.Repeat("x", 100), strings.Repeat("x", 50)+"y"+strings.Repeat("x", 49))
	groups, err := column[string](t.Context(), s.r, `
		SELECT group_concat(substr(host, -1), '') FROM (SELECT * FROM results WHERE run_id = ? ORDER BY host)
		GROUP BY output_hash ORDER BY min(host)`, id)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"01", "2", "3", "4", "5"}; !slices.Equal(groups, want) {
		t.Errorf("got %q, want %q", groups, want)
	}
}

// A host that writes single bytes to its streams in turn must not make a row
// of each.
func TestInterleavingIsBounded(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a")
	r := begin(t, s, p, store.RunInfo{})
	const n = 20_000
	for i := range n {
		handle(t, r, fanout.Event{
			Kind: fanout.Output, Time: at(i), Target: &p.Targets[0], Attempt: 1,
			Stream: fanout.Stream(i % 2), Data: []byte{byte('0' + i/2%10)},
		})
	}
	closeRecorder(t, r)
	var rows int
	if err := s.r.QueryRow("SELECT count(*) FROM output").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	// Each commit may begin a row of either stream.
	if rows < maxInterleaved || rows > maxInterleaved+n/10 {
		t.Errorf("got %d rows, want little more than %d", rows, maxInterleaved)
	}
	var streams [2]strings.Builder
	for _, e := range replayed(t, s, r.RunID(), store.Filter{}) {
		if e.Kind == fanout.Output {
			streams[e.Stream].Write(e.Data)
		}
	}
	for i := range streams {
		if got, want := streams[i].String(), strings.Repeat("0123456789", n/20); got != want {
			t.Errorf("%v: got %d bytes in another order, want %d", fanout.Stream(i), len(got), len(want))
		}
	}
}

// A number whose lock is held by a run of a history that was deleted under it
// is not taken.
func TestBeginPassesLockedNumber(t *testing.T) {
	s := openTest(t, tempPath(t))
	lock, err := s.locks.acquire(1)
	if err != nil || lock == nil {
		t.Fatalf("got %v, %v, want a lock", lock, err)
	}
	r := begin(t, s, testPlan("a"), store.RunInfo{})
	if got := r.RunID(); got != 2 {
		t.Errorf("got run %d, want 2", got)
	}
	closeRecorder(t, r)
	if err := lock.release(); err != nil {
		t.Error(err)
	}
}
