package scheduler

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// A rig is a daemon on a memory, and a clock that can be set forward and back. It lives
// in a synctest bubble, whose time starts at midnight, 1 January 2000.
type rig struct {
	*memory
	daemon Daemon
	member *member
	log    *buffer
	seen   *sights
	// takes is how long a run of a job takes; a minute if it is not named.
	takes map[string]time.Duration
	// stubborn is how long a run goes on after it was stopped or halted.
	stubborn time.Duration
	offset   time.Duration
	stop     context.CancelCauseFunc
	over     chan struct{} // closed when the daemon has ended
	err      error         // what it returned
}

// newRig returns a rig whose daemon is not started.
func newRig() *rig { return another(newMemory()) }

// another is another daemon on a memory.
func another(m *memory) *rig {
	r := &rig{memory: m, member: m.join(), log: &buffer{}, seen: &sights{}, takes: map[string]time.Duration{}}
	r.daemon = Daemon{
		Member: r.member, Ends: r.member.Ends, Execute: r.execute, StopTimeout: time.Minute, Observer: r.seen, Now: r.now,
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.offset)
}

// put sets the clock forward, or back.
func (r *rig) put(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset += by
}

// execute is a run that takes its time.
func (r *rig) execute(ctx context.Context, by Membership, t Assignment, halt <-chan struct{}, begun func(int64)) error {
	run, err := r.begin(by.Fence(), t, r.now())
	if err != nil {
		return err
	}
	begun(run)
	took, named := r.takes[t.Job.Name]
	if !named {
		took = time.Minute
	}
	select {
	case <-time.After(took):
		r.end(run, true, r.now())
	case <-halt: // the running command goes on
		select {
		case <-time.After(r.stubborn):
			r.endFor(run, false, r.now(), fanout.StoppedKill)
		case <-ctx.Done():
			r.end(run, false, r.now())
			return context.Cause(ctx)
		}
	case <-ctx.Done():
		time.Sleep(r.stubborn)
		r.end(run, false, r.now())
		return context.Cause(ctx)
	}
	return nil
}

// begun is the run of an assignment of the daemon.
func (r *rig) begun(by Membership, t Assignment) int64 {
	run, err := r.begin(by.Fence(), t, r.now())
	if err != nil {
		panic(err)
	}
	return run
}

// add keeps a job that fires at the given times.
func (r *rig) add(name, schedule string, change ...func(*Job)) {
	j := NewJob(name, "UTC")
	j.Schedules, j.Seconds = []string{schedule}, strings.Count(schedule, " ") == 5
	for _, f := range change {
		f(&j)
	}
	r.keep(j, r.now())
}

func (r *rig) start(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	r.stop, r.over = stop, make(chan struct{})
	go func() {
		defer close(r.over)
		r.err = r.daemon.Run(ctx)
	}()
	t.Cleanup(func() {
		stop(nil)
		<-r.over
	})
}

// finish stops the daemon and waits for it.
func (r *rig) finish(t *testing.T) {
	t.Helper()
	r.stop(fanout.ErrSignal)
	if <-r.over; r.err != nil {
		t.Errorf("run: %v", r.err)
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantRows compares what became of a job's firings.
func (r *rig) wantRows(t *testing.T, job, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if got := r.text(job); got != strings.Join(lines, "\n") {
		t.Errorf("job %s: got\n%s\nwant\n%s", job, got, strings.Join(lines, "\n"))
	}
}

// wantLog looks for lines of the log that hold text.
func (r *rig) wantLog(t *testing.T, count int, text string) {
	t.Helper()
	if got := strings.Count(r.log.String(), text); got != count {
		t.Errorf("got %d times %q in the log, want %d:\n%s", got, text, count, r.log)
	}
}

// A buffer may be written to by many.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// sights records the calls of an Observer.
type sights struct {
	mu    sync.Mutex // guards what follows
	lines []string
	beats int
	last  time.Time
	gap   time.Duration // the longest between two beats
	lag   time.Duration // the longest
	// failed counts the turns with trouble, by what could not be done.
	failed map[string]int
}

var _ Observer = (*sights)(nil)

func (s *sights) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *sights) Decided(job string, d Decision, reason string, count int) {
	s.say("decided %s %s %q %d", job, d, reason, count)
}

func (s *sights) Started(t Assignment, run int64, lag time.Duration) {
	s.say("begun %s %d", t.Job.Name, run)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = max(s.lag, lag)
}

func (s *sights) Ended(e Completion) {
	s.say("ended %s %d ok=%t cut=%t failures=%d", e.Job.Name, e.Run, e.OK, e.Interrupted, e.ConsecutiveFailures.Count)
}

func (s *sights) Beat(time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() {
		s.gap = max(s.gap, time.Since(s.last))
	}
	s.beats, s.last = s.beats+1, time.Now()
}

func (s *sights) Turned(trouble map[string]error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = map[string]int{}
	}
	for doing := range trouble {
		s.failed[doing]++
	}
}

// want compares the recorded calls.
func (s *sights) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.lines, "\n"), strings.Join(want, "\n"))
	}
}
