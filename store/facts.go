package store

import (
	"cmp"
	"slices"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// facts collects, during a run, what its [scheduler.Ended] has.
type facts struct {
	selector, command string
	exitCode          *int // as recorded; nil: none is
	unproved          bool
	failed            []failedHost // the first, by their positions
}

type failedHost struct {
	position int
	scheduler.MessageHost
}

// add adds the result of a host.
func (f *facts) add(t *fanout.Target, r *fanout.Result) {
	failure := r.Report.Failure
	if r.Outcome == fanout.Lost || failure != nil && failure.Remote == fanout.RemoteUnknown {
		f.unproved = true
	}
	if r.Outcome == fanout.OK {
		return
	}
	h := failedHost{t.Index, scheduler.MessageHost{Host: t.Name, Outcome: r.Outcome.String()}}
	if x := r.Report.Exit; x != nil && x.Signal == "" {
		code := int(x.Code)
		h.ExitCode = &code
	}
	if failure != nil {
		h.Error = failure.Text()
	}
	place, _ := slices.BinarySearchFunc(f.failed, h, func(a, b failedHost) int { return cmp.Compare(a.position, b.position) })
	if place == scheduler.MaxMessageHosts {
		return
	}
	f.failed = slices.Insert(f.failed, place, h)
	f.failed = f.failed[:min(len(f.failed), scheduler.MaxMessageHosts)]
}

// ended returns the end of the run, with times as the history has them.
func (f *facts) ended(run int64, s fanout.Summary) scheduler.Ended {
	e := scheduler.Ended{Run: run, State: string(Finished), Selector: f.selector, Command: f.command, Summary: s, ExitCode: f.exitCode, Unproved: f.unproved}
	e.Summary.Started, e.Summary.Ended = s.Started.UTC().Truncate(time.Millisecond), s.Ended.UTC().Truncate(time.Millisecond)
	for _, h := range f.failed {
		e.HostsFailed = append(e.HostsFailed, h.MessageHost)
	}
	return e
}
