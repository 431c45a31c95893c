package store

import (
	"context"
	"fmt"
	"time"

	"tutti/fanout"
)

// A Queue has the runs that were submitted and wait for a daemon. Its contract:
//
//   - Submit numbers a run and writes it down with its hosts, in state [Queued],
//     with the key of the submission: once it has returned, neither is lost.
//   - A run is claimed by one daemon at a time, by priority and then by age. The claim
//     ends when the daemon begins it, releases it, fails it, or dies; then every use of
//     the claim returns [ErrTaken].
//   - A daemon begins what it has claimed by [History.Begin] with RunInfo.Claimed and
//     RunInfo.Owner. From then on the run is like any other: it is recorded, watched for
//     requests to stop, and interrupted if its process dies.
//   - A run whose daemon dies before anything is recorded of any host is queued again;
//     the third time it is set aside: finished, stopped as [fanout.StoppedPoisoned]. One
//     whose secrets died with their daemon is interrupted, as [fanout.StoppedSecretsGone].
//     Both have a Reason, and the store's Logger and Warn report them. This happens when a
//     process opens the store, claims, or calls [History.Ends].
//   - [Jobs.StopRun] ends a waiting run at once, claimed or not.
//
// A daemon wakes by [scheduler.Membership.Wake], claims as many runs as it has room
// for, decides each again from its Request for exactly its Hosts, and begins it. The
// methods may be called by many goroutines at once.
type Queue interface {
	// Submit adds a run to the queue. If the same principal submitted a run with the
	// same key in the last 24 hours, the error is a *ReplayedError, or a
	// *KeyReusedError if that body was another; if too many runs wait, it is a
	// *QueueFullError.
	Submit(ctx context.Context, s Submission) (Submitted, error)
	// Replayed is what Submit would say of a submission with that key, by what was taken
	// before: a *ReplayedError, a *KeyReusedError, or nil.
	Replayed(ctx context.Context, principal, key string, body []byte, now time.Time) error
	// Claim claims for owner the first runs that it may begin, at most most. Owner has
	// to release or fail those that it cannot begin.
	Claim(ctx context.Context, owner Daemon, most int) ([]ClaimedRun, error)
	// Release returns a claimed run to its place in the queue; the claim counts as no
	// death. The error is ErrTaken if the claim has ended.
	Release(ctx context.Context, held QueueEntry) error
	// Fail ends a claimed run that cannot begin: it is finished, stopped as
	// fanout.StoppedRefused. The reason is for users, and holds no secret. The error is
	// ErrTaken if the claim has ended.
	Fail(ctx context.Context, held QueueEntry, reason string, now time.Time) error
	// Waiting returns the runs in the queue, in order, claimed ones first.
	Waiting(ctx context.Context) ([]WaitingRun, error)
	// Script returns the text of the script that a run was submitted with, for as long as
	// the run is kept; nil: it was submitted with none.
	Script(ctx context.Context, run int64) ([]byte, error)
	// Find returns the run that a principal submitted with a key in the last 24 hours;
	// 0: none.
	Find(ctx context.Context, principal, key string, now time.Time) (run int64, err error)
	// Move changes the priority of a waiting run, and returns its place; see Submitted.
	// The error is a *NotQueuedError if it does not wait any more, or a *NoRunError.
	Move(ctx context.Context, run int64, priority int) (place int, err error)
}

// A Submission is a run for a daemon to execute.
type Submission struct {
	// Plan is the decided plan: the run is for its hosts, whatever the selector selects
	// later.
	Plan fanout.Plan
	// Info is the RunInfo; Begin takes Given, Firing, Owner and the fields about
	// recording from its own.
	Info RunInfo
	// Request is what a daemon decides the run from again.
	Request QueuedRequest
	// Priority: higher ones start first; the default is 0.
	Priority int
	// Secrets is the daemon that has, in its memory, secrets that the run needs and
	// Request must not hold; nil: the run needs none. Without that daemon the run
	// cannot begin.
	Secrets Daemon
	// Key is the key of an idempotent request, unique per Info.Principal, and Body an
	// HMAC of its body, never the body; "": the client sent none.
	Key  string
	Body []byte
	// Callback gets the end of the run; its Run, Attempt and Ended are not set yet.
	// Nil: none does.
	Callback *Callback
	// Most bounds how many runs may wait, this one included; 0: any number.
	Most int
	// Now is the time.
	Now time.Time
}

