package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
)

// A memory is a ledger and a history in memory. It keeps the contract of Ledger for any
// number of daemons: a map of documents with revisions, and all firings and runs.
type memory struct {
	mu       sync.Mutex // guards all that follows
	jobs     map[int64]*document
	rows     []*memoryRow
	runs     []*memoryRun
	messages []Message
	writes   int // by any caller
	alive    map[int64]bool
	members  int64
	refusal  error // what every call of a member returns; nil: the calls work
	// refusals are what the commits of members return for jobs, by name; that of the
	// empty name is for all of a commit.
	refusals map[string]error
	calls    int // of members
	commits  int // of members, of any number of moves
	// overtaken counts the decisions of which another was faster.
	overtaken int
}

// A document is a job and its open firings.
type document struct {
	revision int
	state    JobState
}

// A memoryRow is a firing, as it was written last.
type memoryRow struct {
	FiringRecord
	begun time.Time
}

// A memoryRun is a run, as the history has it: the fact of its end goes into the
// ledger.
type memoryRun struct {
	Ended
	owner int64
	left  bool // how it ends is not written down
}

func (r *memoryRun) running() bool { return r.State == runRunning }

func newMemory() *memory {
	return &memory{jobs: map[int64]*document{}, alive: map[int64]bool{}}
}

// keep adds a job, or changes it as another process would: the cursor moves to now, and
// nothing is recorded.
func (m *memory) keep(j Job, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if d := m.named(j.Name); d != nil {
		j.Version = d.state.Version + 1
		d.state.Job, d.state.Cursor, d.state.Since, d.state.Ahead = j, now.UTC(), now.UTC(), nil
		d.revision++
		return
	}
	j.Version = 1
	id := int64(len(m.jobs) + 1)
	m.jobs[id] = &document{revision: 1, state: JobState{StoredJob: StoredJob{Job: j, ID: id, Cursor: now.UTC()}, Since: now.UTC()}}
}

func (m *memory) named(name string) *document {
	for _, d := range m.jobs {
		if d.state.Name == name && !d.state.Removed {
			return d
		}
	}
	return nil
}

// change calls f with mu held.
func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	f()
}

// refuse makes every call fail; nil ends that.
func (m *memory) refuse(err error) { m.change(func() { m.refusal = err }) }

// counted is how many calls there were.
func (m *memory) counted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// committed is how many commits there were.
func (m *memory) committed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commits
}

// load reads a document.
func (m *memory) load(id int64) (state JobState, revision int) {
	d := m.jobs[id]
	if d == nil {
		return JobState{StoredJob: StoredJob{ID: id}, Removed: true}, 0
	}
	state = d.state
	state.Open = slices.Clone(d.state.Open)
	return state, d.revision
}

// commit replaces a document that is at the revision, and records the transition.
func (m *memory) commit(revision int, t Transition) error {
	d := m.jobs[t.Next.ID]
	first := len(t.Firings) - t.New
	if d != nil && d.revision != revision && t.New > 0 {
		m.overtaken++
	}
	if d == nil || d.revision != revision || t.New > 0 && t.Firings[first].ID != int64(len(m.rows)+1) {
		return ErrConflict
	}
	for _, f := range t.Firings[first:] {
		if slices.ContainsFunc(m.rows, func(r *memoryRow) bool { return r.JobID == f.JobID && !f.At.IsZero() && r.At.Equal(f.At) }) {
			return ErrKnown
		}
	}
	d.state, d.revision = t.Next, revision+1
	for _, f := range t.Firings {
		if f.ID > int64(len(m.rows)) {
			m.rows = append(m.rows, &memoryRow{})
		}
		m.rows[f.ID-1].FiringRecord = f
	}
	m.messages = append(m.messages, t.Messages...)
	return nil
}

// apply applies a rule to a job.
func (m *memory) apply(id int64, now time.Time, rule Rule) (Transition, error) {
	state, revision := m.load(id)
	t, err := rule(state, Moment{Now: now, NextID: int64(len(m.rows) + 1)})
	if err != nil {
		return Transition{}, err
	}
	return t, m.commit(revision, t)
}

// applyTo is apply, by another process, for the job of that name.
func (m *memory) applyTo(name string, now time.Time, rule func(JobState, Moment) Transition) {
	m.change(func() {
		if d := m.named(name); d != nil {
			_, _ = m.apply(d.state.ID, now, func(s JobState, at Moment) (Transition, error) { return rule(s, at), nil }) // it cannot conflict
		}
	})
}

// ask starts a job manually.
func (m *memory) ask(name, by string) {
	m.applyTo(name, time.Now(), func(s JobState, at Moment) Transition { return s.Request(by, 0, at) })
}

// kill stops the runs of a job.
func (m *memory) kill(name string) { m.request(name, Stop{By: "someone"}) }

