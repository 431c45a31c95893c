package store

import (
	"context"
	"time"

	"tutti/fanout"
)

// A Watched run is read again and again while it is running.
type Watched interface {
	Pages
	// Now returns the run as it is. A run whose process died is not running.
	Now(ctx context.Context) (Run, error)
	// States returns the states of the hosts at positions, or of all hosts for nil, in
	// the order of the plan.
	States(ctx context.Context, positions []int) ([]HostState, error)
}

// A HostState is the recorded state of a host in a run. Equal states have the
// same events. The zero value is a host that waits.
type HostState struct {
	// Position is the host's position in the plan.
	Position int
	// Attempts counts the attempts that started. Started: the command of the last one
	// was sent. An attempt that is still logging in is not recorded.
	Attempts int
	Started  bool
	// Ended: the host has a result, which the next fields describe.
	Ended   bool
	Outcome fanout.Outcome
	// ExitCode is the exit status, NoExit without one.
	ExitCode int64
	// Duration of the command, in whole milliseconds.
	Duration time.Duration
	// Bytes counts the output of the last attempt so far.
	StdoutBytes, StderrBytes int64
}

// NoExit is the ExitCode of a host without one.
const NoExit = -1

// lookAgain is how often a follower checks whether the process of the run is alive: a
// killed process writes nothing that would wake it.
const lookAgain = time.Second

// A Watcher is a sink that learns when it got all that is recorded so far of a running
// run. CaughtUp is called serially with Handle.
type Watcher interface {
	fanout.Sink
	CaughtUp()
}

// Follow sends a run to sink while it is running; see [History.Follow]. wake receives
// after a write to the history.
func Follow(ctx context.Context, w Watched, f Filter, sink fanout.Sink, wake <-chan struct{}) error {
	run, err := w.Now(ctx)
	if err != nil {
		return err
	}
	x := &follower{player: player{pages: w, run: run, filter: f, sink: sink}, watched: w}
	if err := x.follow(ctx, wake); err != nil {
		if x.sinkErr != nil {
			return x.sinkErr
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return w.Fault(err)
	}
	return nil
}

type follower struct {
	player
	watched   Watched
	hosts     map[int]*followedHost // by position
	positions []int                 // of the hosts; nil: all of the run's
	summary   fanout.Summary
}

// A followedHost is how much of a host was sent.
type followedHost struct {
	target  *fanout.Target
	seen    HostState
	numbers fanout.Numbering
	over    int // attempts whose end was sent
	ended   bool

	// Of the current attempt: whether its start was sent, the last piece of its output
	// that was, and the pieces that count the missing bytes of each stream so far; 0:
	// none.
	started bool
	after   int
	gaps    [2]int
}

func (x *follower) follow(ctx context.Context, wake <-chan struct{}) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	// A queued run has no events yet: its start and its policy are decided when a
	// daemon starts it.
	for x.run.State == Queued {
		if err := again(ctx, wake, tick.C); err != nil {
			return err
		}
		run, err := x.watched.Now(ctx)
		if err != nil {
			return err
		}
		x.run = run
	}
	if err := x.start(ctx); err != nil {
		return err
	}
	for {
		// Read the run before its hosts: if it has ended, this pass sends all.
		run, err := x.watched.Now(ctx)
		if err != nil {
			return err
		}
		x.run = run
		if err := x.look(ctx); err != nil {
			return err
		}
		if w, ok := x.sink.(Watcher); ok {
			w.CaughtUp()
		}
		if run.State.Ended() {
			return x.finish(ctx, x.summary)
		}
		if err := again(ctx, wake, tick.C); err != nil {
			return err
		}
	}
}

