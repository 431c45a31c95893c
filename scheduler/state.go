package scheduler

import (
	"slices"
	"time"

	"tutti/fanout"
)

// A JobState is a job and what its firings have come to: its cursor, consecutive
// failures and alarm, which are in StoredJob, and its open firings. Its methods are
// the rules of what happens to firings. They are pure: time, numbers and who is
// alive are arguments, nothing is read or written, the state itself does not
// change, and what follows is returned as a [Transition], which a [Ledger] commits
// if the state is still the one that the rule was applied to.
type JobState struct {
	// StoredJob is the job as it is stored.
	StoredJob
	// Removed: the job is gone. Only its name and ID are known then.
	Removed bool
	// Since is where the row of instants begins that are decided without a gap up
	// to the cursor. Ahead are further ones that are decided, because the clock was
	// put back behind them.
	Since time.Time
	Ahead []Span
	// Open are the firings that are not settled, by their numbers.
	Open []FiringRecord
}

// A Span is the time after From up to To.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (s Span) contains(at time.Time) bool { return at.After(s.From) && !at.After(s.To) }

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
	// RepeatsAt is the instant of that run; zero if it had none.
	RepeatsAt time.Time
	// Daemon is the registration of the process that may begin it; 0: the next
	// that claims it. Attached: that process waits for it at a terminal, and does
	// nothing else.
	Daemon   int64
	Attached bool
	// Stop is the request to stop its run; zero: there is none.
	Stop Stop
	// Unproved: of a run that it replaces it is not known whether the command has
	// ended on each host.
	Unproved bool
	// Ended is how its run ended; nil: it has not, or there is none.
	Ended *Ended
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

// Ended is how a run ended: a fact that the process that carried it out writes into
// the ledger, or, if that is gone, whoever repairs the history. Nothing of it is
// looked up when the firing is settled.
type Ended struct {
	Run int64 `json:"run"`
	// State is finished or interrupted; empty: the history has no such run any
	// more, and how it ended cannot be known.
	State string `json:"state"`
	// Selector and Command are those that it was run with.
	Selector string `json:"selector,omitempty"`
	Command  string `json:"command,omitempty"`
	// ExitCode is nil if none is known.
	ExitCode *int           `json:"exit_code,omitempty"`
	Summary  fanout.Summary `json:"summary"`
	// Unproved: on some host it is not known whether the command has ended.
	Unproved bool `json:"unproved,omitempty"`
	// HostsFailed are the first hosts that are not ok, as many as a message names.
	HostsFailed []MessageHost `json:"hosts_failed,omitempty"`
}

// Known reports whether it is known how the run ended.
func (e *Ended) Known() bool { return e.State != "" }

func (e *Ended) interrupted() bool { return e.State == runInterrupted }

// ok reports whether all hosts are ok.
func (e *Ended) ok() bool {
	return e.State == runFinished && e.Summary.Counts[fanout.OK] == e.Summary.Hosts
}

// running reports whether the run of the firing has not ended, as far as the
// ledger knows.
func (f *FiringRecord) running() bool { return f.Settled.IsZero() && f.Run != 0 && f.Ended == nil }

// ended reports whether the firing has come to its end, and is not settled.
func (f *FiringRecord) ended() bool {
	return f.Settled.IsZero() && (f.Decision.failed() || f.Run != 0 && f.Ended != nil)
}

// A Stop asks for the end of a run. Who asked first is kept.
type Stop struct {
	Run int64
	// By is who wants that, and At when it was asked.
	By string
	At time.Time
	// ReplacedBy is the firing that waits for the end; 0: none does. ReplacedAt
	// is its instant, or when it was decided.
	ReplacedBy int64
	ReplacedAt time.Time
}

// A Moment is when a rule is applied.
type Moment struct {
	Now time.Time
	// NextID is the number of the next new firing; those after it are free too.
	NextID int64
}

// A Transition is what follows from a rule.
type Transition struct {
	// At is when the rule was applied.
	At time.Time
	// Next is the state afterwards.
	Next JobState
	// Firings are those that are new or have changed, by their numbers, as they
	// are now. Those that are settled are not among Next.Open.
	Firings []FiringRecord
	// Stops are the runs that are to be stopped.
	Stops []Stop
	// Messages are to be sent to the receivers that the job names. What the
	// ledger adds is ID and Machine.
	Messages []Message
	// Tickets are the firings that were decided or claimed, and Endings those that
	// were settled, for the caller to go on with.
	Assignments []Assignment
	Completions []Completion
	// New is how many of the firings, the last of them, are new.
	New int
}

