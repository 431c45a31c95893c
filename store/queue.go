package store

import (
	"context"
	"fmt"
	"time"

	"tutti/fanout"
)

// A Queue is the runs that were submitted and wait for a daemon. What it promises:
//
//   - Submit numbers a run and writes it down with its hosts, in state [Queued],
//     and with it the key of the submission: after an answer neither is lost.
//   - A run is claimed by one daemon at a time, by priority and then by age. The claim
//     ends when the daemon begins it, gives it back, fails it, or dies; and a claim that
//     has ended is [ErrTaken] whatever is tried with it.
//   - A daemon begins what it has claimed by [History.Begin] with RunInfo.Claimed and
//     RunInfo.Owner. From then on the run is like any other: it is recorded, watched for
//     requests to stop, and interrupted if its process dies.
//   - A run whose daemon dies before anything is on record of any host is queued again;
//     the third time it is set aside: finished, stopped as [fanout.StoppedPoisoned]. One
//     whose secrets died with their daemon is interrupted, as [fanout.StoppedSecretsGone].
//     Both have a Reason, and the store's Logger and Warn are told. Whoever opens the
//     store next, claims, or asks for [History.Ends] does that.
//   - [Jobs.StopRun] ends a run that waits at once, claimed or not.
//
// A daemon wakes by [scheduler.Membership.Wake], claims as many as it has room for,
// decides each anew out of its Request for exactly its Hosts, and begins it. Its methods
// may be called by many goroutines at once.
type Queue interface {
	// Submit takes a run into the queue. If a submission of the same principal with the
	// same key was taken in the last 24 hours it is a *ReplayedError, or a *KeyReusedError
	// if its body was another one; and a *QueueFullError if too many wait.
	Submit(ctx context.Context, s Submission) (Submitted, error)
	// Claim gives the first runs that owner may begin to it, at most as many as most.
	// What owner cannot begin it has to give back or to fail.
	Claim(ctx context.Context, owner Daemon, most int) ([]ClaimedRun, error)
	// Release gives a run back that was claimed: it keeps its place, and that it was
	// claimed does not count. It is ErrTaken if the claim has ended.
	Release(ctx context.Context, held QueueEntry) error
	// Fail ends a run that was claimed and cannot begin, for a reason, which is for
	// people and holds no secret: it is finished, stopped as fanout.StoppedRefused. It is
	// ErrTaken if the claim has ended.
	Fail(ctx context.Context, held QueueEntry, reason string, now time.Time) error
	// Waiting are the runs in the queue, in their order, claimed ones first.
	Waiting(ctx context.Context) ([]WaitingRun, error)
	// Find is the run that was submitted by a principal with a key in the last 24 hours; 0:
	// there is none.
	Find(ctx context.Context, principal, key string, now time.Time) (run int64, err error)
	// Move changes the priority of a run that waits, and returns its place; see
	// Submitted. It is a *NotQueuedError if it waits no more, or a *NoRunError.
	Move(ctx context.Context, run int64, priority int) (place int, err error)
}

// A Submission is a run that is to be executed by a daemon.
type Submission struct {
	// Plan is what was decided: its hosts are the ones, whatever the selector means
	// later.
	Plan fanout.Plan
	// Info is that of Begin; of Given, Firing, Owner, and what is about recording, see
	// there when the run begins.
	Info RunInfo
	// Request is what another daemon decides the run from.
	Request QueuedRequest
	// Priority: the highest is first. 0 is that of a run of which nothing is said.
	Priority int
	// Secrets is the daemon that alone has what the run needs and Request must not
	// hold; nil: it needs nothing else. If that daemon ends the run cannot begin any more.
	Secrets Daemon
	// Key is that of an idempotent request, unique for Info.Principal, and Body an HMAC
	// of its body, never the body; "": none was sent.
	Key  string
	Body []byte
	// Callback is told of the end of the run, of which its Run, Attempt and Ended say
	// nothing yet; nil: nobody is told.
	Callback *Callback
	// Most is how many runs may wait, with this one; 0: any number.
	Most int
	// Now is the time.
	Now time.Time
}

// A QueuedRequest is what a run is decided from. It is kept on disk until the run has
// ended, and holds no secret.
type QueuedRequest struct {
	// Keys are the texts of each key that was set, as Request.Set of package runner
	// takes them.
	Keys map[string][]string `json:"keys,omitempty"`
	// Selector chose the hosts. Command is executed, or the script; neither: a login
	// only.
	Selector string        `json:"selector,omitempty"`
	Command  string        `json:"command,omitempty"`
	Script   *QueuedScript `json:"script,omitempty"`
}

// A QueuedScript is a script with what is needed to send it.
type QueuedScript struct {
	Label       string   `json:"label,omitempty"`
	Text        []byte   `json:"text"`
	Interpreter string   `json:"interpreter,omitempty"`
	Args        []string `json:"args,omitempty"`
}

// Submitted is a run that was taken.
type Submitted struct {
	Run int64
	// Place is 1 for the next that is claimed; 0: it waits no more, or is claimed.
	Place int
}

// A ClaimedRun is one that is to be begun, as it was submitted.
type ClaimedRun struct {
	// QueueEntry is the claim: RunInfo.Claimed when it begins, or what is given back or
	// failed.
	QueueEntry
	Run     Run
	Request QueuedRequest
	// Hosts are those of the plan, in its order.
	Hosts []string
}

// A WaitingRun is a run in the queue.
type WaitingRun struct {
	QueueEntry
	Run Run
	// Place is as that of Submitted, and For what it waits for.
	Place int
	For   Wait
}

// KeptKeys is how long the key of a submission is kept.
const KeptKeys = 24 * time.Hour

// A ReplayedError says that a submission was taken before: as Run.
type ReplayedError struct {
	noAdvice
	Run int64
}

func (e *ReplayedError) Error() string {
	return fmt.Sprintf("it was submitted before, as run %d", e.Run)
}

// A KeyReusedError says that the key of a submission was used for another one.
type KeyReusedError struct {
	noAdvice
	Key string
	Run int64
}

func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("the key was used for another request, which is run %d", e.Run)
}

// A QueueFullError says that as many runs wait as may.
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

// A HostsChangedError says that a run that was submitted would begin on other hosts
// than it was submitted for.
type HostsChangedError struct {
	noAdvice
	Run int64
}

func (e *HostsChangedError) Error() string {
	return fmt.Sprintf("run %d was submitted for other hosts", e.Run)
}

// SameHosts is a *HostsChangedError if the plan of a run has other hosts than those it
// was submitted for, in their order.
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
