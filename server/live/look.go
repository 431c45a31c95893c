package live

import (
	"context"
	"fmt"
	"maps"
	"time"

	"tutti/api"
	"tutti/api/event"
	"tutti/scheduler"
	"tutti/store"
)

const (
	// summaryEvery is how often the history is read for summaries at most.
	summaryEvery = time.Second
	// newRuns is how many of the newest runs are read.
	newRuns = 1000
)

// A looker finds out what has changed in the history since it last looked.
type looker struct {
	s       *Streams
	running map[int64]bool // runs that have not ended, and whether they have started
	last    int64          // the newest run
	jobs    map[int64]job
	daemons map[int64]scheduler.Controller
	looked  bool
}

// A job is one as it was last seen; a change makes state another text.
type job struct {
	name, state string
}

// Look publishes summaries of what happens in the history, until ctx ends; it is called
// once. It reads the history when something was written, at most once a second.
func (s *Streams) Look(ctx context.Context) {
	wake, end := s.History.Wake()
	defer end()
	l := &looker{s: s, running: map[int64]bool{}, jobs: map[int64]job{}, daemons: map[int64]scheduler.Controller{}}
	for {
		ok := l.look(ctx)
		pause := time.NewTimer(summaryEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if !ok {
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// look reads the history and publishes what is new. What could not be read, for which it
// returns false, is new the next time.
func (l *looker) look(ctx context.Context) (ok bool) {
	runs, err := l.s.History.Runs(ctx, store.Query{Limit: newRuns})
	if err != nil {
		return false
	}
	kept, err := l.s.History.ListJobs(ctx)
	if err != nil {
		return false
	}
	daemons, err := l.s.History.Daemons(ctx)
	if err != nil {
		return false
	}
	l.lookAtRuns(runs)
	l.lookAtJobs(kept)
	l.lookAtDaemons(daemons)
	if !l.looked {
		l.looked = true
		close(l.s.events.ready())
	}
	return true
}

func (l *looker) lookAtRuns(runs []store.Run) {
	for i := len(runs) - 1; i >= 0; i-- { // oldest first
		run := &runs[i]
		if run.ID > l.last {
			l.last = run.ID
			l.running[run.ID] = false
		}
		started, open := l.running[run.ID]
		if !open || run.State == store.Queued {
			continue
		}
		if !started {
			l.running[run.ID] = true
			l.publish(Summary{Topic: TopicRun, Event: "run_started", Run: run}, api.NewRun(*run))
		}
		if run.State.Ended() {
			delete(l.running, run.ID)
			l.publish(Summary{Topic: TopicRun, Event: "run_ended", Run: run}, api.NewRun(*run))
		}
	}
}

// publish publishes x, unless it happened before the first look.
func (l *looker) publish(x Summary, form any) {
	if l.looked {
		l.s.events.publish(x, form)
	}
}

// A jobForm is a job that has changed, and a daemonForm a daemon.
type jobForm struct {
	Schema  int    `json:"schema"` // 1
	Type    string `json:"type"`   // "job_changed", "job_removed"
	Job     string `json:"job"`
	Version int64  `json:"version,omitempty"`
}

type daemonForm struct {
	Schema    int        `json:"schema"` // 1
	Type      string     `json:"type"`   // "daemon_came", "daemon_went"
	Daemon    int64      `json:"daemon"`
	StartedAt event.Time `json:"started_at"`
}

func (l *looker) lookAtJobs(kept []scheduler.StoredJob) {
	gone := maps.Clone(l.jobs)
	for i := range kept {
		k := &kept[i]
		delete(gone, k.ID)
		now := job{k.Name, fmt.Sprint(k.Version, k.ConsecutiveFailures, k.Alarm, k.Broken)}
		if l.jobs[k.ID] == now {
			continue
		}
		l.jobs[k.ID] = now
		l.publish(Summary{Topic: TopicJob, Event: "job_changed", Job: k}, jobForm{1, "job_changed", k.Name, k.Version})
	}
	for id, was := range gone {
		delete(l.jobs, id)
		k := &scheduler.StoredJob{ID: id}
		k.Name = was.name
		l.publish(Summary{Topic: TopicJob, Event: "job_removed", Job: k}, jobForm{1, "job_removed", was.name, 0})
	}
}

func (l *looker) lookAtDaemons(daemons []scheduler.Controller) {
	gone := maps.Clone(l.daemons)
	publish := func(name string, c scheduler.Controller) {
		l.publish(Summary{Topic: TopicDaemon, Event: name, Daemon: &c}, daemonForm{1, name, c.ID, event.Time(c.Started)})
	}
	for _, c := range daemons {
		delete(gone, c.ID)
		if _, known := l.daemons[c.ID]; !known {
			l.daemons[c.ID] = c
			publish("daemon_came", c)
		}
	}
	for id, c := range gone {
		delete(l.daemons, id)
		publish("daemon_went", c)
	}
}
