package scheduler

import (
	"slices"
	"time"

	"tutti/fanout"
)

// A JobState is a job and what its firings have come to: its cursor, consecutive
// failures and alarm, which are in Kept, and its open firings. Its methods are
// the rules of what happens to firings. They are pure: time, numbers and who is
// alive are arguments, nothing is read or written, the state itself does not
// change, and what follows is returned as a [Transition] for the caller to write
// down.
//
// The state has to be read, and what follows written, as a whole: in one
// transaction, or by compare and swap.
type JobState struct {
	// Kept is the job as it is stored.
	Kept
	// Removed: the job is gone. Only its name and ID are known then.
	Removed bool
	// Open are the firings that are not settled, by their numbers.
	Open []FiringRecord
	// Runs are those that the open firings have begun, repeat, or replace. One
	// that is missing was deleted from the history.
	Runs []JobRun
}

// A FiringRecord is what became of a firing: of an instant, of a job that was run
// manually, of a repetition, or of a row of instants that were missed.
type FiringRecord struct {
	ID, JobID int64
	// Job is the job's name.
	Job string
	// At is the instant; zero for a firing that is not of one. Due is when it has
	// to begin, and Moved says why it is at another local time than the schedule
	// names.
	At, Due time.Time
	Moved   string
	// Decision is what becomes of it, and Reason says why it is not run, or not
	// yet; of a run that has ended, who stopped it.
	Decision Decision
	Reason   string
	// Run is the number of its run; 0: it has not begun.
	Run int64
	// Gap is of instants that were missed; without a First it is none.
	Gap Gap
	// Decided is when it was written down first.
	Decided time.Time
	// RequestedBy is who started it manually; empty: it came by itself.
	RequestedBy string
	// Waited: it was queued at first.
	Waited bool
	// CaughtUp: it was late, and waits for those before it.
	CaughtUp bool
	// Repeats is the run whose hosts without a known end it repeats; 0: none.
	Repeats int64
	// Daemon is the number of the process that may begin it; 0: the next that
	// claims it.
	Daemon int64
	// Settled is when its end was counted and its messages were written; zero:
	// it is open.
	Settled time.Time
}

// Unbegun reports whether the firing may still be begun.
func (f *FiringRecord) Unbegun() bool {
	return f.Settled.IsZero() && f.Run == 0 && (f.Decision == Run || f.Decision == Queued)
}

// The states of a run, in the words of the history.
const (
	runRunning     = "running"
	runFinished    = "finished"
	runInterrupted = "interrupted"
)

// A JobRun is what the rules have to know of a run of a job.
type JobRun struct {
	ID int64
	// Job is the name that the job had, and At the instant of its firing.
	Job string
	At  time.Time
	// State is running, finished or interrupted.
	State             string
	Selector, Command string
	// ExitCode is nil if none was recorded.
	ExitCode *int
	// KillBy is who asked for it to be stopped; empty: nobody.
	KillBy string
	// ReplacedBy is the number of the firing that waits for its end; 0: none.
	// ReplacedAt is that firing's instant, or when it was decided; zero if the
	// history does not have it any more.
	ReplacedBy int64
	ReplacedAt time.Time
	// Unproved: on some host nobody knows whether the command has ended. It is
	// known of a run that was replaced and has ended.
	Unproved bool
	Summary  fanout.Summary
}

func (r *JobRun) running() bool { return r.State == runRunning }

// ok reports whether all hosts are ok.
func (r *JobRun) ok() bool {
	return r.State == runFinished && r.Summary.Counts[fanout.OK] == r.Summary.Hosts
}

// A Stop asks for the end of a run. What was asked before stays.
type Stop struct {
	Run int64
	// By is who wants that, and At when it was asked.
	By string
	At time.Time
	// ReplacedBy is the firing that waits for the end; 0: none does.
	ReplacedBy int64
}

// A Member is what is known of a process that carries out firings. The zero value
// is for one that is gone, and of which nothing is known.
type Member struct {
	Alive bool
	// Serves: it is a daemon, and no process that carries out what it asked for
	// itself.
	Serves bool
}

// A Moment is when a rule is applied.
type Moment struct {
	Now time.Time
	// NextID is the number of the next new firing; those after it are free too.
	NextID int64
}

// A Transition is what follows from a rule.
type Transition struct {
	// Next is the state afterwards.
	Next JobState
	// Firings are those that are new or have changed, by their numbers, as they
	// are now. Those that are settled are not among Next.Open.
	Firings []FiringRecord
	// Stops are the runs that are to be stopped.
	Stops []Stop
	// Messages are to be sent to the receivers that the job names. What the
	// sender adds is ID, Machine and the hosts of a run.
	Messages []Message
	// Tickets are the firings that were decided or claimed, and Endings those that
	// were settled, for the caller to go on with.
	Tickets []Ticket
	Endings []Ending
}

