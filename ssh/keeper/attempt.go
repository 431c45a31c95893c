package keeper

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"tutti/fanout"
)

// errSilent is a keeper that does not answer.
var errSilent = errors.New("the keeper is silent")

// errOver answers questions about an attempt that is over.
var errOver = errors.New("the attempt is over")

// An attempt is one that the keeper makes, at the caller.
type attempt struct {
	of       fanout.Attempt
	ctx      context.Context // of Starting and of inputs; ends with the attempt
	cancel   context.CancelFunc
	outputs  [2]io.Writer
	sources  [2]source // the standard input and the script
	reported chan fanout.Report
	answers  sync.WaitGroup // to questions

	mu      sync.Mutex // guards what follows
	over    bool       // nothing more is asked of the caller's writers
	asked   bool       // for the mark of the start
	refused error      // why it was not marked
	marked  bool       // it may have been sent
	started time.Time
	address string

	report *fanout.Report // by wait
}

func newAttempt(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) *attempt {
	at := &attempt{of: a, outputs: [2]io.Writer{stdout, stderr}, reported: make(chan fanout.Report, 1)}
	at.ctx, at.cancel = context.WithCancel(ctx)
	at.sources[0].from = task.Stdin
	if script, ok := task.Action.(*fanout.Script); ok {
		at.sources[1].from = script.Source
	}
	return at
}

// wait waits for the report. When ctx is done it has the keeper end the command, which
// has stopTime for it.
func (at *attempt) wait(ctx context.Context, l *link, number uint32) {
	stop := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case r := <-at.reported:
			at.report = &r
			return
		case <-l.dead:
			select {
			case r := <-at.reported: // it came in time
				at.report = &r
			default:
			}
			return
		case <-stop:
			stop = nil
			_ = l.post(kindStop, number, encodeCause(context.Cause(ctx))) // the link tells that it is dead
			t := time.NewTimer(stopTime)
			defer t.Stop()
			late = t.C
		case <-late:
			return
		}
	}
}

// settle waits until nothing is written any more. A Write that is stuck after the attempt
// was stopped is not waited for; it is the last one.
func (at *attempt) settle(ctx context.Context) {
	at.mu.Lock()
	at.over = true
	at.mu.Unlock()
	at.cancel()
	done := make(chan struct{})
	go func() {
		at.answers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	t := time.NewTimer(writeTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// take counts an answer to a question of the keeper; false: there is none any more.
func (at *attempt) take() bool {
	if at == nil {
		return false
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.over {
		return false
	}
	at.answers.Add(1)
	return true
}

// starting marks the start, once.
func (at *attempt) starting(address string) error {
	at.mu.Lock()
	again := at.asked
	at.asked = true
	at.mu.Unlock()
	if again {
		return errors.New("the start was marked already")
	}
	var err error
	if at.of.Starting != nil {
		err = at.of.Starting(at.ctx, address)
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	at.address, at.refused = address, err
	at.marked, at.started = err == nil, time.Now()
	return err
}

// write writes a piece of output.
func (at *attempt) write(stream byte, p []byte) error {
	if int(stream) >= len(at.outputs) {
		return errors.New("there is no such stream")
	}
	_, err := at.outputs[stream].Write(p)
	return err
}

// input is a piece of an input.
func (at *attempt) input(r *inputRequest) []byte {
	if r.Script {
		return at.sources[1].piece(at.ctx, r)
	}
	return at.sources[0].piece(at.ctx, r)
}

// mayRun reports whether the command may have been sent, or the mark of its start was
// refused: then no other client may send it.
func (at *attempt) mayRun() bool {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.asked
}

// lost is the report of an attempt that the keeper has not reported.
func (at *attempt) lost(ctx context.Context) fanout.Report {
	at.mu.Lock()
	defer at.mu.Unlock()
	r := fanout.Report{Address: at.address, Started: at.marked}
	switch {
	case !at.marked && ctx.Err() == nil:
		r.Failure = &fanout.Failure{Op: fanout.OpLocal, Message: at.refused.Error()}
		return r
	case ctx.Err() == nil:
		r.Failure = &fanout.Failure{Op: fanout.OpConnection, Message: lostText}
	default:
		r.Failure = &fanout.Failure{Op: fanout.OpCanceled, Message: context.Cause(ctx).Error()}
		if errors.Is(context.Cause(ctx), fanout.ErrDeadline) {
			r.Failure.Op = fanout.OpDeadline
		}
	}
	if at.marked {
		r.Failure.Remote = fanout.RemoteUnknown
		r.Command = time.Since(at.started)
	}
	return r
}
