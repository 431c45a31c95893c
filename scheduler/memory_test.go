package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tutti/fanout"
)

// A memory is a history that is gone with its process. It keeps the contract of
// Jobs for any number of daemons.
type memory struct {
	mu      sync.Mutex // guards all that follows
	jobs    map[int64]*Kept
	rows    []*memoryRow
	live    []*memoryRow     // those of rows that are neither closed nor told
	instant map[instant]bool // those that are decided
	runs    int64
	writes  int // by anybody
	alive   map[*desk]bool
	refusal error // what every call of Jobs returns; nil: what it should
	calls   int   // of Jobs
}

// An instant is that of a job.
type instant struct {
	job int64
	at  int64
}

// A memoryRow is a firing.
type memoryRow struct {
	Ticket
	job     int64
	gap     Gap // of missed ones
	owner   *desk
	run     int64
	kill    bool
	begun   time.Time
	ended   time.Time
	ok      bool
	cut     bool
	left    bool // nobody writes down how it ends
	settled bool
}

func newMemory() *memory {
	return &memory{jobs: map[int64]*Kept{}, alive: map[*desk]bool{}, instant: map[instant]bool{}}
}

// keep adds a job, or changes it as somebody at another terminal would: the
// cursor is moved to now, and nothing is recorded.
func (m *memory) keep(j Job, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	for _, k := range m.jobs {
		if k.Name == j.Name {
			j.Version = k.Version + 1
			k.Job, k.Cursor = j, now.UTC()
			return
		}
	}
	j.Version = 1
	id := int64(len(m.jobs) + 1)
	m.jobs[id] = &Kept{Job: j, ID: id, Cursor: now.UTC()}
}

// change changes what is kept.
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

// ask has a job run out of turn.
func (m *memory) ask(name, by string) {
	m.change(func() {
		for _, k := range m.jobs {
			if k.Name == name {
				m.add(&memoryRow{Ticket: Ticket{Job: *k, RequestedBy: by}, job: k.ID})
			}
		}
	})
}

func (m *memory) add(r *memoryRow) *memoryRow {
	r.ID = int64(len(m.rows) + 1)
	m.rows = append(m.rows, r)
	if r.Decision == Run || r.Decision == Queued {
		m.live = append(m.live, r)
	}
	return r
}

// begin gives the run of a ticket its number.
func (m *memory) begin(t Ticket, now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	m.runs++
	r := m.rows[t.ID-1]
	r.run, r.begun = m.runs, now
	return m.runs
}

// end records the end of a run.
func (m *memory) end(run int64, ok bool, now time.Time) {
	m.change(func() {
		for _, r := range m.live {
			if r.run == run {
				r.ended, r.ok = now, ok
			}
		}
	})
}

// leave is a run that came to its end, and the end could not be written down.
func (m *memory) leave(run int64) {
	m.change(func() {
		for _, r := range m.live {
			r.left = r.left || r.run == run
		}
	})
}

// kill is somebody's wish that what runs of a job ends.
func (m *memory) kill(name string) {
	m.change(func() {
		for _, r := range m.live {
			r.kill = r.kill || r.Job.Name == name && r.running()
		}
	})
}

// running reports whether the firing keeps others from running.
func (r *memoryRow) running() bool { return r.Decision == Run && r.ended.IsZero() }

// text is the firings of a job, a line each: when, what became of it, when it
// began and how it ended.
func (m *memory) text(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.DeleteFunc(slices.Clone(m.rows), func(r *memoryRow) bool { return r.Job.Name != name })
	slices.SortStableFunc(rows, func(a, b *memoryRow) int { return a.Firing.At.Compare(b.Firing.At) })
	var lines []string
	for _, r := range rows {
		lines = append(lines, r.text())
	}
	return strings.Join(lines, "\n")
}