// A ruling is a transition in the making.
type ruling struct {
	Transition
	at      Moment
	changed map[int64]bool
}

// rule begins a transition from the state, which it does not change.
func (s JobState) rule(at Moment) *ruling {
	s.Open, s.Runs = slices.Clone(s.Open), slices.Clone(s.Runs)
	return &ruling{Transition: Transition{Next: s}, at: at, changed: map[int64]bool{}}
}

// done ends it.
func (r *ruling) done() Transition {
	open := r.Next.Open[:0]
	for _, f := range r.Next.Open {
		if r.changed[f.ID] {
			r.Firings = append(r.Firings, f)
		}
		if f.Settled.IsZero() {
			open = append(open, f)
		}
	}
	r.Next.Open = open
	return r.Transition
}

// add gives a new firing of the job its number, and returns its place in Open.
func (r *ruling) add(f FiringRecord) int {
	f.ID, f.JobID, f.Job, f.Decided = r.at.NextID, r.Next.ID, r.Next.Name, r.at.Now
	r.at.NextID++
	f.Waited = f.Decision == Queued
	if f.Decision == Skipped || f.Decision == Missed {
		f.Settled = r.at.Now
	}
	r.Next.Open = append(r.Next.Open, f)
	r.changed[f.ID] = true
	return len(r.Next.Open) - 1
}

// close makes the firing one that is not begun. One that failed has still to be
// settled.
func (r *ruling) close(f *FiringRecord, decision Decision, reason string) {
	f.Decision, f.Reason = decision, reason
	if decision != Failed {
		f.Settled = r.at.Now
	}
	r.changed[f.ID] = true
	if decision == Missed {
		r.notifyMissed(f)
	}
}

// closeUnbegun closes what has not begun; the process that was about to begin it
// finds it closed.
func (r *ruling) closeUnbegun(reason string) {
	for i := range r.Next.Open {
		if f := &r.Next.Open[i]; f.Unbegun() {
			r.close(f, Skipped, reason)
		}
	}
}

// stop asks for the end of the runs that are running.
func (r *ruling) stop(by string, replacedBy int64) {
	for _, f := range r.Next.Open {
		run := r.Next.run(f.Run)
		if run == nil || !run.running() || !f.Settled.IsZero() {
			continue
		}
		if run.KillBy == "" {
			run.KillBy = by
		}
		if replacedBy != 0 {
			run.ReplacedBy = replacedBy
		}
		r.Stops = append(r.Stops, Stop{Run: run.ID, By: by, At: r.at.Now, ReplacedBy: replacedBy})
	}
}

// open is the open firing of that number, nil if there is none.
func (s *JobState) open(id int64) *FiringRecord {
	for i := range s.Open {
		if f := &s.Open[i]; f.ID == id && f.Settled.IsZero() {
			return f
		}
	}
	return nil
}

// run is the run of that number, nil if it is not known.
func (s *JobState) run(id int64) *JobRun {
	for i := range s.Runs {
		if id != 0 && s.Runs[i].ID == id {
			return &s.Runs[i]
		}
	}
	return nil
}

// An activity is how many firings of a job are under way: busy are those that
// run or are to be run, begun are those of them that run, and waiting those that
// are queued.
type activity struct{ busy, begun, waiting int }

func (s *JobState) activity() (a activity) {
	for i := range s.Open {
		f := &s.Open[i]
		if !f.Settled.IsZero() {
			continue
		}
		run := s.run(f.Run)
		switch {
		case run != nil && run.running():
			a.begun++
			a.busy++
		case f.Run == 0 && f.Decision == Run:
			a.busy++
		}
		if f.Decision == Queued {
			a.waiting++
		}
	}
	return a
}

// ticket is the firing as a daemon sees it; a repetition has the instant of the
// run that it repeats.
func (s *JobState) ticket(f *FiringRecord) Ticket {
	t := Ticket{
		ID: f.ID, Job: s.Kept, Decision: f.Decision, Reason: f.Reason,
		RequestedBy: f.RequestedBy, Repeats: f.Repeats, Waited: f.Waited,
	}
	if f.RequestedBy != "" {
		return t
	}
	t.Firing = Firing{Instant: Instant{At: s.instant(f), Moved: f.Moved}, Due: f.Due}
	if zone, err := LoadZone(s.Zone); err == nil && !t.Firing.At.IsZero() {
		t.Firing.At = t.Firing.At.In(zone) // a job without a zone has UTC
	}
	return t
}

// instant is that of a firing, and of a repetition the one that is repeated; zero
// if there is none.
func (s *JobState) instant(f *FiringRecord) time.Time {
	if run := s.run(f.Repeats); f.At.IsZero() && run != nil {
		return run.At
	}
	return f.At
}

// Ticket is the ticket of a firing of the job, whatever became of it.
func (s *JobState) Ticket(f FiringRecord) Ticket { return s.ticket(&f) }
