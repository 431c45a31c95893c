package server

import (
	"context"
	"encoding/json"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/fanout"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// Submissions are the runs that clients start: they wait in the queue of the history for
// a daemon that has room.
type Submissions interface {
	// Plan decides what a submission would do, and where. Nothing connects. A host outside
	// the scopes of who asks is an *access.ScopeError, and a key that acts on the machine
	// of the daemon a *runner.LocalKeyError.
	Plan(ctx context.Context, s *Submission) (*runner.Decision, error)
	// Submit puts a submission into the queue as d has decided it; see store.Queue for
	// its errors. It belongs to the daemon from then on.
	Submit(ctx context.Context, s *Submission, d *runner.Decision) (store.Submitted, error)
	// Replayed is store.Queue's.
	Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error
	// Waiting are the runs that wait, in the order of the queue.
	Waiting(ctx context.Context) ([]store.WaitingRun, error)
	// Running are the runs that are running.
	Running(ctx context.Context) ([]store.Run, error)
	// Move changes the priority of a run that waits; see store.Queue.
	Move(ctx context.Context, run int64, priority int) (place int, err error)
	// Stop requests a stop of a run. The error is a *store.KillError if it has ended.
	Stop(ctx context.Context, x scheduler.Stop) error
	// Hosts are those of a run that ended with one of the outcomes; nil: all.
	Hosts(ctx context.Context, run int64, outcomes []fanout.Outcome) ([]string, error)
	// Script is the text of the script of a run that was submitted; nil: there is none on
	// record.
	Script(ctx context.Context, run int64) ([]byte, error)
	// Delete deletes a run that has ended.
	Delete(ctx context.Context, run int64) error
	// Prune deletes the runs that are not kept; the zero value keeps what the daemon keeps.
	Prune(ctx context.Context, keep store.Retention) (store.Pruned, error)
	// Wake receives soon after something was written, until end is called.
	Wake() (wake <-chan struct{}, end func())
}

// A Submission is what a client asks for.
type Submission struct {
	Principal access.Principal
	// Request is what is kept of it, and With what is not.
	Request store.QueuedRequest
	With    runner.Unrecorded
	// Exactly are the hosts, whatever the selector means; nil: those of the selector.
	Exactly []string
	// Maintained: also the hosts that are in maintenance.
	Maintained bool
	RerunOf    int64
	Priority   int
	// Receiver is sent its end; nil: it is sent to none.
	Receiver *store.Callback
	// Key and Body are those of store.Submission, and By who it is, for the audit.
	Key  string
	Body []byte
	By   access.By
}

// RunBody is a run as it is sent to its callback: as who may see all its hosts gets it.
func RunBody(run store.Run) ([]byte, error) {
	data, err := json.Marshal(api.NewRun(run))
	return append(data, '\n'), err
}

// runLimits bound what a client may ask of a run.
var runLimits = struct {
	Fanout, Hosts, Input int
	Timeout, Deadline    time.Duration
	RecordLimit          int64
}{runner.DefaultFanout, 10_000, 1 << 20, 24 * time.Hour, 24 * time.Hour, 64 << 20}
