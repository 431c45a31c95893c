package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tutti/api"
	"tutti/api/event"
	"tutti/scheduler"
	"tutti/store"
)

// A State is the state of a job, in a word.
type State string

// The states.
const (
	OK      State = "ok"
	Failing State = "failing" // its last run failed
	Broken  State = "broken"  // it cannot be read, or its last firing could not be started and it was not changed since
	Running State = "running" // a run of it is running
	Paused  State = "paused"
	Over    State = "over" // its schedule has ended
)

// States returns all states, in the order for display.
func States() []State { return []State{OK, Failing, Running, Paused, Over, Broken} }

// A View is a job with its state, firings and runs.
type View struct {
	scheduler.StoredJob
	State State
	// Wrong is why the job is broken; empty unless State is Broken.
	Wrong string
	// Next is its next firing; zero for a paused job, and if none follows.
	Next scheduler.Firing
	// Last is its newest firing, and Ran its newest that ran; nil: none.
	Last, Ran *store.FiringRow
	// Running are the numbers of its running runs, in order.
	Running []int64
	// Cost is the space that its runs use in the history.
	Cost store.JobCost
}

// List returns all jobs, by name; none, if there is no history.
func (s *Service) List(ctx context.Context) ([]View, error) {
	stored, err := s.all(ctx)
	if err != nil || len(stored) == 0 {
		return nil, err
	}
	return s.views(ctx, stored)
}

// views returns the views of jobs, whose consecutive failures it updates.
func (s *Service) views(ctx context.Context, stored []scheduler.StoredJob) ([]View, error) {
	if err := s.Store.CountEnded(ctx, stored); err != nil {
		return nil, err
	}
	costs, err := s.Store.JobCosts(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(stored))
	for i, k := range stored {
		views[i] = View{StoredJob: k, Cost: costs[k.ID]}
		if err := s.look(ctx, &views[i]); err != nil {
			return nil, err
		}
	}
	return views, nil
}

// look sets the firings, the running runs and the state of a view.
func (s *Service) look(ctx context.Context, v *View) error {
	last, err := s.Store.Firings(ctx, store.FiringQuery{Job: v.Name, Limit: 1})
	if err != nil {
		return err
	}
	if len(last) > 0 && last[0].JobID == v.ID {
		v.Last = &last[0]
	}
	began, err := s.Store.Firings(ctx, store.FiringQuery{
		Job: v.Name, Decisions: []scheduler.Decision{scheduler.Run}, Limit: max(v.MaxRunning, scheduler.DefaultMaxRunning),
	})
	if err != nil {
		return err
	}
	for i := range began {
		f := &began[i]
		if f.JobID != v.ID {
			continue
		}
		if v.Ran == nil {
			v.Ran = f
		}
		if f.Run != nil && f.Run.State == store.Running {
			v.Running = append(v.Running, f.RunID)
		}
	}
	slices.Sort(v.Running)
	mended, err := s.mended(ctx, v)
	v.find(s.Now(), mended)
	return err
}

// mended reports whether the job was changed since its last firing could not be started,
// by more than being paused or resumed.
func (s *Service) mended(ctx context.Context, v *View) (bool, error) {
	if !v.lastUnstarted() || !v.UpdatedAt.After(v.Last.DecidedAt) {
		return false, nil
	}
	changes, err := s.Store.JobChanges(ctx, v.Name)
	if err != nil {
		return false, err
	}
	for i := range changes { // newest first
		c := &changes[i]
		if c.JobID != v.ID || c.At.After(v.Last.DecidedAt) || c.Job == nil {
			continue
		}
		was := *c.Job
		was.Paused = v.Paused
		lines, err := Diff(&was, &v.Job)
		return len(lines) > 0, err
	}
	return true, nil // what it was then is not known any more
}

// lastUnstarted reports whether the last firing of the job could not be started.
func (v *View) lastUnstarted() bool {
	return v.Last != nil && (v.Last.Decision == scheduler.Failed || v.Last.Decision == scheduler.Refused)
}

