package daemon

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"tutti/fanout"
	"tutti/runner"
	"tutti/store"
)

const (
	// MinHeartbeat is the shortest interval of heartbeats.
	MinHeartbeat = 10 * time.Second
	// beatParts is how often within the interval the daemon looks for hosts to log in to:
	// it logs in to a part of them each time.
	beatParts = 10
	// beatFanout is how many hosts are logged in to at once, and beatPatience bounds a
	// login.
	beatFanout   = 16
	beatPatience = 10 * time.Second
)

// A heart logs in to the hosts that nothing has tried to reach for an interval, runs
// nothing there, and records whether it reached them. Hosts in maintenance are left alone.
type heart struct {
	*Daemon
	every, patience time.Duration
}

// run beats until ctx ends.
func (h *heart) run(ctx context.Context) {
	if h.every <= 0 {
		return
	}
	for ctx.Err() == nil {
		pause := max(h.every/beatParts, time.Second)
		// Several daemons do not log in at the same time.
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if err := h.beat(ctx); err != nil && ctx.Err() == nil {
			h.c.Logger.Warn("heartbeats failed", "error", h.c.Explain(err))
		}
	}
}

// beat logs in to the hosts that are due, those first that were tried longest ago.
func (h *heart) beat(ctx context.Context) error {
	names, err := h.due(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	beats, err := h.login(ctx, names)
	if err != nil || len(beats) == 0 {
		return err
	}
	// What was found out is recorded also if the daemon is to stop now.
	return h.store.Heartbeats().Beat(context.WithoutCancel(ctx), beats, h.c.Now())
}

// due are hosts to log in to: at most as many as make all of them in an interval.
func (h *heart) due(ctx context.Context) ([]string, error) {
	request := runner.NewRequest()
	chosen, err := h.c.Env.Choose(ctx, &request, &runner.Lookup{ForJob: true, Unusable: true}, "all")
	if err != nil {
		return nil, err
	}
	rests, err := runner.Resting(ctx, h.store, h.c.Now())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, host := range chosen.Hosts {
		resting := slices.ContainsFunc(rests, func(r store.Rest) bool { return r.Host == host.Name })
		if !resting && len(host.Unusable) == 0 && chosen.From.Check(host) == nil {
			names = append(names, host.Name)
		}
	}
	if len(names) == 0 {
		return nil, nil // of no names the healths would be those of all
	}
	healths, err := h.store.HealthOf(ctx, names)
	if err != nil {
		return nil, err
	}
	old := h.c.Now().Add(-h.every)
	healths = slices.DeleteFunc(healths, func(x store.HostHealth) bool { return x.Last().At.After(old) })
	slices.SortStableFunc(healths, func(a, b store.HostHealth) int { return a.Last().At.Compare(b.Last().At) })
	most := (len(names) + beatParts - 1) / beatParts
	due := make([]string, 0, most)
	for i := range healths[:min(most, len(healths))] {
		due = append(due, healths[i].Host)
	}
	return due, nil
}

// request is how the hosts are logged in to: once each.
func (h *heart) request() (*runner.Request, error) {
	r := runner.NewRequest()
	for key, text := range map[string]string{"fanout": strconv.Itoa(beatFanout), "connect-timeout": h.patience.String(), "retries": "0"} {
		if err := r.Set(key, text); err != nil {
			return nil, err
		}
	}
	return &r, r.Complete(h.c.Env.Getenv)
}

// login logs in to hosts. Those of which that says nothing, such as for want of a key here,
// have no heartbeat.
func (h *heart) login(ctx context.Context, names []string) ([]store.Heartbeat, error) {
	request, err := h.request()
	if err != nil {
		return nil, err
	}
	launch := runner.UnattendedLaunch(h.c.Env, h.c.History, h.c.Logger)
	launch.Request, launch.Lookup = request, &runner.Lookup{ForJob: true, Exactly: names}
	launch.Warn = func(string) {} // the runs of jobs say the same, and less often
	d, err := launch.Decide(ctx, "all", fanout.Task{Action: fanout.Ping{}})
	if err != nil {
		return nil, err
	}
	client, err := launch.Client(ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // there is nothing left to lose on it
	var beats []store.Heartbeat
	sink := fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind == fanout.TargetFinished {
			if b, ok := heartbeatOf(e.Result, h.c.Now()); ok {
				beats = append(beats, b)
			}
		}
		return nil
	})
	if _, err := launch.Execute(ctx, d.Plan, fanout.Options{Executor: client, Sink: sink}); err != nil && ctx.Err() == nil {
		return beats, fmt.Errorf("log in: %w", err)
	}
	return beats, nil
}

// heartbeatOf is what a login says of its host; ok is false if it says nothing.
func heartbeatOf(r *fanout.Result, now time.Time) (b store.Heartbeat, ok bool) {
	b = store.Heartbeat{Host: r.Target.Name, At: now}
	switch failure := r.Report.Failure; {
	case r.Outcome == fanout.OK:
		return b, true
	case r.Outcome != fanout.Unreachable || failure == nil || failure.Op == fanout.OpLocal:
		return b, false
	default:
		b.Failed, b.Op, b.Error = true, failure.Op, failure.Message
		return b, true
	}
}