// again waits for a write, or for lookAgain.
func again(ctx context.Context, wake <-chan struct{}, tick <-chan time.Time) error {
	select {
	case <-wake:
	case <-tick:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// start sends the start of the run.
func (x *follower) start(ctx context.Context) error {
	if err := x.begin(ctx); err != nil {
		return err
	}
	x.hosts = make(map[int]*followedHost, len(x.targets))
	for i := range x.targets {
		t := &x.targets[i]
		x.hosts[t.position] = &followedHost{target: &t.target, seen: HostState{Position: t.position, ExitCode: NoExit}}
		if x.filter.Hosts != nil || x.filter.Outcomes != nil {
			x.positions = append(x.positions, t.position)
		}
	}
	return nil
}

// look sends the news of the hosts, in the order of the plan.
func (x *follower) look(ctx context.Context) error {
	if len(x.targets) == 0 {
		return nil
	}
	states, err := x.watched.States(ctx, x.positions)
	if err != nil {
		return err
	}
	var changed []HostState
	for _, s := range states {
		if h := x.hosts[s.Position]; h != nil && !h.ended && h.seen != s {
			changed = append(changed, s)
		}
	}
	for len(changed) > 0 {
		n := min(len(changed), replayHosts)
		if err := x.sendPage(ctx, changed[:n]); err != nil {
			return err
		}
		changed = changed[n:]
	}
	return nil
}

// sendPage sends the news of a page of hosts. Their output may be newer than their
// states; then the next pass finds these changed.
func (x *follower) sendPage(ctx context.Context, changed []HostState) error {
	positions := make([]int, len(changed))
	for i := range changed {
		positions[i] = changed[i].Position
	}
	records, err := x.pages.Hosts(ctx, positions)
	if err != nil {
		return err
	}
	for _, s := range changed {
		h, record := x.hosts[s.Position], records[s.Position]
		if record == nil {
			return x.pruned()
		}
		x.numbers = h.numbers
		err := x.tellHost(ctx, h, record)
		h.numbers, h.seen = x.numbers, s
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *follower) tellHost(ctx context.Context, h *followedHost, record *RecordedHost) error {
	for i := range record.Earlier {
		a := &record.Earlier[i]
		if a.Result.Attempts <= h.over {
			continue
		}
		a.Result.Target = *h.target
		if err := x.sendAttempt(ctx, h, &a.Result, nil, true); err != nil {
			return err
		}
		if err := x.emitRetrying(ctx, h.target, a); err != nil {
			return err
		}
		h.over, h.started, h.after, h.gaps = a.Result.Attempts, false, 0, [2]int{}
	}
	record.Result.Target = *h.target
	if record.Result.Attempts > h.over {
		if err := x.sendAttempt(ctx, h, &record.Result, record.Brief, record.Ended); err != nil {
			return err
		}
	}
	if !record.Ended {
		return nil
	}
	h.ended = true
	x.summary.Add(record.Result)
	return x.emitFinished(ctx, h.target, &record.Result)
}

// sendAttempt sends the news of r's attempt; over: the attempt has ended.
func (x *follower) sendAttempt(ctx context.Context, h *followedHost, r *fanout.Result, brief []fanout.Event, over bool) error {
	if !r.StartedAt.IsZero() && !h.started {
		h.started = true
		if err := x.emitStarted(ctx, h.target, r); err != nil {
			return err
		}
	}
	if x.filter.NoOutput || r.StdoutBytes+r.StderrBytes == 0 {
		return nil
	}
	if over {
		if err := x.sendGaps(ctx, h, r.Attempts); err != nil {
			return err
		}
	}
	if len(brief) > 0 && over && h.after == 0 {
		return x.emitOutput(ctx, h.target, r.Attempts, brief)
	}
	for {
		most := replayRows
		if !over && h.gaps != [2]int{} {
			most = 1 // it may be a gap, which has to wait
		}
		events, err := x.output(ctx, h.target, r.Attempts, h.after, most)
		if err != nil {
			return err
		}
		for i := range events {
			if waits, err := x.sendPiece(ctx, h, r.Attempts, &events[i], over); waits || err != nil {
				return err
			}
		}
		if len(events) < most {
			return nil
		}
	}
}

// sendPiece sends a piece of output. A gap grows while the attempt is running: it and
// what follows it in its stream are sent when the attempt has ended.
func (x *follower) sendPiece(ctx context.Context, h *followedHost, attempt int, e *fanout.Event, over bool) (waits bool, err error) {
	seq := int(e.Number)
	switch {
	case !over && e.Omitted > 0:
		h.gaps[e.Stream], h.after = seq, seq
		return false, nil
	case !over && h.gaps[e.Stream] != 0:
		return true, nil
	}
	h.after = seq
	e.Target, e.Attempt = h.target, attempt
	return false, x.emit(ctx, *e)
}

// sendGaps sends the gaps of an attempt that has ended which were passed over while it
// was running.
func (x *follower) sendGaps(ctx context.Context, h *followedHost, attempt int) error {
	for _, seq := range h.gaps {
		if seq == 0 {
			continue
		}
		events, err := x.output(ctx, h.target, attempt, seq-1, 1)
		if err != nil {
			return err
		}
		// The gap is gone if all of the stream was recorded in the end.
		if len(events) == 1 && int(events[0].Number) == seq {
			if err := x.emitOutput(ctx, h.target, attempt, events); err != nil {
				return err
			}
		}
	}
	h.gaps = [2]int{}
	return nil
}