// find sets the state of the job, and when it fires next. A job that was mended counts
// as never having failed to start.
func (v *View) find(now time.Time, mended bool) {
	var next []scheduler.Firing
	err := v.Broken
	if err == nil {
		var t *scheduler.Timing
		if t, err = v.Timing(now); err == nil {
			next, err = Coming(t, now, 1)
		}
	}
	if len(next) > 0 && !v.Paused {
		v.Next = next[0]
	}
	switch {
	case err != nil:
		v.State, v.Wrong = Broken, err.Error()
	case len(v.Running) > 0:
		v.State = Running
	case v.Paused:
		v.State = Paused
	case v.lastUnstarted() && !mended:
		v.State, v.Wrong = Broken, v.Last.Reason
	case v.ConsecutiveFailures.Count > 0:
		v.State = Failing
	case len(next) == 0:
		v.State = Over
	default:
		v.State = OK
	}
}

// Seen is v for who sees some of the hosts only: with the failures and the running runs
// that it may see.
func (v View) Seen(failures scheduler.ConsecutiveFailures, running []int64) View {
	v.ConsecutiveFailures, v.Running = failures, running
	if v.State == Broken {
		return v
	}
	switch {
	case len(running) > 0:
		v.State = Running
	case v.Paused:
		v.State = Paused
	case failures.Count > 0:
		v.State = Failing
	case v.Next.At.IsZero():
		v.State = Over
	default:
		v.State = OK
	}
	return v
}

// In reports whether the job is in a state; "" is any. A job whose last run failed is
// Failing also while it runs or is paused.
func (v *View) In(state State) bool {
	return state == "" || state == v.State || state == Failing && v.ConsecutiveFailures.Count > 0
}

// Form returns the JSON form of v.
func (v *View) Form() (api.Job, error) {
	j := api.Job{
		Schema: 1, Type: "job", Job: v.Name, JobID: v.ID, Version: v.Version, State: string(v.State), Broken: v.Wrong, Alarm: v.Alarm, Paused: v.Paused,
		Cursor: event.Time(v.Cursor), Running: append([]int64{}, v.Running...), Failures: v.ConsecutiveFailures.Count, FailingSince: api.TimeOf(v.ConsecutiveFailures.Since),
		PausedBy: v.Pause.By, PausedAt: api.TimeOf(v.Pause.At), PausedUntil: api.TimeOf(v.Pause.Until), PausedNote: v.Pause.Note,
		Runs: v.Cost.Runs, Bytes: v.Cost.Bytes, UpdatedAt: event.Time(v.UpdatedAt), UpdatedBy: v.UpdatedBy,
	}
	if v.Last != nil {
		last := api.NewFiring(v.Last)
		j.Last = &last
	}
	if v.Ran != nil && (v.Last == nil || v.Ran.ID != v.Last.ID) {
		ran := api.NewFiring(v.Ran)
		j.Ran = &ran
	}
	if !v.Next.At.IsZero() {
		j.ScheduledAt, j.DueAt = api.TimeOf(v.Next.At), api.TimeOf(v.Next.Due)
	}
	if v.Broken != nil {
		return j, nil
	}
	if t, err := v.Timing(v.UpdatedAt); err == nil {
		j.Schedule = t.Schedule.Describe()
	}
	var err error
	j.Spec, err = json.Marshal(v.Job)
	return j, err
}

const (
	// ShownNext is how many next firings are shown with a job.
	ShownNext = 3
	// shownFirings is how many past firings are shown with a job.
	shownFirings = 10
)

// Details are a job with its firings and its changes.
type Details struct {
	View
	// NextFirings are its next firings; none of a job that is paused or broken.
	NextFirings []scheduler.Firing
	// Firings are its last firings, newest first.
	Firings []store.FiringRow
	// Changes are its versions that the history has, newest first.
	Changes []store.JobChange
}

// A RemovedError says that the job of that name was removed.
type RemovedError struct {
	Name string
	// Last is the removal, or the job's last change that the history has.
	Last store.JobChange
}