// request makes a request to stop the runs of a job.
func (m *memory) request(name string, x Stop) {
	m.applyTo(name, time.Now(), func(s JobState, at Moment) Transition { return s.Kill(x, at) })
}

// remove removes a job.
func (m *memory) remove(name string) {
	m.applyTo(name, time.Now(), func(s JobState, at Moment) Transition { return s.Remove("someone", at) })
}

// begin numbers the run of an assignment, for the daemon that has claimed it.
func (m *memory) begin(by int64, t Assignment, now time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if !m.alive[by] {
		return 0, ErrTaken
	}
	row := m.rows[t.ID-1]
	id := int64(len(m.runs) + 1)
	_, err := m.apply(row.JobID, now, func(s JobState, at Moment) (Transition, error) { return s.Begin(t.ID, id, by, at) })
	if err != nil {
		return 0, err
	}
	row.begun = now
	m.runs = append(m.runs, &memoryRun{owner: by, Ended: Ended{Run: id, State: runRunning, Summary: fanout.Summary{Hosts: 1, Started: now}}})
	return id, nil
}

// end records the end of a run, and then writes the fact into the ledger.
func (m *memory) end(run int64, ok bool, now time.Time) { m.endFor(run, ok, now, fanout.StoppedNone) }

func (m *memory) endFor(run int64, ok bool, now time.Time, why fanout.Stopped) {
	m.change(func() {
		r := m.runs[run-1]
		if !r.running() {
			return // the repair marked it as interrupted
		}
		r.State, r.Summary.Ended, r.Summary.Stopped = runFinished, now, why
		if ok {
			r.Summary.Counts[fanout.OK] = 1
		} else {
			r.Summary.Counts[fanout.Failed] = 1
		}
		id := m.firingOf(run).JobID
		_, _ = m.apply(id, now, func(s JobState, at Moment) (Transition, error) { return s.End(r.Ended, at) }) // or it is known
	})
}

func (m *memory) firingOf(run int64) *memoryRow {
	return m.rows[slices.IndexFunc(m.rows, func(r *memoryRow) bool { return r.Run == run })]
}

// stopBy is who requested to stop a run; empty: no one.
func (m *memory) stopBy(run int64) string {
	if f := m.jobs[m.firingOf(run).JobID].state.firingOf(run); f != nil {
		return f.Stop.By
	}
	return ""
}

// leave ends a run whose end cannot be written.
func (m *memory) leave(run int64) { m.change(func() { m.runs[run-1].left = true }) }

// text returns the firings of a job, a line each: scheduled time, decision, start and
// result.
func (m *memory) text(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.DeleteFunc(slices.Clone(m.rows), func(r *memoryRow) bool { return r.Job != name })
	slices.SortStableFunc(rows, func(a, b *memoryRow) int { return a.first().Compare(b.first()) })
	var lines []string
	for _, r := range rows {
		lines = append(lines, m.line(r))
	}
	return strings.Join(lines, "\n")
}

// first is the scheduled time of a firing, or the first of a gap.
func (r *memoryRow) first() time.Time {
	if r.At.IsZero() {
		return r.Gap.First
	}
	return r.At
}

func (m *memory) line(r *memoryRow) string {
	const clock = "02T15:04:05"
	at := "asked"
	if !r.first().IsZero() {
		at = r.first().UTC().Format(clock)
	}
	line := at + " " + r.Decision.String()
	if r.Gap.Count > 0 {
		line += fmt.Sprintf(" %d until %s", r.Gap.Count, r.Gap.Last.UTC().Format(clock))
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	if r.Run != 0 {
		line += " " + r.begun.UTC().Format(clock) + " " + m.runs[r.Run-1].outcome()
	}
	return line
}

func (r *memoryRun) outcome() string {
	switch {
	case r.running():
		return "running"
	case r.State == runInterrupted:
		return "cut"
	case r.ok():
		return "ok"
	}
	return "not ok"
}

var errDisk = errors.New("disk full")

// TestMemoryComparesAndSwaps: a commit from an earlier revision is refused.
func TestMemoryComparesAndSwaps(t *testing.T) {
	m := newMemory()
	m.keep(NewJob("job", "UTC"), time.Unix(0, 0))
	state, revision := m.load(1)
	at := Moment{Now: time.Unix(60, 0), NextID: 1}
	if err := m.commit(revision, state.Request("ann", 0, at)); err != nil {
		t.Fatal(err)
	}
	if err := m.commit(revision, state.Request("bob", 0, at)); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want %v", err, ErrConflict)
	}
	if got := m.text("job"); got != "asked run" || m.rows[0].RequestedBy != "ann" {
		t.Errorf("got %q by %s, want what ann asked for", got, m.rows[0].RequestedBy)
	}
}
