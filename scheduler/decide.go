package scheduler

import (
	"slices"
	"time"
)

// Why a firing is not run.
const (
	ReasonReplaced      = "a later firing took its place"
	ReasonRequesterGone = "whoever asked for it is gone"
	ReasonStale         = "nobody began it within a day"
	ReasonStopped       = "the daemon was stopped"
	ReasonPaused        = "the job was paused"
	ReasonChanged       = "the job was changed"
	ReasonRemoved       = "the job was removed"
)

// A Past is what the history has already of the instants that are decided: the
// clock may have been put back. The zero value is nothing.
type Past struct {
	// Known reports whether it has the instant; nil: it has none.
	Known func(at time.Time) bool
	// Missed is how many it has of Decisions.Missed.
	Missed int
}

func (p *Past) known(at time.Time) bool { return p.Known != nil && p.Known(at) }

// Decide decides instants against the open firings and moves the cursor; see
// [Jobs.Decide]. It is [ErrConflict] if the state is not that of d.Job any more.
func (s JobState) Decide(d Decisions, past Past, at Moment) (Transition, error) {
	if s.Removed || s.Version != d.Job.Version || stamp(s.Cursor) != stamp(d.Job.Cursor) {
		return Transition{}, ErrConflict
	}
	r := s.rule(at)
	var decided []int
	for i, f := range slices.Concat(d.CaughtUp, d.Firings) {
		if past.known(f.At) || r.decided(decided, f.At) {
			continue
		}
		decided = append(decided, r.decide(FiringRecord{At: f.At, Due: f.Due, Moved: f.Moved, CaughtUp: i < len(d.CaughtUp)}))
	}
	for _, i := range decided {
		r.Tickets = append(r.Tickets, r.Next.ticket(&r.Next.Open[i]))
		if f := &r.Next.Open[i]; within(f.At, d.Missed) {
			past.Missed++
		}
	}
	if f := r.miss(d.Missed, d.MissedReason, past); f != nil {
		r.notifyMissed(f)
	}
	r.Next.Cursor = d.Cursor
	if d.Alarm != "" {
		r.Next.Alarm = d.Alarm
	}
	return r.done(), nil
}

// decided reports whether one of the firings at those places is of the instant.
func (r *ruling) decided(places []int, at time.Time) bool {
	return slices.ContainsFunc(places, func(i int) bool { return r.Next.Open[i].At.Equal(at) })
}

func within(at time.Time, g Gap) bool { return !at.Before(g.First) && !at.After(g.Last) }

// decide decides the firing by the job's overlap, and returns its place.
func (r *ruling) decide(f FiringRecord) int {
	k := &r.Next.Kept
	judge := k.Overlap.Decide
	if f.CaughtUp {
		judge = k.Overlap.CatchUp
	}
	a := r.Next.activity()
	v := judge(a.busy, a.waiting, k.MaxRunning)
	if v.End && a.busy > a.begun {
		// What has not begun ends by not being begun, which needs no other proof.
		r.closeUnbegun(ReasonReplaced)
		v = k.Overlap.Decide(a.begun, a.waiting, k.MaxRunning)
	}
	f.Decision, f.Reason = v.Decision, v.Reason
	place := r.add(f)
	if v.End {
		r.stop(replacementActor(k.Name), r.Next.Open[place].ID)
	}
	return place
}

// replacementActor is who stops the runs that later firings of a job replace.
func replacementActor(job string) string { return "job " + job }

// miss adds the instants that are not run, without those that are known, and
// returns their firing; nil: there are none.
func (r *ruling) miss(gap Gap, reason string, past Past) *FiringRecord {
	if gap.Count <= past.Missed {
		return nil
	}
	gap.Count -= past.Missed
	return &r.Next.Open[r.add(FiringRecord{Decision: Missed, Reason: reason, Gap: gap})]
}

// Request decides a firing that by starts manually, for the process daemon to
// begin, or for the next that claims it if that is 0.
func (s JobState) Request(by string, daemon int64, at Moment) Transition {
	r := s.rule(at)
	place := r.decide(FiringRecord{Due: at.Now, RequestedBy: by, Daemon: daemon})
	r.Tickets = []Ticket{r.Next.ticket(&r.Next.Open[place])}
	return r.done()
}
