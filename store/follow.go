package store

import (
	"context"
	"time"

	"tutti/fanout"
)

// A Watched run is read again and again while it goes on.
type Watched interface {
	Pages
	// Now is the run as it is. A run whose process is gone runs no more.
	Now(ctx context.Context) (Run, error)
	// States are how far hosts are, in the order of the plan: those at positions, or all
	// of them for nil.
	States(ctx context.Context, positions []int) ([]HostState, error)
}

// A HostState is how far a host of a run is, as far as that is on record. Two that are
// equal tell of the same. The zero value is a host that waits.
type HostState struct {
	// Position is that in the plan.
	Position int
	// Attempts is how many began, and Started says that the command of the last was
	// sent. An attempt that is on its way to a login is not on record.
	Attempts int
	Started  bool
	// Ended: the host has a result, and what follows is about it.
	Ended   bool
	Outcome fanout.Outcome
	// ExitCode is the exit status, NoExit without one.
	ExitCode int64
	// Duration of the command, in whole milliseconds.
	Duration time.Duration
	// Bytes that the last attempt wrote so far.
	StdoutBytes, StderrBytes int64
}

// NoExit is the ExitCode of a host that has none.
const NoExit = -1

// lookAgain is how long a follower waits at most before it looks whether the process
// of the run is still alive: one that was killed writes nothing.
const lookAgain = time.Second

// A Watcher is a sink that is told when it knows all that is on record of a run that
// goes on. CaughtUp is called serially with Handle.
type Watcher interface {
	fanout.Sink
	CaughtUp()
}

// Follow tells a run to sink as it goes on; see [History.Follow]. wake receives after
// something was written.
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

// A followedHost is how much of a host was told.
type followedHost struct {
	target  *fanout.Target
	seen    HostState
	numbers fanout.Numbering
	over    int // attempts whose end was told
	ended   bool

	// Of the attempt at hand: whether its start was told, the last piece of its output
	// that was, and the pieces that count what is missing of each stream so far; 0: none.
	started bool
	after   int
	gaps    [2]int
}

func (x *follower) follow(ctx context.Context, wake <-chan struct{}) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	// Of a run that waits nothing can be told: when it starts, and with which policy, is
	// decided then.
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
		// What the run is first, since it is told to its end once that has come.
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

// again waits until it is time to look again.
func again(ctx context.Context, wake <-chan struct{}, tick <-chan time.Time) error {
	select {
	case <-wake:
	case <-tick:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// start tells the start of the run.
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

// look tells what is new of the hosts, in the order of the plan.
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
		if err := x.tell(ctx, changed[:n]); err != nil {
			return err
		}
		changed = changed[n:]
	}
	return nil
}

// tell tells what is new of a page of hosts. What is read of them may be newer than
// their states: they will have changed again.
func (x *follower) tell(ctx context.Context, changed []HostState) error {
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
		if err := x.tellAttempt(ctx, h, &a.Result, nil, true); err != nil {
			return err
		}
		if err := x.emitRetrying(ctx, h.target, a); err != nil {
			return err
		}
		h.over, h.started, h.after, h.gaps = a.Result.Attempts, false, 0, [2]int{}
	}
	record.Result.Target = *h.target
	if record.Result.Attempts > h.over {
		if err := x.tellAttempt(ctx, h, &record.Result, record.Brief, record.Ended); err != nil {
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

// tellAttempt tells what is new of the attempt that r is of; over says that this is
// all.
func (x *follower) tellAttempt(ctx context.Context, h *followedHost, r *fanout.Result, brief []fanout.Event, over bool) error {
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
		if err := x.tellGaps(ctx, h, r.Attempts); err != nil {
			return err
		}
	}
	if len(brief) > 0 && over && h.after == 0 {
		return x.emitOutput(ctx, h.target, r.Attempts, brief)
	}
	for {
		most := replayRows
		if !over && h.gaps != [2]int{} {
			most = 1 // it may be one that has to wait
		}
		events, err := x.output(ctx, h.target, r.Attempts, h.after, most)
		if err != nil {
			return err
		}
		for i := range events {
			if waits, err := x.tellPiece(ctx, h, r.Attempts, &events[i], over); waits || err != nil {
				return err
			}
		}
		if len(events) < most {
			return nil
		}
	}
}

// tellPiece tells a piece of output. In an attempt that goes on, one that counts what is
// missing is not told, as it grows; what follows it in its stream waits for the end of
// the attempt.
func (x *follower) tellPiece(ctx context.Context, h *followedHost, attempt int, e *fanout.Event, over bool) (waits bool, err error) {
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

// tellGaps tells what is missing of each stream of an attempt that is over, as far as
// its place was passed while it went on.
func (x *follower) tellGaps(ctx context.Context, h *followedHost, attempt int) error {
	for _, seq := range h.gaps {
		if seq == 0 {
			continue
		}
		events, err := x.output(ctx, h.target, attempt, seq-1, 1)
		if err != nil {
			return err
		}
		// Of a stream of which all was recorded in the end the piece is gone.
		if len(events) == 1 && int(events[0].Number) == seq {
			if err := x.emitOutput(ctx, h.target, attempt, events); err != nil {
				return err
			}
		}
	}
	h.gaps = [2]int{}
	return nil
}
