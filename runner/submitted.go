package runner

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/store"
)

// Unrecorded is what a run that was submitted needs, and the history does not keep. The
// zero value is nothing.
type Unrecorded struct {
	// Secrets are the values of variables of which the request has only the names.
	Secrets map[string]fanout.Secret
	// Stdin is what the request calls its standard input; nil: it has none.
	Stdin []byte
}

// IsZero reports whether there is nothing.
func (u *Unrecorded) IsZero() bool { return len(u.Secrets) == 0 && u.Stdin == nil }

// Wipe overwrites the secrets, and the input, which may hold some.
func (u *Unrecorded) Wipe() {
	for _, secret := range u.Secrets {
		secret.Wipe()
	}
	clear(u.Stdin)
}

// has reports whether text, which as the value of k acts on this machine, stands for
// something that came with the request.
func (u *Unrecorded) has(k *Key, text string) bool {
	switch k.Name {
	case "env":
		_, ok := u.Secrets[text]
		return ok
	case "stdin":
		return text == "-" && u.Stdin != nil
	}
	return false
}

// env is env for a run that was submitted: nothing of this process's environment or
// standard input goes to its hosts.
func (u *Unrecorded) env(env *Env) *Env {
	e := *env
	e.Stdin = bytes.NewReader(u.Stdin)
	e.Terminal = nil
	e.LookupEnv = func(name string) (string, bool) {
		secret, ok := u.Secrets[name]
		return string(secret), ok
	}
	return &e
}

// A LocalKeyError says that a value in a request over the network acts on the machine of
// this process.
type LocalKeyError struct{ Key string }

func (e *LocalKeyError) Error() string {
	return fmt.Sprintf("%s acts on the daemon's machine, and is never taken from a request", e.Key)
}

// requestOfQueued is the complete request of a run that was submitted. It is a
// [*LocalKeyError] if a key acts on this machine.
func requestOfQueued(q *store.QueuedRequest, with *Unrecorded, getenv func(string) string) (*Request, error) {
	r := NewRequest()
	for _, name := range slices.Sorted(maps.Keys(q.Keys)) {
		k := lookup(name)
		if k == nil {
			return nil, fault.Usagef("unknown key %s", name)
		}
		for _, text := range q.Keys[name] {
			if k.Local(text) && !with.has(k, text) {
				return nil, &LocalKeyError{k.Option()}
			}
			if err := r.Set(name, text); err != nil {
				return nil, &KeyError{Key: k.Option(), Err: err}
			}
		}
	}
	if q.Script != nil && r.Task.PTY {
		return nil, fault.Usagef("a script is sent through standard input and cannot have a terminal: remove pty")
	}
	return &r, r.Complete(getenv)
}

// A KeyError says that the value of a key of a request is wrong.
type KeyError struct {
	Key string // as files have it: connect_timeout
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

// taskOfQueued is the task of a run that was submitted, without its environment. The
// caller closes its script.
func taskOfQueued(ctx context.Context, q *store.QueuedRequest) (task fanout.Task, err error) {
	task.Job = q.Job
	if q.Command != "" {
		task.Action = fanout.Command(q.Command)
	}
	if q.Script != nil {
		script, err := scriptOfText(ctx, q.Script)
		if err != nil {
			return task, err
		}
		task.Action = script
	}
	return task, nil
}

// A Submitted is a run that was submitted, and claimed by a daemon that is about to
// begin it.
type Submitted struct {
	store.ClaimedRun
	// Owner has claimed it.
	Owner store.Daemon
	// With is what is kept nowhere.
	With Unrecorded
	// Scopes are selectors, each of which has to select all of its hosts now.
	Scopes []string
	// Stopping ends when the run is not to begin any more; one that has begun goes on.
	Stopping context.Context
	// Begun is called when the run has begun, before anything connects.
	Begun func()
}

// Start executes a run that was submitted on the hosts that it was submitted for, each
// as the inventory has it now. An error before Begun says why it cannot begin, in the
// environment's words: it wraps the cause of Stopping if that has ended, and
// [store.ErrTaken] if the claim has. Afterwards it may be an [ExitError].
func (l *Launch) Start(ctx context.Context, s *Submitted) error {
	l.submitted, l.Env = s, s.With.env(l.Env)
	l.Lookup = &Lookup{ForJob: true, Exactly: s.Hosts, Scopes: s.Scopes}
	d, done, err := l.decideQueued(ctx, &s.Request, &s.With, s.Run.Selector)
	if err != nil {
		return l.Env.Wording.Error(err)
	}
	defer done()
	d.Plan.Source, d.Plan.Selector, d.RerunOf = s.Run.Source, s.Run.Selector, s.Run.RerunOf
	if err = l.Run(ctx, d); OnlyOutcomes(err) {
		return err
	}
	return l.Env.Wording.Error(err)
}

// DecideSubmission decides a run that is about to be submitted, with l.Lookup, for
// exactly the plan that it is submitted with. Nothing connects.
func (l *Launch) DecideSubmission(ctx context.Context, q *store.QueuedRequest, with *Unrecorded) (*Decision, error) {
	l.Env = with.env(l.Env)
	d, done, err := l.decideQueued(ctx, q, with, q.Selector)
	if err != nil {
		return nil, err
	}
	done()
	if l.Lookup.Exactly != nil {
		d.Plan.Selector = q.Selector
	}
	return d, nil
}

// decideQueued decides what a run does that was submitted, and where. done closes what
// is open for it.
func (l *Launch) decideQueued(ctx context.Context, q *store.QueuedRequest, with *Unrecorded, selector string) (_ *Decision, done func(), err error) {
	if l.Request, err = requestOfQueued(q, with, l.Env.Getenv); err != nil {
		return nil, nil, err
	}
	ctx, prepared := l.preparing(ctx)
	defer prepared()
	task, err := taskOfQueued(ctx, q)
	if err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	r, err := l.Env.Prepare(&l.Request.Task, task)
	if err != nil {
		CloseScript(task)
		return nil, nil, err
	}
	done = func() {
		r.Close()
		CloseScript(task)
	}
	d, err := l.Decide(ctx, selector, r.Task)
	if err != nil {
		done()
		return nil, nil, causeOf(ctx, err)
	}
	return d, done, nil
}
