package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// evidence is all that is known when everything is over.
type evidence struct {
	jobs     []kept
	firings  []store.FiringRow
	runs     map[int64]ran
	sessions []session
}

// A kept is a job, the scheduled times it had to decide, and the first of its times.
type kept struct {
	scheduler.StoredJob
	since time.Time
	// steady: its schedule was never changed.
	steady bool
}

// A ran is a run of the history, with its hosts.
type ran struct {
	store.Run
	hosts map[string]store.HostResult
}

// A session is one that a host of the fleet has served, and what its command was
// told.
type session struct {
	host, job      string
	run            int64
	at             string
	started, ended time.Time
	ok             bool
}

func (s session) String() string {
	return fmt.Sprintf("job %s, scheduled at %q, run %d, host %s", s.job, s.at, s.run, s.host)
}

// A hostTime is a scheduled time of a job, on a host.
type hostTime struct {
	job  int64
	at   time.Time
	host string
}

// judge returns what is wrong.
func (e *evidence) judge() []string {
	var all []string
	blame := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	e.checkSessions(blame)
	e.checkFirings(blame)
	e.checkOnce(blame)
	e.checkCaughtUp(blame)
	for i := range e.jobs {
		e.checkOverlap(&e.jobs[i], blame)
		e.checkTimes(&e.jobs[i], blame)
	}
	return all
}

// checkSessions: what a host was told to do is on record, and so is its end.
func (e *evidence) checkSessions(blame func(string, ...any)) {
	for _, s := range e.sessions {
		r, known := e.runs[s.run]
		if !known {
			blame("%v: the history has no such run", s)
			continue
		}
		at := ""
		if !r.ScheduledAt.IsZero() {
			at = r.ScheduledAt.UTC().Format(time.RFC3339)
		}
		if r.Job != s.job || at != s.at {
			blame("%v: the history has the run for job %s, scheduled at %q", s, r.Job, at)
		}
		result, known := r.hosts[s.host]
		if !known || !result.Report.Started {
			blame("%v: the history does not say that it was begun there", s)
			continue
		}
		if result.Outcome == fanout.OK && !s.ok {
			blame("%v: ok in the history, and it was not", s)
		}
	}
	told := map[hostTime]bool{}
	for _, s := range e.sessions {
		told[hostTime{job: s.run, host: s.host}] = s.ok
	}
	for id, r := range e.runs {
		for host, result := range r.hosts {
			if result.Outcome == fanout.OK && !told[hostTime{job: id, host: host}] {
				blame("run %d, host %s: ok in the history, and the host knows nothing of it", id, host)
			}
		}
	}
}

// checkFirings: each firing has come to its end, and each run is of one firing.
func (e *evidence) checkFirings(blame func(string, ...any)) {
	of := map[int64]int64{}
	for _, f := range e.firings {
		if f.Decision == scheduler.Queued {
			blame("firing %d of job %s still waits", f.ID, f.Job)
		}
		if (f.Decision == scheduler.Run) != (f.RunID != 0) {
			blame("firing %d of job %s: %s, and its run is %d", f.ID, f.Job, f.Decision, f.RunID)
		}
		if f.RunID == 0 {
			continue
		}
		if other := of[f.RunID]; other != 0 {
			blame("run %d is of the firings %d and %d", f.RunID, other, f.ID)
		}
		of[f.RunID] = f.ID
		if r, known := e.runs[f.RunID]; !known || r.State == store.Running {
			blame("firing %d of job %s: run %d has not ended", f.ID, f.Job, f.RunID)
		}
	}
	for id := range e.runs {
		if of[id] == 0 {
			blame("run %d is of no firing", id)
		}
	}
}

