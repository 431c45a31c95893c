package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A Desk is where a process applies the rules to the jobs of a ledger: it has them
// as they were when it looked last, and commits what follows. Another process may be faster;
// then the rule is applied again to what has become of the job. A Desk belongs to one
// goroutine.
type Desk struct {
	ledger States
	jobs   map[int64]*Subject
}

// NewDesk is one that has not looked yet.
func NewDesk(ledger States) *Desk { return &Desk{ledger: ledger, jobs: map[int64]*Subject{}} }

// A Rule is a method of JobState, with its arguments.
type Rule func(JobState, Moment) (Transition, error)

// maxTries is how often a rule is applied again because another process was faster,
// and firstPause and maxPause are about how long that waits after the second try and at
// most, so that those who are in each other's way part.
const (
	maxTries   = 20
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// Sync looks what has changed for a member, and reports whether anything has.
func (d *Desk) Sync(ctx context.Context, m Membership) (bool, error) {
	changes, err := m.Sync(ctx)
	if err != nil {
		return false, err
	}
	d.take(changes.Subjects)
	for _, id := range changes.Gone {
		delete(d.jobs, id)
	}
	return len(changes.Subjects)+len(changes.Gone) > 0, nil
}

func (d *Desk) take(subjects []Subject) {
	for _, s := range subjects {
		if s.Rev == 0 {
			delete(d.jobs, s.State.ID)
			continue
		}
		d.jobs[s.State.ID] = &s
	}
}

// ListJobs are the jobs, by name.
func (d *Desk) ListJobs() []StoredJob {
	var all []StoredJob
	for _, s := range d.jobs {
		if !s.State.Removed {
			all = append(all, s.State.StoredJob)
		}
	}
	slices.SortFunc(all, func(a, b StoredJob) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Apply applies a rule to the job of that number as it is now.
func (d *Desk) Apply(ctx context.Context, job int64, now time.Time, rule Rule) (Transition, error) {
	subjects, err := d.ledger.Load(ctx, []int64{job})
	if err != nil {
		return Transition{}, err
	}
	d.take(subjects)
	x := &application{job: job, rule: rule}
	if err := d.apply(ctx, now, []*application{x}); err != nil {
		return Transition{}, err
	}
	return x.follows, x.err
}

// Decide writes down what becomes of instants of several jobs, see
// [JobState.Decide]. The tickets and the errors are in the places of the decisions;
// err is for all of them.
func (d *Desk) Decide(ctx context.Context, now time.Time, all []Decisions) (tickets [][]Assignment, errs []error, err error) {
	xs := make([]*application, len(all))
	for i, what := range all {
		xs[i] = &application{job: what.Job.ID, rule: func(s JobState, at Moment) (Transition, error) { return s.Decide(what, at) }}
	}
	if err := d.apply(ctx, now, xs); err != nil {
		return nil, nil, err
	}
	tickets, errs = make([][]Assignment, len(all)), make([]error, len(all))
	for i, x := range xs {
		tickets[i], errs[i] = x.follows.Assignments, x.err
	}
	return tickets, errs, nil
}

// Claim gives the member the firings that may begin now, in the order of their
// numbers; see [JobState.Claim]. has reports of which it knows that they are its
// own.
func (d *Desk) Claim(ctx context.Context, m Membership, now time.Time, has func(firing int64) bool) ([]Assignment, error) {
	by := Claimant{ID: m.Fence(), Has: has}
	jobs, owners := d.unbegun(&by)
	if len(jobs) == 0 {
		return nil, nil
	}
	if len(owners) > 0 {
		controllers, err := m.Controllers(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range controllers {
			delete(owners, c.ID)
		}
	}
	// Who was an owner before that and is not registered is gone. Of others nothing is
	// known: they may have come meanwhile.
	by.Alive = func(daemon int64) bool { return !owners[daemon] }
	xs, err := d.applyTo(ctx, now, jobs, func(s JobState, at Moment) (Transition, error) { return s.Claim(by, at), nil })
	var tickets []Assignment
	for _, x := range xs {
		tickets = append(tickets, x.follows.Assignments...)
	}
	slices.SortFunc(tickets, func(a, b Assignment) int { return cmp.Compare(a.ID, b.ID) })
	return tickets, err
}

// unbegun are the jobs with firings that might be claimed, and owners are the other
// processes to which some of those belong.
func (d *Desk) unbegun(by *Claimant) (jobs []int64, owners map[int64]bool) {
	owners = map[int64]bool{}
	for id, s := range d.jobs {
		if s.State.Damaged() {
			continue
		}
		some := false
		for i := range s.State.Open {
			f := &s.State.Open[i]
			if !f.Unbegun() || f.Daemon == by.ID && by.Has(f.ID) {
				continue
			}
			some = true
			if f.Daemon != 0 && f.Daemon != by.ID {
				owners[f.Daemon] = true
			}
		}
		if some {
			jobs = append(jobs, id)
		}
	}
	slices.Sort(jobs)
	return jobs, owners
}

// Fail closes a firing that the member has claimed and did not begin; see
// [JobState.Fail].
func (d *Desk) Fail(ctx context.Context, m Membership, now time.Time, t Assignment, decision Decision, reason string) error {
	_, err := d.Apply(ctx, t.Job.ID, now, func(s JobState, at Moment) (Transition, error) {
		return s.Fail(t.ID, m.Fence(), decision, reason, at)
	})
	return err
}

// Running are the runs of open firings that have not ended, as far as the ledger
// knows, in their order.
func (d *Desk) Running() (runs []int64) {
	for _, s := range d.jobs {
		runs = append(runs, s.State.Running()...)
	}
	slices.Sort(runs)
	return runs
}

// Stopped reports for which of the running runs there is a request to stop it.
func (d *Desk) Stopped() map[int64]bool {
	stopped := map[int64]bool{}
	for _, s := range d.jobs {
		for i := range s.State.Open {
			if f := &s.State.Open[i]; f.running() && f.Stop.By != "" {
				stopped[f.Run] = true
			}
		}
	}
	return stopped
}

// End takes down how runs ended, as far as that is not known; see [JobState.End].
func (d *Desk) End(ctx context.Context, now time.Time, ends []Ended) error {
	for _, e := range ends {
		for id, s := range d.jobs {
			if s.State.firingOf(e.Run) == nil {
				continue
			}
			_, err := d.applyTo(ctx, now, []int64{id}, func(s JobState, at Moment) (Transition, error) { return s.End(e, at) })
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// Settle settles the firings that have ended, in the order in which they did; see
// [JobState.Settle].
func (d *Desk) Settle(ctx context.Context, now time.Time) ([]Completion, error) {
	type end struct {
		job int64
		f   *FiringRecord
	}
	var ends []end
	for id, s := range d.jobs {
		if s.State.Damaged() {
			continue
		}
		for _, place := range s.State.ended() {
			ends = append(ends, end{id, &s.State.Open[place]})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return compareEnds(a.f, b.f) })
	place := map[int64]int{}
	var jobs []int64
	for i, e := range ends {
		place[e.f.ID] = i
		if !slices.Contains(jobs, e.job) {
			jobs = append(jobs, e.job)
		}
	}
	xs, err := d.applyTo(ctx, now, jobs, func(s JobState, at Moment) (Transition, error) { return s.Settle(at), nil })
	var endings []Completion
	for _, x := range xs {
		endings = append(endings, x.follows.Completions...)
	}
	slices.SortStableFunc(endings, func(a, b Completion) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	return endings, err
}

// applyTo applies a rule to each of the jobs. Those in which something follows are
// returned also if something was wrong with others.
func (d *Desk) applyTo(ctx context.Context, now time.Time, jobs []int64, rule Rule) ([]*application, error) {
	xs := make([]*application, len(jobs))
	for i, id := range jobs {
		xs[i] = &application{job: id, rule: rule}
	}
	if err := d.apply(ctx, now, xs); err != nil {
		return nil, err
	}
	return xs, d.failure(xs)
}

// failure is what was wrong with applications, and with which job. That a rule does not
// apply any more is nothing: what there is to do is found again.
func (d *Desk) failure(xs []*application) error {
	var errs []error
	for _, x := range xs {
		if x.err != nil && !errors.Is(x.err, ErrConflict) {
			errs = append(errs, fmt.Errorf("%s: %w", d.nameOf(x.job), x.err))
		}
	}
	return errors.Join(errs...)
}

// nameOf is a job as an error names it.
func (d *Desk) nameOf(job int64) string {
	if s := d.jobs[job]; s != nil && s.State.Name != "" {
		return "job " + s.State.Name
	}
	return fmt.Sprintf("job number %d", job)
}

// An application is a rule that is applied to a job, and what follows.
type application struct {
	job     int64
	rule    Rule
	follows Transition
	err     error
	// known are instants of which it was learned that they have firings.
	known []Span
}

// apply applies the rules, each to another job, until all are committed or refused.
// One is refused with [ErrConflict] by its rule alone, and with [ErrBusy] if another
// process was faster each time. The error is for those of which that is not known.
func (d *Desk) apply(ctx context.Context, now time.Time, xs []*application) error {
	for try := 1; len(xs) > 0; try++ {
		moves, made, err := d.moves(ctx, now, xs)
		if err != nil || len(moves) == 0 {
			return err
		}
		committed, err := d.ledger.Commit(ctx, moves)
		if err != nil {
			return err
		}
		xs = nil
		lost := false
		for i, c := range committed {
			x := made[i]
			known, conflict := errors.Is(c.Err, ErrKnown), errors.Is(c.Err, ErrConflict)
			switch {
			case c.Err == nil:
				d.moved(&moves[i], c.Rev)
				continue
			case !known && !conflict:
				x.err, x.follows = c.Err, Transition{}
				continue
			case try == maxTries:
				x.err, x.follows = ErrBusy, Transition{}
				continue
			case known:
				x.learn(&moves[i])
			default:
				lost = true
			}
			xs = append(xs, x)
		}
		if lost {
			if err := pauseAfter(ctx, try); err != nil {
				return err
			}
		}
		if err := d.reload(ctx, xs); err != nil {
			return err
		}
	}
	return nil
}

// Retry does again what is refused with [ErrConflict] because of what was read before, a
// little later each time; it is [ErrBusy] if that is so all the time.
func Retry(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if try == maxTries {
			return ErrBusy
		}
		if err := pauseAfter(ctx, try); err != nil {
			return err
		}
	}
}

// pauseAfter waits before the next try, for a time that is as random as it may be long,
// and grows; or until ctx ends, which is the error. After the
// first there is no wait: to lose once is nothing.
func pauseAfter(ctx context.Context, try int) error {
	if try == 1 {
		return context.Cause(ctx)
	}
	longest := min(firstPause<<(try-2), maxPause)
	timer := time.NewTimer(rand.N(longest) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// moved takes in what a move has made of a job.
func (d *Desk) moved(m *Move, rev Revision) {
	if next := &m.Next; next.Removed && len(next.Open) == 0 {
		delete(d.jobs, next.ID)
		return
	}
	d.jobs[m.Next.ID] = &Subject{Rev: rev, State: m.Next}
}

// reload reads the jobs of applications again.
func (d *Desk) reload(ctx context.Context, xs []*application) error {
	if len(xs) == 0 {
		return nil
	}
	jobs := make([]int64, len(xs))
	for i, x := range xs {
		jobs[i] = x.job
	}
	subjects, err := d.ledger.Load(ctx, jobs)
	if err != nil {
		return err
	}
	d.take(subjects)
	return nil
}

// learn takes down that instants of a move have firings already: those of a schedule
// that the job had before, after the clock was put back. That is in no ledger, and true
// of whatever becomes of the job.
func (x *application) learn(m *Move) {
	for _, f := range m.Firings {
		if !f.At.IsZero() {
			x.known = append(x.known, Span{From: f.At.Add(-1), To: f.At})
		}
	}
}

// moves applies the rules, and numbers the firings that are new. Of a rule that is
// refused, or from which nothing follows, there is no move.
func (d *Desk) moves(ctx context.Context, now time.Time, xs []*application) (moves []Move, made []*application, err error) {
	moves, made, fresh := d.rule(now, xs, 1)
	if fresh == 0 {
		return moves, made, nil
	}
	first, err := d.ledger.Numbers(ctx, fresh)
	if err != nil {
		return nil, nil, err
	}
	if first > 1 {
		moves, made, _ = d.rule(now, xs, first)
	}
	return moves, made, nil
}

// rule applies the rules; new firings get the numbers from first on, and fresh is how
// many there are.
func (d *Desk) rule(now time.Time, xs []*application, first int64) (moves []Move, made []*application, fresh int) {
	at := Moment{Now: now, NextID: first}
	for _, x := range xs {
		s := d.jobs[x.job]
		if s == nil {
			s = &Subject{State: JobState{StoredJob: StoredJob{ID: x.job}, Removed: true}}
		}
		state := s.State
		if x.known != nil {
			state.Ahead = append(slices.Clone(state.Ahead), x.known...)
		}
		if x.follows, x.err = x.rule(state, at); x.err != nil || x.follows.empty(&state) {
			continue
		}
		moves, made = append(moves, Move{From: s.Rev, Transition: x.follows}), append(made, x)
		at.NextID += int64(x.follows.New)
		fresh += x.follows.New
	}
	return moves, made, fresh
}
