package scheduler

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"tutti/fanout"
)

// A member is a daemon's registration with a memory, and the daemon's desk.
type member struct {
	*memory
	desk *Desk
	id   int64
	seen map[int64]int // the revisions that Sync has returned
	now  time.Time
	// given are the firings of its assignments.
	given map[int64]bool
	// lost is closed when others have ended the registration.
	lost chan struct{}
}

var _ Membership = (*member)(nil)

// join is a new daemon.
func (m *memory) join() *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members++
	d := &member{memory: m, id: m.members, seen: map[int64]int{}, given: map[int64]bool{}, now: time.Now(), lost: make(chan struct{})}
	d.desk = NewDesk(d)
	m.alive[d.id] = true
	return d
}

// die is the end of the daemon's process.
func (d *member) die() { d.change(func() { delete(d.alive, d.id) }) }

// evict ends the registration of a daemon whose process is alive.
func (d *member) evict() {
	d.change(func() {
		delete(d.alive, d.id)
		close(d.lost)
	})
}

// evicted reports whether evict was called.
func (d *member) evicted() bool {
	select {
	case <-d.lost:
		return true
	default:
		return false
	}
}

// locked is a call of a member.
func (d *member) locked(do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls++; d.refusal != nil {
		return d.refusal
	}
	return do()
}

func (d *member) Fence() int64          { return d.id }
func (d *member) Lost() <-chan struct{} { return d.lost }
func (d *member) Wake() <-chan struct{} { return nil }

func (d *member) subject(id int64) Subject {
	state, revision := d.load(id)
	return Subject{Rev: Revision(revision), State: state}
}

func (d *member) Sync(context.Context) (c Changes, err error) {
	return c, d.locked(func() error {
		if d.evicted() {
			return ErrFenced
		}
		for _, id := range slices.Sorted(maps.Keys(d.jobs)) {
			if rev := d.jobs[id].revision; d.seen[id] != rev {
				d.seen[id] = rev
				c.Subjects = append(c.Subjects, d.subject(id))
			}
		}
		return nil
	})
}

func (d *member) Find(_ context.Context, name string) (found []Subject, err error) {
	return found, d.locked(func() error {
		for id, doc := range d.jobs {
			if doc.state.Name == name {
				found = append(found, d.subject(id))
			}
		}
		return nil
	})
}

func (d *member) Load(_ context.Context, jobs []int64) (loaded []Subject, err error) {
	return loaded, d.locked(func() error {
		for _, id := range jobs {
			loaded = append(loaded, d.subject(id))
		}
		return nil
	})
}

func (d *member) Commit(_ context.Context, moves []Move) (done []Committed, err error) {
	return done, d.locked(func() error {
		d.writes++
		d.commits++
		if err := d.refusals[""]; err != nil {
			return err
		}
		for _, m := range moves {
			if err := d.refusals[m.Next.Name]; err != nil {
				done = append(done, Committed{Err: err})
				continue
			}
			c := Committed{Rev: m.From + 1, Err: ErrFenced}
			if !d.evicted() {
				c.Err = d.commit(int(m.From), m.Transition)
			}
			done = append(done, c)
		}
		return nil
	})
}

func (d *member) Numbers(context.Context, int) (first int64, err error) {
	return first, d.locked(func() error {
		first = int64(len(d.rows) + 1)
		return nil
	})
}

func (d *member) Controllers(context.Context) (all []Controller, err error) {
	return all, d.locked(func() error {
		for id := range d.alive {
			all = append(all, Controller{ID: id, Serves: true})
		}
		return nil
	})
}

// What no test of the loop needs.

func (d *member) Stops(context.Context, []int64) ([]Stop, error)       { return nil, nil }
func (d *member) Mark(context.Context, Claim, []int) error             { return nil }
func (d *member) Marks(context.Context, int64) ([]int, error)          { return nil, nil }
func (d *member) Leave(context.Context) error                          { return nil }
func (d *member) Release(context.Context, []Delivery, time.Time) error { return nil }
func (d *member) Lease(context.Context, time.Time, time.Time, int) ([]Delivery, error) {
	return nil, nil
}

func (d *member) Delivered(context.Context, Delivery, time.Time, error, time.Time) error { return nil }

// Ends marks what was cut off, and says how runs ended.
func (d *member) Ends(_ context.Context, runs []int64) (ends []Ended, err error) {
	return ends, d.locked(func() error {
		for _, r := range d.runs {
			if r.running() && (r.left || !d.alive[r.owner]) {
				r.State, r.Summary.Ended, r.Summary.Counts[fanout.Lost], r.Unproved = runInterrupted, time.Now(), 1, true
			}
		}
		for _, id := range runs {
			if r := d.runs[id-1]; !r.running() {
				ends = append(ends, r.Ended)
			}
		}
		return nil
	})
}

// What follows is one step of the loop each.

func (d *member) Kept(ctx context.Context) ([]StoredJob, error) {
	_, err := d.desk.Sync(ctx, d)
	return d.desk.ListJobs(), err
}

func (d *member) Decide(ctx context.Context, x Decisions) ([]Assignment, error) {
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	assignments, errs, err := d.desk.Decide(ctx, d.now, []Decisions{x})
	if err != nil {
		return nil, err
	}
	return assignments[0], errs[0]
}

func (d *member) Claim(ctx context.Context, now time.Time) ([]Assignment, error) {
	d.now = now
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	assignments, err := d.desk.Claim(ctx, d, now, func(id int64) bool { return d.given[id] })
	for _, t := range assignments {
		d.given[t.ID] = true
	}
	return assignments, err
}

func (d *member) Fail(ctx context.Context, t Assignment, decision Decision, reason string) error {
	return d.desk.Fail(ctx, d, d.now, t, decision, reason)
}

func (d *member) Settle(ctx context.Context, now time.Time) ([]Completion, error) {
	d.now = now
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return nil, err
	}
	return d.desk.Settle(ctx, now)
}

func (d *member) Repair(ctx context.Context) error {
	if _, err := d.desk.Sync(ctx, d); err != nil {
		return err
	}
	ends, err := d.Ends(ctx, d.desk.Running())
	return cmp.Or(err, d.desk.End(ctx, d.now, ends))
}
