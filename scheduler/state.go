package scheduler

import (
	"slices"
	"time"

	"tutti/fanout"
)

// A JobState is a job with its scheduling state, which is in StoredJob, and its open
// firings. Its methods are the rules. They are pure: time, numbers and live processes
// are arguments, nothing is read or written, and the state itself does not change. A
// rule returns a [Transition], which a [Ledger] commits if the state is still the one
// that the rule was applied to.
type JobState struct {
	StoredJob
	// Removed: the job was removed. Only its name and ID are known then.
	Removed bool
	// Since is where the span ending at Cursor begins in which every scheduled time is
	// decided. Ahead are further such spans: the clock was set back behind them.
	Since time.Time
	Ahead []Span
	// Open are the firings that are not settled, in the order of their numbers.
	Open []FiringRecord
}

// A Span is the time after From up to To.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (s Span) contains(at time.Time) bool { return at.After(s.From) && !at.After(s.To) }

// A FiringRecord is the stored form of a firing: of a scheduled time, of a manual
// start, of a repetition, or of a gap of missed scheduled times.
type FiringRecord struct {
	ID, JobID int64
	// Job is the job's name.
	Job string
	// At is the scheduled time; zero for a firing that has none. Due is when it has to
	// start. Shifted is why At is another local time than the schedule names; empty: it
	// is not.
	At, Due time.Time
	Shifted string
	// Decision says whether it runs. Reason is why it does not, or not yet; of a run
	// that has ended, who stopped it.
	Decision Decision
	Reason   string
	// Run is the number of its run; 0: it has not started.
	Run int64
	// Gap is the gap of missed scheduled times; its First is zero for other firings.
	Gap Gap
	// Decided is when the firing was recorded first.
	Decided time.Time
	// RequestedBy is the user who started it manually; empty: the schedule did.
	RequestedBy string
	// Waited: it was queued at first.
	Waited bool
	// CaughtUp: it was late, and waits for those before it.
	CaughtUp bool
	// Repeats is the interrupted run that it repeats on hosts whose result is unknown;
	// 0: none.
	Repeats int64
	// RepeatsAt is the scheduled time of that run; zero if it had none.
	RepeatsAt time.Time
	// Daemon is the registration of the process that may start it; 0: the next one that
	// claims it. Attached: that process is no daemon and exists for this firing alone.
	Daemon   int64
	Attached bool
	// Stop is the request to stop its run; zero: there is none.
	Stop Stop
	// Unproved: it is unknown whether the command of a run that it replaces has stopped
	// on every host.
	Unproved bool
	// Ended is how its run ended; nil: it is running, or there is none.
	Ended *Ended
	// Settled is when the firing was closed: its result counted and its messages
	// written; zero: it is open.
	Settled time.Time
}

// Unstarted reports whether the firing may still be started.
func (f *FiringRecord) Unstarted() bool {
	return f.Settled.IsZero() && f.Run == 0 && (f.Decision == Run || f.Decision == Queued)
}

// The states of a run, in the words of the history.
const (
	runRunning     = "running"
	runFinished    = "finished"
	runInterrupted = "interrupted"
)

// Ended is how a run ended. The process of the run writes it into the ledger; if that
// process died, the daemon that repairs the history does. It has all that settling the
// firing needs.
type Ended struct {
	Run int64 `json:"run"`
	// State is finished or interrupted; empty: the run was deleted from the history, so
	// that its result cannot be known.
	State string `json:"state"`
	// Selector and Command are those that it was run with.
	Selector string `json:"selector,omitempty"`
	Command  string `json:"command,omitempty"`
	// ExitCode is the exit code of the process of the run; nil: it is unknown.
	ExitCode *int           `json:"exit_code,omitempty"`
	Summary  fanout.Summary `json:"summary"`
	// Unproved: on some host it is unknown whether the command has stopped.
	Unproved bool `json:"unproved,omitempty"`
	// HostsFailed are the first hosts that failed, at most [MaxMessageHosts].
	HostsFailed []MessageHost `json:"hosts_failed,omitempty"`
}

// Known reports whether the result of the run is known.
func (e *Ended) Known() bool { return e.State != "" }

func (e *Ended) interrupted() bool { return e.State == runInterrupted }

// ok reports whether all hosts succeeded.
func (e *Ended) ok() bool {
	return e.State == runFinished && e.Summary.Counts[fanout.OK] == e.Summary.Hosts
}

// running reports whether the firing has a run whose end the ledger does not have.
func (f *FiringRecord) running() bool { return f.Settled.IsZero() && f.Run != 0 && f.Ended == nil }

// ended reports whether the firing has ended and is not settled.
func (f *FiringRecord) ended() bool {
	return f.Settled.IsZero() && (f.Decision.failed() || f.Run != 0 && f.Ended != nil)
}

// A Stop is a request to stop a run. A second request leaves By, At and Halt of the first,
// unless it stops the commands of a run that the first only halts; see [Stop.Then].
type Stop struct {
	Run int64
	// By is the user, or the job, that requested the stop, and At when.
	By string
	At time.Time
	// Halt: no more hosts are started, and running commands go on; false: they are stopped.
	Halt bool
	// ReplacedBy is the firing that waits for the stop; 0: none does. ReplacedAt is its
	// scheduled time; if it has none, when it was decided.
	ReplacedBy int64
	ReplacedAt time.Time
}

// Then returns the request that is in force once next was made, too.
func (x Stop) Then(next Stop) Stop {
	if x.By == "" || x.Halt && !next.Halt {
		return next
	}
	next.By, next.At, next.Halt = x.By, x.At, x.Halt
	return next
}