func (e *RemovedError) Error() string {
	return fmt.Sprintf("job %s was %s by %s at %s", e.Name, e.Last.What, e.Last.User, e.Last.At.UTC().Format(time.RFC3339))
}

// Show returns the details of the job of that name. The error is a *RemovedError if
// there was such a job once, else a *store.NoJobError.
func (s *Service) Show(ctx context.Context, name string) (*Details, error) {
	job, err := s.Store.Job(ctx, name)
	if errors.As(err, new(*store.NoJobError)) {
		return nil, removed(ctx, s.Store, name, err)
	}
	if err != nil {
		return nil, err
	}
	views, err := s.views(ctx, []scheduler.StoredJob{job})
	if err != nil {
		return nil, err
	}
	d := &Details{View: views[0]}
	if err := d.findNext(s.Now()); err != nil {
		return nil, err
	}
	firings, err := s.Store.Firings(ctx, store.FiringQuery{Job: name, Limit: shownFirings})
	if err != nil {
		return nil, err
	}
	for _, f := range firings {
		if f.JobID == job.ID {
			d.Firings = append(d.Firings, f)
		}
	}
	changes, err := s.Store.JobChanges(ctx, name)
	for _, c := range changes {
		if c.JobID == job.ID {
			d.Changes = append(d.Changes, c)
		}
	}
	return d, err
}

// removed returns a *RemovedError if there once was a job of that name, else err.
func removed(ctx context.Context, s Definitions, name string, err error) error {
	changes, changesErr := s.JobChanges(ctx, name)
	if changesErr != nil || len(changes) == 0 {
		return err
	}
	return &RemovedError{name, changes[0]}
}

// findNext sets the next firings.
func (d *Details) findNext(now time.Time) error {
	if d.Broken != nil || d.Paused {
		return nil
	}
	t, err := d.Timing(now)
	if err != nil {
		return err
	}
	d.NextFirings, err = Coming(t, now, ShownNext)
	return err
}

// Form returns the JSON form of d.
func (d *Details) Form() (api.JobDetails, error) {
	job, err := d.View.Form()
	j := api.JobDetails{Job: job, Next: []api.Next{}, Changes: []api.Change{}, Firings: []api.Firing{}}
	for _, f := range d.NextFirings {
		j.Next = append(j.Next, api.NewNext(f))
	}
	for _, c := range d.Changes {
		change := api.Change{Version: c.Version, At: event.Time(c.At), User: c.User, What: c.What}
		if c.Job != nil {
			change.Spec = *c.Job
		}
		j.Changes = append(j.Changes, change)
	}
	for i := range d.Firings {
		j.Firings = append(j.Firings, api.NewFiring(&d.Firings[i]))
	}
	return j, err
}

// Log returns the firings of q.Job, which may have been removed, newest first. The
// error is a *store.NoJobError if there never was a job of that name.
func (s *Service) Log(ctx context.Context, q store.FiringQuery) ([]store.FiringRow, error) {
	rows, err := s.Store.Firings(ctx, q)
	if err == nil && len(rows) == 0 {
		_, err = s.Store.JobChanges(ctx, q.Job)
	}
	return rows, err
}

// Changes returns the versions of all jobs that have or had the name, newest first. The
// error is a *store.NoJobError if there never was one.
func (s *Service) Changes(ctx context.Context, name string) ([]store.JobChange, error) {
	return s.Store.JobChanges(ctx, name)
}

// Export returns the jobs of these names, or all: whole can be read, broken cannot.
func (s *Service) Export(ctx context.Context, names []string) (whole []scheduler.Job, broken []scheduler.StoredJob, err error) {
	kept, err := s.Named(ctx, names)
	whole, broken = Whole(kept)
	return whole, broken, err
}

// Whole are the jobs that can be read, and the others.
func Whole(kept []scheduler.StoredJob) (whole []scheduler.Job, broken []scheduler.StoredJob) {
	for _, k := range kept {
		if k.Broken != nil {
			broken = append(broken, k)
			continue
		}
		whole = append(whole, k.Job)
	}
	return whole, broken
}
