package scheduler

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tutti/fanout"
)

// A desk is what one daemon has of a memory.
type desk struct {
	*memory
	id    int64
	seen  int
	now   time.Time
	given map[int64]bool // the firings that it has tickets of
}

var _ Jobs = (*desk)(nil)

// join is a new daemon's desk.
func (m *memory) join() *desk {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.desks++
	d := &desk{memory: m, id: m.desks, seen: -1, given: map[int64]bool{}, now: time.Now()}
	m.alive[d.id] = true
	return d
}

// die is the end of the daemon's process.
func (d *desk) die() { d.change(func() { delete(d.alive, d.id) }) }

func (d *desk) member(id int64) Member { return Member{Alive: d.alive[id], Serves: true} }

// enter begins a transaction, which exit ends.
func (d *desk) enter() error {
	d.mu.Lock()
	d.calls++
	return d.refusal
}

func (d *desk) exit(wrote bool) {
	if wrote {
		d.writes++
		d.seen = max(d.seen+1, 0)
	}
	d.mu.Unlock()
}

func (d *desk) Changed(context.Context) (bool, error) {
	err := d.enter()
	defer d.exit(false)
	if err != nil {
		return false, err
	}
	changed := d.seen != d.writes
	d.seen = d.writes
	return changed, nil
}

func (d *desk) Kept(context.Context) ([]Kept, error) {
	err := d.enter()
	defer d.exit(false)
	var all []Kept
	for _, doc := range d.jobs {
		if !doc.state.Removed {
			all = append(all, doc.state.Kept)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

func (d *desk) Decide(_ context.Context, x Decisions) ([]Ticket, error) {
	err := d.enter()
	defer func() { d.exit(err == nil) }()
	if err != nil {
		return nil, err
	}
	t, err := d.apply(x.Job.ID, d.now, func(s JobState, at Moment) (Transition, error) { return s.Decide(x, d.past(&x), at) })
	return t.Tickets, err
}

// past is what there is already of instants.
func (d *desk) past(x *Decisions) (past Past) {
	known, gaps := map[int64]bool{}, []Gap{}
	for _, r := range d.rows {
		switch {
		case r.JobID != x.Job.ID:
		case !r.Gap.First.IsZero():
			gaps = append(gaps, r.Gap)
			if within(r.Gap.First, x.Missed) && within(r.Gap.Last, x.Missed) {
				past.Missed += r.Gap.Count
			}
		case !r.At.IsZero():
			known[r.At.Unix()] = true
			if within(r.At, x.Missed) {
				past.Missed++
			}
		}
	}
	past.Known = func(at time.Time) bool {
		return known[at.Unix()] || slices.ContainsFunc(gaps, func(g Gap) bool { return within(at, g) })
	}
	return past
}

// open are the jobs with open firings, in the order of the oldest of those.
func (d *desk) open() []int64 {
	var ids []int64
	for id, doc := range d.jobs {
		if len(doc.state.Open) > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int {
		return cmp.Compare(d.jobs[a].state.Open[0].ID, d.jobs[b].state.Open[0].ID)
	})
	return ids
}

// applyAll applies a rule to all jobs with open firings.
func (d *desk) applyAll(now time.Time, rule func(JobState, Moment) Transition) (tickets []Ticket, endings []Ending, err error) {
	err = d.enter()
	defer func() { d.exit(err == nil) }()
	if err != nil {
		return nil, nil, err
	}
	d.now = now
	for _, id := range d.open() {
		t, err := d.apply(id, now, func(s JobState, at Moment) (Transition, error) { return rule(s, at), nil })
		if err != nil {
			return nil, nil, err
		}
		tickets, endings = append(tickets, t.Tickets...), append(endings, t.Endings...)
	}
	return tickets, endings, nil
}

func (d *desk) Claim(_ context.Context, now time.Time) ([]Ticket, error) {
	by := Claimant{ID: d.id, Has: func(id int64) bool { return d.given[id] }, Member: d.member}
	tickets, _, err := d.applyAll(now, func(s JobState, at Moment) Transition { return s.Claim(by, at) })
	for _, t := range tickets {
		d.given[t.ID] = true
	}
	return tickets, err
}

func (d *desk) Fail(_ context.Context, t Ticket, decision Decision, reason string) error {
	err := d.enter()
	defer func() { d.exit(err == nil) }()
	if err != nil {
		return err
	}
	_, err = d.apply(t.Job.ID, d.now, func(s JobState, at Moment) (Transition, error) {
		return s.Fail(t.ID, d.id, decision, reason, at)
	})
	return err
}

func (d *desk) Settle(_ context.Context, now time.Time) ([]Ending, error) {
	_, endings, err := d.applyAll(now, func(s JobState, at Moment) Transition { return s.Settle(d.member, at) })
	return endings, err
}

func (d *desk) Repair(context.Context) error {
	err := d.enter()
	defer func() { d.exit(err == nil) }()
	if err != nil {
		return err
	}
	for _, r := range d.runs {
		if r.running() && (r.left || !d.alive[r.owner]) {
			r.State, r.Summary.Ended, r.Summary.Counts[fanout.Lost] = runInterrupted, time.Now(), 1
			r.Unproved = r.ReplacedBy != 0
		}
	}
	return nil
}

func (d *desk) Killed(_ context.Context, runs []int64) ([]int64, error) {
	err := d.enter()
	defer d.exit(false)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(runs), func(id int64) bool { return d.runs[id-1].KillBy == "" }), nil
}