// checkOnce: a host is sent a command for a scheduled time once, and again only
// where it is an idempotent job and its result there was unknown.
func (e *evidence) checkOnce(blame func(string, ...any)) {
	repeats := map[int64]int64{}
	for _, f := range e.firings {
		repeats[f.RunID] = f.Repeats
	}
	first := map[hostTime]session{}
	served := map[hostTime]bool{}
	for _, s := range e.sessions {
		if key := (hostTime{job: s.run, host: s.host}); served[key] {
			blame("%v: twice", s)
		} else {
			served[key] = true
		}
		r := e.runs[s.run]
		if repeated := repeats[s.run]; repeated != 0 {
			before := e.runs[repeated]
			if o := before.hosts[s.host].Outcome; before.State != store.Interrupted || o != fanout.Lost && o != fanout.Skipped {
				blame("%v: repeats run %d, which was %s and %s there", s, repeated, before.State, o)
			}
			continue
		}
		if r.ScheduledAt.IsZero() {
			continue
		}
		key := hostTime{r.JobID, r.ScheduledAt.UTC(), s.host}
		if other, twice := first[key]; twice {
			blame("%v: was run there already, by run %d", s, other.run)
		}
		first[key] = s
	}
}

// checkCaughtUp: what is caught up waits for its turn, and is not left out
// because of another.
func (e *evidence) checkCaughtUp(blame func(string, ...any)) {
	for _, f := range e.firings {
		if f.CaughtUp && f.Decision == scheduler.Skipped && slices.Contains(inTheWay, f.Reason) {
			blame("firing %d of job %s is caught up, and was skipped: %s", f.ID, f.Job, f.Reason)
		}
	}
}

// inTheWay are the reasons for which an overlap leaves a firing out at once.
var inTheWay = []string{
	scheduler.OverlapSkip.Decide(1, 0, 1).Reason, scheduler.OverlapSkip.Decide(1, 1, 1).Reason, scheduler.OverlapAllow.Decide(1, 0, 1).Reason,
}

// checkOverlap: no more than may run at once on a host, by what can be known.
// Commands that run on after their daemon has died are not counted, nor those of
// unknown end.
func (e *evidence) checkOverlap(k *kept, blame func(string, ...any)) {
	most := 1
	if k.Overlap == scheduler.OverlapAllow {
		most = k.MaxRunning
	}
	byHost := map[string][]session{}
	for _, s := range e.sessions {
		r := e.runs[s.run]
		f := r.hosts[s.host].Report.Failure
		if r.JobID == k.ID && r.State != store.Interrupted && (f == nil || f.Remote != fanout.RemoteUnknown) {
			byHost[s.host] = append(byHost[s.host], s)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		list := byHost[host]
		for _, s := range list {
			beside := 0
			for _, other := range list {
				if !other.started.After(s.started) && other.ended.After(s.started) {
					beside++
				}
			}
			if beside > most {
				blame("%v: %d at once under overlap %s", s, beside, k.Overlap)
			}
		}
	}
}

// checkTimes: each scheduled time has a decision, and nothing
// else has.
func (e *evidence) checkTimes(k *kept, blame func(string, ...any)) {
	if !k.steady {
		return
	}
	timing, err := k.Timing(k.since)
	if err != nil {
		blame("job %s: %v", k.Name, err)
		return
	}
	decided := map[int64]bool{}
	var gaps []scheduler.Gap
	for _, f := range e.firings {
		switch {
		case f.JobID != k.ID:
		case f.Missed.Count > 0:
			gaps = append(gaps, f.Missed)
		case !f.ScheduledAt.IsZero():
			decided[f.ScheduledAt.Unix()] = true
		}
	}
	for at := k.since; ; {
		f, err := timing.Next(at)
		if err != nil {
			blame("job %s: %v", k.Name, err)
			return
		}
		if at = f.At; at.After(k.Cursor) {
			break
		}
		missed := slices.ContainsFunc(gaps, func(g scheduler.Gap) bool { return !at.Before(g.First) && !at.After(g.Last) })
		if !missed && !decided[at.Unix()] {
			blame("job %s: nothing has become of %s", k.Name, at.UTC().Format(time.RFC3339))
		}
		delete(decided, at.Unix())
	}
	for at := range decided {
		// A clock that was put back leaves scheduled times behind it, and beyond the
		// cursor.
		if when := time.Unix(at, 0).UTC(); !isScheduled(timing, when) {
			blame("job %s: %s is no scheduled time", k.Name, when.Format(time.RFC3339))
		}
	}
}

// isScheduled reports whether at is a time of the schedule.
func isScheduled(t *scheduler.Timing, at time.Time) bool {
	f, err := t.Next(at.Add(-time.Second))
	return err == nil && f.At.Equal(at)
}
