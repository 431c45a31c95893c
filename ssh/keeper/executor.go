package keeper

import (
	"cmp"
	"context"
	"io"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/ssh"
)

const (
	// stopTime is how long the keeper has to end a command that is stopped: somewhat
	// more than ssh.Client takes at most.
	stopTime = 10 * time.Second
	// writeTime is how long a Write may go on after that.
	writeTime = time.Second
	// pingTime is the time between two signs of life that the keeper is asked for, and
	// maxMissed how many of them may be missing.
	pingTime  = 5 * time.Second
	maxMissed = 3
	// byeTime is how long the keeper has to take connections back at the end.
	byeTime = 2 * time.Second
)

// lostText is what is said of a command whose keeper is gone.
const lostText = "the process that keeps connections died while the command ran"

// An Executor makes the attempts of a run through the keeper, and by the client what the
// keeper does not. It is safe for use by many goroutines.
type Executor struct {
	direct *ssh.Client
	lender *ssh.Lender
	opts   Options
	link   *link
	places map[int]int // at the keeper, by the Index of a target
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	last     uint32
	attempts map[uint32]*attempt
	said     chan struct{} // closed by the keeper's bye, once
}

var _ fanout.Executor = (*Executor)(nil)

// Exec makes one attempt, as fanout.Executor says.
func (e *Executor) Exec(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) fanout.Report {
	body := e.order(a, task)
	if body == nil || ctx.Err() != nil {
		return e.direct.Exec(ctx, a, task, stdout, stderr)
	}
	at := newAttempt(ctx, a, task, stdout, stderr)
	defer at.cancel()
	number := e.begin(at)
	err := e.link.post(kindExec, number, body)
	if err == nil {
		at.wait(ctx, e.link, number)
	}
	e.forget(number)
	at.settle(ctx)
	switch {
	case at.report != nil:
		at.report.Failure = e.hinted(a.Target.Name, at.report.Failure)
		return *at.report
	case at.mayRun():
		return at.lost(ctx)
	}
	return e.direct.Exec(ctx, a, task, stdout, stderr)
}

// hinted is f with what the operator can do about it.
func (e *Executor) hinted(host string, f *fanout.Failure) *fanout.Failure {
	if f != nil && f.Cause != "" && e.opts.Hint != nil {
		f.Hint = e.opts.Hint(host, f.Cause)
	}
	return f
}

// order is the attempt as the keeper gets it; nil: it does not.
func (e *Executor) order(a fanout.Attempt, task fanout.Task) []byte {
	place, ok := e.places[a.Target.Index]
	if !ok || e.link.isDead() || !Does(task) {
		return nil
	}
	task = e.lender.TaskOn(a, task)
	body := encode(order{
		RunID: a.RunID, N: int64(a.N), Endpoint: place, Name: a.Target.Name, Limits: a.Target.Limits,
		Task: task, Stdin: task.Stdin != nil,
	})
	if !isFaithful(body) || len(body) > maxMessage {
		return nil
	}
	return body
}

// Does reports whether a keeper does the task: one that needs nothing else of the caller
// than an input, and has no secret. Others are done by the client.
func Does(task fanout.Task) bool {
	switch task.Action.(type) {
	case nil, fanout.Command, *fanout.Script, fanout.Ping:
	default:
		return false
	}
	for _, v := range task.Env {
		if v.Secret != nil {
			return false
		}
	}
	return task.Sudo == nil || task.Sudo.Password == nil
}

func (e *Executor) begin(at *attempt) uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	e.attempts[e.last] = at
	return e.last
}

func (e *Executor) forget(number uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.attempts, number)
}

func (e *Executor) attempt(number uint32) *attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.attempts[number]
}

// Release says that t's last attempt is over, as fanout.Executor says.
func (e *Executor) Release(t fanout.Target) {
	if place, ok := e.places[t.Index]; ok {
		_ = e.link.post(kindRelease, uint32(place), nil) //nolint:gosec // an index
	}
	e.direct.Release(t)
}

// Close leaves the connections to the keeper and closes the client. Every call of Exec
// must have returned.
func (e *Executor) Close() error {
	if e.link.post(kindBye, 0, nil) == nil {
		t := time.NewTimer(cmp.Or(e.opts.patience, byeTime))
		select {
		case <-e.said:
		case <-e.link.dead:
		case <-t.C:
		}
		t.Stop()
	}
	e.cancel()
	e.link.close()
	return e.direct.Close()
}

// watch hangs up on a keeper that is silent. Time in which this process was stopped does
// not count.
func (e *Executor) watch() {
	period := cmp.Or(e.opts.patience, pingTime)
	tick := fanout.NewTimer(period, nil)
	defer tick.Stop()
	missed, seen := 0, int64(0)
	for ; ; tick.Reset(period) {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			return
		case <-e.link.dead:
			return
		}
		e.link.mu.Lock()
		received := e.link.received
		e.link.mu.Unlock()
		if missed++; received != seen {
			missed, seen = 0, received
		}
		if missed > maxMissed {
			e.opts.warn("the process that keeps connections is silent: logging in without it")
			e.link.fail(errSilent)
			return
		}
		_ = e.link.post(kindPing, 0, nil) // the link tells that it is dead
	}
}