// A QueuedRequest is what a run is decided from. It is stored until the run has ended,
// and holds no secret.
type QueuedRequest struct {
	// Keys are the values of the keys that were set, for Request.Set of package runner.
	Keys map[string][]string `json:"keys,omitempty"`
	// Selector selected the hosts. Command or Script is executed; neither: the run logs
	// in only.
	Selector string        `json:"selector,omitempty"`
	Command  string        `json:"command,omitempty"`
	Script   *QueuedScript `json:"script,omitempty"`
	// Job is what TUTTI_ variables tell the command; nil: there are none. It is the
	// zero value in a run that is no job's.
	Job *fanout.JobInfo `json:"job,omitempty"`
}

// A QueuedScript is a script to send.
type QueuedScript struct {
	Label       string   `json:"label,omitempty"`
	Text        []byte   `json:"text"`
	Interpreter string   `json:"interpreter,omitempty"`
	Args        []string `json:"args,omitempty"`
}

// Submitted is an accepted submission.
type Submitted struct {
	Run int64
	// Place is 1 for the run that is claimed next; 0: the run is claimed, or does not
	// wait any more.
	Place int
}

// A ClaimedRun is a claimed run as it was submitted.
type ClaimedRun struct {
	// QueueEntry is the claim: the argument of Release and Fail, and RunInfo.Claimed of
	// Begin.
	QueueEntry
	Run     Run
	Request QueuedRequest
	// Hosts are the hosts of the plan, in its order.
	Hosts []string
}

// A WaitingRun is a run in the queue.
type WaitingRun struct {
	QueueEntry
	Run Run
	// Place is that of Submitted, and For what the run waits for.
	Place int
	For   Wait
}

// KeptKeys is how long the key of a submission is stored.
const KeptKeys = 24 * time.Hour

// A ReplayedError says that the same request was accepted before: it made Run, or the job
// of the number Job, or Firing of that job.
type ReplayedError struct {
	noAdvice
	Run, Job, Firing int64
}

func (e *ReplayedError) Error() string {
	switch {
	case e.Run != 0:
		return fmt.Sprintf("it was submitted before, as run %d", e.Run)
	case e.Firing != 0:
		return fmt.Sprintf("it was requested before, as firing %d", e.Firing)
	}
	return "the same request added the job before"
}

// A KeyReusedError says that the key of a request was used for another one, which may
// have made Run.
type KeyReusedError struct {
	noAdvice
	Key string
	Run int64
}

func (e *KeyReusedError) Error() string {
	if e.Run == 0 {
		return "the key was used for another request"
	}
	return fmt.Sprintf("the key was used for another request, which is run %d", e.Run)
}

// A QueueFullError says that the maximum number of runs wait.
type QueueFullError struct {
	noAdvice
	Most int
}

func (e *QueueFullError) Error() string { return fmt.Sprintf("%d runs are waiting already", e.Most) }

// A NotQueuedError says that a run does not wait, or not any more.
type NotQueuedError struct {
	noAdvice
	Run   int64
	State State
}

func (e *NotQueuedError) Error() string {
	return fmt.Sprintf("run %d is not waiting: it is %s", e.Run, e.State)
}

// A NotEndedError says that a run has not ended, or is not done with.
type NotEndedError struct {
	noAdvice
	Run   int64
	State State
}

func (e *NotEndedError) Error() string { return fmt.Sprintf("run %d is %s", e.Run, e.State) }

// A HostsChangedError says that a submitted run would begin on other hosts than it was
// submitted for.
type HostsChangedError struct {
	noAdvice
	Run int64
}

func (e *HostsChangedError) Error() string {
	return fmt.Sprintf("run %d was submitted for other hosts", e.Run)
}

// SameHosts returns a *HostsChangedError if the plan of a run has other hosts than
// those it was submitted for, or another order.
func SameHosts(run int64, plan fanout.Plan, hosts []string) error {
	if len(plan.Targets) != len(hosts) {
		return &HostsChangedError{Run: run}
	}
	for i := range hosts {
		if t := &plan.Targets[i]; t.Index != i || t.Name != hosts[i] {
			return &HostsChangedError{Run: run}
		}
	}
	return nil
}