// A Moment is when a rule is applied.
type Moment struct {
	Now time.Time
	// NextID is the number of the next new firing; the numbers after it are free, too.
	NextID int64
}

// A Transition is the result of a rule.
type Transition struct {
	// At is when the rule was applied.
	At time.Time
	// Next is the state afterwards.
	Next JobState
	// Firings are those that are new or have changed, in the order of their numbers.
	// Those that are settled are not in Next.Open.
	Firings []FiringRecord
	// Stops are the requests to stop runs.
	Stops []Stop
	// Messages go to the receivers that the job names. The ledger adds ID and Machine.
	Messages []Message
	// Assignments are the firings that were decided or claimed, and Completions those
	// that were settled, for the caller to go on with.
	Assignments []Assignment
	Completions []Completion
	// New counts the new ones among Firings, which come last.
	New int
}

// A ruling is a transition that a rule builds.
type ruling struct {
	Transition
	at      Moment
	changed map[int64]bool
}

// rule starts a transition from the state, which it does not change.
func (s JobState) rule(at Moment) *ruling {
	s.Open, s.Ahead = slices.Clone(s.Open), slices.Clone(s.Ahead)
	return &ruling{Transition: Transition{At: at.Now, Next: s}, at: at, changed: map[int64]bool{}}
}

// empty reports whether the transition leaves the state before as it was.
func (t *Transition) empty(before *JobState) bool {
	was, is := &before.StoredJob, &t.Next.StoredJob
	return len(t.Firings)+len(t.Stops)+len(t.Messages) == 0 && was.Version == is.Version && before.Removed == t.Next.Removed &&
		was.Cursor.Equal(is.Cursor) && was.ConsecutiveFailures == is.ConsecutiveFailures && was.Alarm == is.Alarm
}

// done returns the finished transition.
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

// add numbers a new firing of the job, and returns its place in Open.
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

// close records that the firing does not run. One that failed has still to be settled.
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

// closeUnstarted closes firings that have not started; a process that is about to start
// one finds it closed.
func (r *ruling) closeUnstarted(reason string) {
	for i := range r.Next.Open {
		if f := &r.Next.Open[i]; f.Unstarted() {
			r.close(f, Skipped, reason)
		}
	}
}

// stop makes the request x of its Run, or of all running runs if that is 0. by is the
// firing that waits for it; nil: none does.
func (r *ruling) stop(x Stop, by *FiringRecord) {
	run := x.Run
	x.At = r.at.Now
	for i := range r.Next.Open {
		f := &r.Next.Open[i]
		if !f.running() || run != 0 && f.Run != run {
			continue
		}
		x.Run = f.Run
		if by != nil {
			x.ReplacedBy, x.ReplacedAt = by.ID, by.At
			if by.At.IsZero() {
				x.ReplacedAt = by.Decided
			}
		}
		r.Stops = append(r.Stops, x)
		next := f.Stop.Then(x)
		if by == nil {
			next.ReplacedBy, next.ReplacedAt = f.Stop.ReplacedBy, f.Stop.ReplacedAt
		}
		f.Stop = next
	}
}

// open returns the open firing of that number, or nil.
func (s *JobState) open(id int64) *FiringRecord {
	for i := range s.Open {
		if f := &s.Open[i]; f.ID == id && f.Settled.IsZero() {
			return f
		}
	}
	return nil
}

// firingOf returns the open firing of a run, or nil.
func (s *JobState) firingOf(run int64) *FiringRecord {
	for i := range s.Open {
		if f := &s.Open[i]; f.Run == run && f.Settled.IsZero() {
			return f
		}
	}
	return nil
}

// Running returns the runs whose end the ledger does not have.
func (s *JobState) Running() (runs []int64) {
	for i := range s.Open {
		if f := &s.Open[i]; f.running() {
			runs = append(runs, f.Run)
		}
	}
	return runs
}

// An activity counts a job's open firings: busy run or are about to, running are those
// of them that have a run, and waiting are queued.
type activity struct{ busy, running, waiting int }

func (s *JobState) activity() (a activity) {
	for i := range s.Open {
		f := &s.Open[i]
		switch {
		case !f.Settled.IsZero():
		case f.running():
			a.running++
			a.busy++
		case f.Run == 0 && f.Decision == Run:
			a.busy++
		case f.Decision == Queued:
			a.waiting++
		}
	}
	return a
}

// Assignment returns the assignment of a firing of the job, whatever its decision. A
// repetition has the scheduled time of the run that it repeats.
func (s *JobState) Assignment(f *FiringRecord) Assignment {
	t := Assignment{
		ID: f.ID, Job: s.StoredJob, Decision: f.Decision, Reason: f.Reason,
		RequestedBy: f.RequestedBy, Repeats: f.Repeats, Waited: f.Waited,
	}
	if f.RequestedBy != "" {
		return t
	}
	t.Firing = Firing{ScheduledTime: ScheduledTime{At: f.scheduledTime(), Shifted: f.Shifted}, Due: f.Due}
	if zone, err := LoadZone(s.Zone); err == nil && !t.Firing.At.IsZero() {
		t.Firing.At = t.Firing.At.In(zone) // a broken job has no zone: UTC
	}
	return t
}

// scheduledTime returns that of a firing, and for a repetition that of the run that it
// repeats; zero: none.
func (f *FiringRecord) scheduledTime() time.Time {
	if f.At.IsZero() {
		return f.RepeatsAt
	}
	return f.At
}
