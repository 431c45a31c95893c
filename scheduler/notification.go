package scheduler

import (
	"time"

	"tutti/fanout"
)

// notifyMissed adds a message about scheduled times that were not run, if the job wants
// one.
func (r *ruling) notifyMissed(f *FiringRecord) {
	k := &r.Next.StoredJob
	if r.Next.Removed || !k.Notify.Missed() {
		return
	}
	r.notify(f, Message{Type: OnMissed.String(), Time: r.at.Now, Failures: k.ConsecutiveFailures.Count})
}

// notify adds the message m, completed with the firing and the end of its run.
func (r *ruling) notify(f *FiringRecord, m Message) {
	k := &r.Next.StoredJob
	m.Schema, m.Job, m.Selector, m.Command = 1, k.Name, k.Selector, k.Command
	m.Firing, m.Decision, m.Reason = f.ID, f.Decision.String(), f.Reason
	m.ScheduledAt, m.DueAt = recorded(f.At), recorded(f.Due)
	if f.Decision == Missed {
		m.Missed, m.MissedFirst, m.MissedLast = max(1, f.Gap.Count), recorded(f.Gap.First), recorded(f.Gap.Last)
		if m.MissedFirst == nil {
			m.MissedFirst, m.MissedLast = m.ScheduledAt, m.ScheduledAt
		}
	}
	if f.Ended != nil {
		m.describe(f.Ended)
	}
	r.Messages = append(r.Messages, m)
}

// RunMessage is a message about the end of a run that is no job's. ID and Machine are
// not set.
func RunMessage(run *Ended, about NotifyEvent) Message {
	m := Message{Schema: 1, Type: about.String(), Time: run.Summary.Ended, Decision: Run.String()}
	m.describe(run)
	return m
}

// describe sets the fields about a run.
func (m *Message) describe(run *Ended) {
	s := &run.Summary
	m.Run, m.State, m.Stopped, m.ExitCode = run.Run, run.State, s.Stopped.String(), run.ExitCode
	m.StartedAt, m.EndedAt = recorded(s.Started), recorded(s.Ended)
	if !run.interrupted() { // whose end is unknown
		m.DurationMS = max(0, s.Ended.Sub(s.Started).Milliseconds())
	}
	m.Selector, m.Command, m.Hosts = run.Selector, run.Command, s.Hosts
	m.HostsFailed = run.HostsFailed
	m.Counts = make(map[string]int)
	for _, o := range fanout.Outcomes() {
		if s.Counts[o] > 0 {
			m.Counts[o.String()] = s.Counts[o]
		}
	}
}

// recorded returns a time as the history has it; nil for the zero time.
func recorded(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