func (r *memoryRow) text() string {
	const clock = "02T15:04:05"
	at := "asked"
	if !r.Firing.At.IsZero() {
		at = r.Firing.At.UTC().Format(clock)
	}
	line := at + " " + r.Decision.String()
	if r.gap.Count > 0 {
		line += fmt.Sprintf(" %d until %s", r.gap.Count, r.gap.Last.UTC().Format(clock))
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	if r.run != 0 {
		line += " " + r.begun.UTC().Format(clock) + " " + r.outcome()
	}
	return line
}

func (r *memoryRow) outcome() string {
	switch {
	case r.ended.IsZero():
		return "running"
	case r.cut:
		return "cut"
	case r.ok:
		return "ok"
	}
	return "not ok"
}

// A desk is what one daemon has of a memory.
type desk struct {
	*memory
	seen int
}

var _ Jobs = (*desk)(nil)

// join is a new daemon's desk.
func (m *memory) join() *desk {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &desk{memory: m, seen: -1}
	m.alive[d] = true
	return d
}

// die is the end of the daemon's process.
func (d *desk) die() { d.change(func() { delete(d.alive, d) }) }

// enter begins a transaction, which leave ends.
func (d *desk) enter() error {
	d.mu.Lock()
	d.calls++
	return d.refusal
}

func (d *desk) leave(wrote bool) {
	if wrote {
		d.writes++
		d.seen = max(d.seen+1, 0)
	}
	d.mu.Unlock()
}

func (d *desk) Changed(context.Context) (bool, error) {
	err := d.enter()
	defer d.leave(false)
	if err != nil {
		return false, err
	}
	changed := d.seen != d.writes
	d.seen = d.writes
	return changed, nil
}

func (d *desk) Kept(context.Context) ([]Kept, error) {
	err := d.enter()
	defer d.leave(false)
	var all []Kept
	for _, k := range d.jobs {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

func (d *desk) Decide(_ context.Context, x Decisions) ([]Ticket, error) {
	err := d.enter()
	defer d.leave(err == nil)
	if err != nil {
		return nil, err
	}
	k := d.jobs[x.Job.ID]
	if k == nil || k.Version != x.Job.Version || !k.Cursor.Equal(x.Job.Cursor) {
		return nil, ErrConflict
	}
	if g := x.Missed; g.Count > 0 {
		d.add(&memoryRow{
			Ticket: Ticket{Job: *k, Firing: Firing{Instant: Instant{At: g.First}}, Decision: Missed, Reason: x.MissedReason},
			job:    k.ID, gap: g, settled: true,
		})
	}
	var tickets []Ticket
	for i, f := range slices.Concat(x.CaughtUp, x.Firings) {
		if key := (instant{k.ID, f.At.Unix()}); !d.instant[key] {
			d.instant[key] = true
			tickets = append(tickets, d.decide(*k, f, i < len(x.CaughtUp)))
		}
	}
	k.Cursor = x.Cursor
	if x.Alarm != "" {
		k.Alarm = x.Alarm
	}
	return tickets, nil
}

func (d *desk) decide(k Kept, f Firing, caughtUp bool) Ticket {
	running, waiting := d.count(k.ID)
	judge := k.Overlap.Decide
	if caughtUp {
		judge = k.Overlap.CatchUp
	}
	v := judge(running, waiting, k.MaxRunning)
	if v.End {
		for _, r := range d.live {
			r.kill = r.kill || r.job == k.ID && r.running()
		}
	}
	return d.add(&memoryRow{Ticket: Ticket{Job: k, Firing: f, Decision: v.Decision, Reason: v.Reason}, job: k.ID}).Ticket
}

func (d *desk) count(job int64) (running, waiting int) {
	for _, r := range d.live {
		if r.job == job && r.running() {
			running++
		}
		if r.job == job && r.Decision == Queued {
			waiting++
		}
	}
	return running, waiting
}

func (d *desk) Claim(context.Context, time.Time) ([]Ticket, error) {
	err := d.enter()
	defer d.leave(err == nil)
	if err != nil {
		return nil, err
	}
	var tickets []Ticket
	for _, r := range d.live {
		if running, _ := d.count(r.job); r.Decision == Queued && r.Job.Overlap.Room(running, r.Job.MaxRunning) {
			r.Decision, r.Reason, r.Waited = Run, "", true
		}
		if r.running() && r.run == 0 && !d.alive[r.owner] {
			r.owner = d
			tickets = append(tickets, r.Ticket)
		}
	}
	return tickets, nil
}

func (d *desk) Fail(_ context.Context, t Ticket, decision Decision, reason string) error {
	err := d.enter()
	defer d.leave(err == nil)
	if err != nil {
		return err
	}
	r := d.rows[t.ID-1]
	if r.owner != d || r.run != 0 || !r.running() {
		return ErrConflict
	}
	r.Decision, r.Reason = decision, reason
	return nil
}

func (d *desk) Settle(context.Context, time.Time) ([]Ending, error) {
	err := d.enter()
	defer d.leave(err == nil)
	if err != nil {
		return nil, err
	}
	var endings []Ending
	for _, r := range d.live {
		if r.settled || r.ended.IsZero() && r.Decision != Failed {
			continue
		}
		r.settled = true
		k := d.jobs[r.job]
		if r.ok {
			k.Streak, _, _ = k.Notify.Succeeded(k.Streak)
		} else {
			k.Streak, _, _ = k.Notify.Failed(k.Streak)
		}
		endings = append(endings, Ending{Ticket: r.Ticket, Run: r.run, OK: r.ok, Interrupted: r.cut, Streak: k.Streak, Summary: fanout.Summary{Hosts: 1}})
	}
	d.live = slices.DeleteFunc(d.live, func(r *memoryRow) bool {
		return r.settled || r.Decision != Run && r.Decision != Queued
	})
	return endings, nil
}

func (d *desk) Repair(context.Context) error {
	err := d.enter()
	defer d.leave(err == nil)
	if err != nil {
		return err
	}
	for _, r := range d.live {
		if r.run != 0 && r.ended.IsZero() && (r.left || !d.alive[r.owner]) {
			r.ended, r.cut = time.Now(), true
		}
	}
	return nil
}

func (d *desk) Killed(_ context.Context, runs []int64) ([]int64, error) {
	err := d.enter()
	defer d.leave(false)
	if err != nil {
		return nil, err
	}
	var killed []int64
	for _, r := range d.live {
		if r.kill && slices.Contains(runs, r.run) {
			killed = append(killed, r.run)
		}
	}
	return killed, nil
}

var errDisk = errors.New("disk full")
