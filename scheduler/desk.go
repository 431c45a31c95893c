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

// A Desk applies rules to the jobs of a ledger. It caches each job as last read, and
// commits the transition by compare and swap; if another process was faster, it reads
// the job and applies the rule again. A Desk belongs to one goroutine.
type Desk struct {
	ledger States
	jobs   map[int64]*Subject
	// leave reports whether an ended firing is left to another daemon to settle; nil:
	// none is.
	leave func(f *FiringRecord, now time.Time) bool
}

// NewDesk returns a Desk that has read no job yet.
func NewDesk(ledger States) *Desk { return &Desk{ledger: ledger, jobs: map[int64]*Subject{}} }

// A Rule calls a method of JobState with the method's own arguments.
type Rule func(JobState, Moment) (Transition, error)

// maxTries bounds how often a rule is applied because another process was faster. The
// wait before the third try is random up to firstPause, and doubles up to maxPause, so
// that processes in conflict part.
const (
	maxTries   = 20
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// Sync reads the jobs that changed since m's last Sync, and reports whether any did.
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

// ListJobs returns the jobs in the order of their names, as last read.
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

// Apply reads the job of that number, applies a rule to it, and commits the transition.
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

// Decide applies [JobState.Decide] to several jobs in one commit. Assignments and errs
// have the places of the decisions; err is for all of them.
func (d *Desk) Decide(ctx context.Context, now time.Time, all []Decisions) (assignments [][]Assignment, errs []error, err error) {
	xs := make([]*application, len(all))
	for i, what := range all {
		xs[i] = &application{job: what.Job.ID, rule: func(s JobState, at Moment) (Transition, error) { return s.Decide(what, at) }}
	}
	if err := d.apply(ctx, now, xs); err != nil {
		return nil, nil, err
	}
	assignments, errs = make([][]Assignment, len(all)), make([]error, len(all))
	for i, x := range xs {
		assignments[i], errs[i] = x.follows.Assignments, x.err
	}
	return assignments, errs, nil
}

// Claim claims for the member the firings that may start now, in the order of their
// numbers; see [JobState.Claim], and [Claimant] for has.
func (d *Desk) Claim(ctx context.Context, m Membership, now time.Time, has func(firing int64) bool) ([]Assignment, error) {
	by := Claimant{ID: m.Fence(), Has: has}
	jobs, owners := d.claimableJobs(&by)
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
	// An owner that is not registered now is gone. A process that is not in owners may
	// have joined since, and counts as alive.
	by.Alive = func(daemon int64) bool { return !owners[daemon] }
	xs, err := d.applyTo(ctx, now, jobs, func(s JobState, at Moment) (Transition, error) { return s.Claim(by, at), nil })
	var assignments []Assignment
	for _, x := range xs {
		assignments = append(assignments, x.follows.Assignments...)
	}
	slices.SortFunc(assignments, func(a, b Assignment) int { return cmp.Compare(a.ID, b.ID) })
	return assignments, err
}

// claimableJobs returns the jobs with firings that the claimant might claim, and the
// other processes that own some of those.
func (d *Desk) claimableJobs(by *Claimant) (jobs []int64, owners map[int64]bool) {
	owners = map[int64]bool{}
	for id, s := range d.jobs {
		if s.State.Damaged() {
			continue
		}
		some := false
		for i := range s.State.Open {
			f := &s.State.Open[i]
			if !f.Unstarted() || f.Daemon == by.ID && by.Has(f.ID) {
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

// Fail closes a firing that the member has claimed and not started; see
// [JobState.Fail].
func (d *Desk) Fail(ctx context.Context, m Membership, now time.Time, t Assignment, decision Decision, reason string) error {
	_, err := d.Apply(ctx, t.Job.ID, now, func(s JobState, at Moment) (Transition, error) {
		return s.Fail(t.ID, m.Fence(), decision, reason, at)
	})
	return err
}

// Running returns, in order, the runs whose end the ledger does not have.
func (d *Desk) Running() (runs []int64) {
	for _, s := range d.jobs {
		runs = append(runs, s.State.Running()...)
	}
	slices.Sort(runs)
	return runs
}

// Stopped returns the requests to stop running runs, by their numbers.
func (d *Desk) Stopped() map[int64]Stop {
	stopped := map[int64]Stop{}
	for _, s := range d.jobs {
		for i := range s.State.Open {
			if f := &s.State.Open[i]; f.running() && f.Stop.By != "" {
				stopped[f.Run] = f.Stop
			}
		}
	}
	return stopped
}

// End records the ends of runs that the ledger does not have yet; see [JobState.End].
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

// Settle settles the firings that have ended, and returns the completions in the order
// in which they ended; see [JobState.Settle].
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
			if f := &s.State.Open[place]; d.leave == nil || !d.leave(f, now) {
				ends = append(ends, end{id, f})
			}
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
	var completions []Completion
	for _, x := range xs {
		completions = append(completions, x.follows.Completions...)
	}
	slices.SortStableFunc(completions, func(a, b Completion) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	return completions, err
}

// applyTo applies a rule to each of the jobs. It returns the applications that were
// committed also if others failed.
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

// failure joins the errors of applications, each with its job. A conflict is none: the
// next turn finds again what there is to do.
func (d *Desk) failure(xs []*application) error {
	var errs []error
	for _, x := range xs {
		if x.err != nil && !errors.Is(x.err, ErrConflict) {
			errs = append(errs, fmt.Errorf("%s: %w", d.nameOf(x.job), x.err))
		}
	}
	return errors.Join(errs...)
}

// nameOf returns a job as errors name it.
func (d *Desk) nameOf(job int64) string {
	if s := d.jobs[job]; s != nil && s.State.Name != "" {
		return "job " + s.State.Name
	}
	return fmt.Sprintf("job number %d", job)
}

// An application is a rule for one job, with its transition or error.
type application struct {
	job     int64
	rule    Rule
	follows Transition
	err     error
	// known are scheduled times that turned out to have firings.
	known []Span
}

// apply applies the rules, each to another job, until each is committed or has an error
// of its own: [ErrConflict] comes from the rule alone, [ErrBusy] means that another
// process was faster each time. After an error of apply itself it is unknown whether
// the remaining ones were committed.
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

// Retry calls do, which reads and writes, until its error is not [ErrConflict], with
// growing pauses. The error is [ErrBusy] after the last try.
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

// pauseAfter waits a random time before the next try, longer after each, or until ctx
// ends, whose cause is the error. After the first try it does not wait.
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

// moved caches a job as a committed move left it.
func (d *Desk) moved(m *Move, rev Revision) {
	if next := &m.Next; next.Removed && len(next.Open) == 0 {
		delete(d.jobs, next.ID)
		return
	}
	d.jobs[m.Next.ID] = &Subject{Rev: rev, State: m.Next}
}

// reload reads the jobs of the applications again.
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

// learn notes that scheduled times of a move have firings already: an earlier schedule
// of the job made them, and the clock was set back. The ledger's state does not say so,
// and it stays true whatever happens to the job.
func (x *application) learn(m *Move) {
	for _, f := range m.Firings {
		if !f.At.IsZero() {
			x.known = append(x.known, Span{From: f.At.Add(-1), To: f.At})
		}
	}
}

// moves applies the rules, and numbers the new firings. A rule that fails or changes
// nothing makes no move.
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

// rule applies the rules. New firings are numbered from first on; fresh counts them.
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