// A ruling is a transition in the making.
type ruling struct {
	Transition
	at      Moment
	changed map[int64]bool
}

// rule begins a transition from the state, which it does not change.
func (s JobState) rule(at Moment) *ruling {
	s.Open, s.Ahead = slices.Clone(s.Open), slices.Clone(s.Ahead)
	return &ruling{Transition: Transition{At: at.Now, Next: s}, at: at, changed: map[int64]bool{}}
}

// empty reports whether nothing follows for a state that was before.
func (t *Transition) empty(before *JobState) bool {
	was, is := &before.StoredJob, &t.Next.StoredJob
	return len(t.Firings)+len(t.Stops)+len(t.Messages) == 0 && was.Version == is.Version && before.Removed == t.Next.Removed &&
		was.Cursor.Equal(is.Cursor) && was.ConsecutiveFailures == is.ConsecutiveFailures && was.Alarm == is.Alarm
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
	r.New++
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
	if !decision.failed() {
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

// stop asks for the end of the runs that are running: of run, or of all if that is
// 0. by is the firing that waits for it; nil: none does.
func (r *ruling) stop(run int64, who string, by *FiringRecord) {
	for i := range r.Next.Open {
		f := &r.Next.Open[i]
		if !f.running() || run != 0 && f.Run != run {
			continue
		}
		x := Stop{Run: f.Run, By: who, At: r.at.Now}
		if by != nil {
			x.ReplacedBy, x.ReplacedAt = by.ID, by.At
			if by.At.IsZero() {
				x.ReplacedAt = by.Decided
			}
		}
		r.Stops = append(r.Stops, x)
		if f.Stop.By != "" {
			x.By, x.At = f.Stop.By, f.Stop.At
			if by == nil {
				x.ReplacedBy, x.ReplacedAt = f.Stop.ReplacedBy, f.Stop.ReplacedAt
			}
		}
		f.Stop = x
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

// firingOf is the open firing of a run, nil if there is none.
func (s *JobState) firingOf(run int64) *FiringRecord {
	for i := range s.Open {
		if f := &s.Open[i]; f.Run == run && f.Settled.IsZero() {
			return f
		}
	}
	return nil
}

// Running are the runs of the open firings that have not ended, as far as the
// ledger knows.
func (s *JobState) Running() (runs []int64) {
	for i := range s.Open {
		if f := &s.Open[i]; f.running() {
			runs = append(runs, f.Run)
		}
	}
	return runs
}

// An activity is how many firings of a job are under way: busy are those that
// run or are to be run, begun are those of them that run, and waiting those that
// are queued.
type activity struct{ busy, begun, waiting int }

func (s *JobState) activity() (a activity) {
	for i := range s.Open {
		f := &s.Open[i]
		switch {
		case !f.Settled.IsZero():
		case f.running():
			a.begun++
			a.busy++
		case f.Run == 0 && f.Decision == Run:
			a.busy++
		case f.Decision == Queued:
			a.waiting++
		}
	}
	return a
}

// ticket is the firing as a daemon sees it; a repetition has the instant of the
// run that it repeats.
func (s *JobState) ticket(f *FiringRecord) Assignment {
	t := Assignment{
		ID: f.ID, Job: s.StoredJob, Decision: f.Decision, Reason: f.Reason,
		RequestedBy: f.RequestedBy, Repeats: f.Repeats, Waited: f.Waited,
	}
	if f.RequestedBy != "" {
		return t
	}
	t.Firing = Firing{ScheduledTime: ScheduledTime{At: f.instant(), Moved: f.Moved}, Due: f.Due}
	if zone, err := LoadZone(s.Zone); err == nil && !t.Firing.At.IsZero() {
		t.Firing.At = t.Firing.At.In(zone) // a job without a zone has UTC
	}
	return t
}

// instant is that of a firing, and of a repetition the one that is repeated; zero
// if there is none.
func (f *FiringRecord) instant() time.Time {
	if f.At.IsZero() {
		return f.RepeatsAt
	}
	return f.At
}

// Assignment is the assignment of a firing of the job, whatever became of it.
func (s *JobState) Assignment(f FiringRecord) Assignment { return s.ticket(&f) }
