package scheduler

import (
	"context"
	"log/slog"
	"time"

	"tutti/fanout"
)

// A reporter writes what a daemon does to its log and its observer.
type reporter struct {
	log      *slog.Logger
	observer Observer
}

func newReporter(d *Daemon) reporter {
	r := reporter{log: d.Logger, observer: d.Observer}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.observer == nil {
		r.observer = noObserver{}
	}
	return r
}

// reportDecisions reports the decisions of one job.
func (r reporter) reportDecisions(d Decisions, assignments []Assignment) {
	name := d.Job.Name
	if d.Alarm != "" {
		r.log.Error("clock was set back", "job", name, "alarm", d.Alarm)
	}
	if m := d.Missed; m.Count > 0 {
		r.log.Warn("scheduled times missed", "job", name, "decision", Missed.String(), "reason", d.MissedReason,
			"count", m.Count, "more", m.More, "first", fanout.FormatTime(m.First), "last", fanout.FormatTime(m.Last))
		r.observer.Decided(name, Missed, d.MissedReason, m.Count)
	}
	for _, t := range assignments {
		r.reportAssignment(t)
	}
}

// reportAssignment reports the decision of a firing.
func (r reporter) reportAssignment(t Assignment) {
	level := slog.LevelInfo
	switch t.Decision {
	case Run:
		level = slog.LevelDebug // its start is logged
	case Skipped, Missed:
		level = slog.LevelWarn
	case Failed, Refused:
		level = slog.LevelError
	}
	r.log.Log(context.Background(), level, "firing decided", append(assignmentAttrs(t), "decision", t.Decision.String(), "reason", t.Reason)...)
	r.observer.Decided(t.Job.Name, t.Decision, t.Reason, 1)
}

// reportCompletion reports how a run ended. The decision of a firing that never started
// is logged already.
func (r reporter) reportCompletion(e Completion) {
	if e.Run != 0 {
		level, outcome := r.log.Info, "ok"
		switch {
		case e.Interrupted:
			level, outcome = r.log.Error, "interrupted"
		case e.OnRequest:
			level, outcome = r.log.Warn, "stopped"
		case !e.OK:
			level, outcome = r.log.Warn, "failed"
		}
		attrs := append(assignmentAttrs(e.Assignment), "run", e.Run, "outcome", outcome, "hosts", e.Summary.Hosts)
		if e.Reason != "" {
			attrs = append(attrs, "reason", e.Reason)
		}
		for _, o := range fanout.Outcomes() {
			if n := e.Summary.Counts[o]; n > 0 {
				attrs = append(attrs, "hosts_"+o.String(), n)
			}
		}
		if !e.Interrupted { // whose end is unknown
			attrs = append(attrs, "duration_ms", e.Summary.Ended.Sub(e.Summary.Started).Milliseconds())
		}
		level("job finished", append(attrs, "failures", e.ConsecutiveFailures.Count)...)
	}
	r.observer.Ended(e)
}

// assignmentAttrs says in a log which firing it is.
func assignmentAttrs(t Assignment) []any {
	attrs := []any{"job", t.Job.Name, "firing", t.ID}
	if !t.Firing.At.IsZero() {
		attrs = append(attrs, "scheduled_at", fanout.FormatTime(t.Firing.At), "due_at", fanout.FormatTime(t.Firing.Due))
	}
	if t.RequestedBy != "" {
		attrs = append(attrs, "requested_by", t.RequestedBy)
	}
	if t.Repeats != 0 {
		attrs = append(attrs, "repeats", t.Repeats)
	}
	return attrs
}

// noObserver is the Observer of a daemon without one.
type noObserver struct{}

var _ Observer = noObserver{}

func (noObserver) Decided(string, Decision, string, int)    {}
func (noObserver) Started(Assignment, int64, time.Duration) {}
func (noObserver) Ended(Completion)                         {}
func (noObserver) Beat(time.Time)                           {}
func (noObserver) Turned(map[string]error)                  {}
