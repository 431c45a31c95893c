package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/fanout"
	"tutti/internal/phrase"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

// MaxQueued is how many submitted runs may wait.
const MaxQueued = 100

// The problems of submissions.
var (
	keyReused = operation.Kind{Name: "key-reused", Title: "The idempotency key was used for another request", Status: http.StatusUnprocessableEntity, Text: "A key stands for one request, for 24 hours. Choose another key."}
	queueFull = operation.Kind{Name: "queue-full", Title: "Too many runs are waiting", Status: http.StatusTooManyRequests, Text: "Try again after as many seconds as Retry-After says, or when runs have ended."}
	notQueued = operation.Kind{Name: "not-queued", Title: "The run does not wait", Status: http.StatusConflict, Text: "It has begun, or has ended. What is running is stopped with /runs/RUN/kill."}
	noScript  = operation.Kind{Name: "no-script", Title: "The script of the run is not on record", Status: http.StatusConflict, Text: "Send the script again, with POST /runs."}
)

// operations are those that start runs.
func (a submitOps) operations() []operation.Operation {
	if a.Submissions == nil {
		return nil
	}
	spec := func(path, id, summary string, problems ...operation.Kind) operation.Spec {
		return operation.Spec{
			Method: http.MethodPost, Path: path, ID: id, Summary: summary, Tag: "runs", Action: access.Run, Statuses: []int{http.StatusCreated}, Starts: true, Changes: true,
			Problems: append([]operation.Kind{outOfScope, localOnly, noInventory, noMatch, keyReused, queueFull, stopping}, problems...),
		}
	}
	plan := spec("/plan", "plan", "Say what a run would do, and where; nothing is run")
	plan.Action, plan.Statuses, plan.Starts, plan.Changes = access.Plan, nil, false, false
	plan.Problems = []operation.Kind{outOfScope, localOnly, noInventory, noMatch}
	dry := func(s operation.Spec) operation.Spec {
		s.Statuses = append(s.Statuses, http.StatusOK)
		s.Forms = []any{api.StartedRun{}, api.Plan{}}
		return s
	}
	return []operation.Operation{
		operation.Of(dry(spec("/runs", "createRun", "Run a command or a script on hosts")), a.createRun),
		operation.Of(plan, a.plan),
		operation.Of(dry(spec("/ping", "ping", "Log in to hosts, and run nothing")), a.ping),
		operation.Of(spec("/hosts/{host}/ping", "pingHost", "Log in to a host, and run nothing", noHost), a.pingHost),
		operation.Of(dry(spec("/runs/{run}/rerun", "rerun", "Run the same again, on the hosts that were not ok", noRun, prunedRun, stillRunning, noScript)), a.rerun),
	}
}

// Starting is what the operations have in common that start runs.
type Starting struct {
	Prefer  string `header:"Prefer" maxLength:"100" doc:"wait=N: answer when the run has ended, or after N seconds, at most 300"`
	RawBody []byte
}

func (a submitOps) createRun(ctx context.Context, in *struct {
	Starting
	Body api.RunRequest
},
) (*operation.Answer[any], error) {
	s, err := a.submission(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	return a.startOrPlan(ctx, s, &in.Starting, in.Body.DryRun)
}

// submission is what a request asks for.
func (a submitOps) submission(ctx context.Context, r *api.RunRequest) (*Submission, error) {
	if name := r.Local(); name != "" {
		return nil, &runner.LocalKeyError{Key: name}
	}
	s := &Submission{
		Principal: principalOf(ctx), Priority: r.Priority, Maintained: r.IncludeMaintenance,
		Request: store.QueuedRequest{Selector: r.Selector, Command: r.Command, Keys: api.Keys(&r.Hosts, &r.TaskKeys, &r.LimitKeys)},
	}
	switch {
	case r.Command == "" && r.Script == nil:
		return nil, operation.Invalid.Fail("want a command or a script").With(api.At("/command", "is missing"))
	case r.Command != "" && r.Script != nil:
		return nil, operation.Invalid.Fail("want a command or a script, not both").With(api.At("/script", "cannot be combined with command"))
	case r.Command != "" && strings.TrimSpace(r.Command) == "":
		return nil, operation.Invalid.Fail("").With(api.At("/command", "is blank"))
	}
	if r.Script != nil {
		s.Request.Script = queuedScript(r.Script)
	}
	if r.TuttiEnv {
		s.Request.Job = &fanout.JobInfo{}
	}
	return s, a.complete(s, &r.TaskKeys, &r.Receivers)
}

// complete adds to a submission what runs and reruns have in common.
func (a submitOps) complete(s *Submission, t *api.TaskKeys, to *api.Receivers) (err error) {
	if s.Maintained {
		if err := s.Principal.Check(access.Override); err != nil {
			return err
		}
	}
	if s.Receiver, err = a.receiver(&s.Principal, to); err != nil {
		return err
	}
	return unrecorded(s, t)
}

// queuedScript is a script as the queue keeps it.
func queuedScript(x *api.Script) *store.QueuedScript {
	words := append([]string{cmp.Or(x.Name, "-")}, x.Args...)
	label := "script " + phrase.ShellWords(words)
	return &store.QueuedScript{Label: label, Text: []byte(x.Text), Interpreter: x.Interpreter, Args: x.Args}
}

// unrecorded takes over what is kept nowhere: secrets and standard input.
func unrecorded(s *Submission, t *api.TaskKeys) error {
	for name := range t.Env {
		if strings.Contains(name, "=") {
			return operation.Invalid.Fail("").With(api.At("/env", "has a name with ="))
		}
		if _, both := t.SecretEnv[name]; both {
			return operation.Invalid.Fail("").With(api.At("/secret_env", "has a name that env has too"))
		}
	}
	for name, value := range t.SecretEnv {
		if strings.Contains(name, "=") {
			return operation.Invalid.Fail("").With(api.At("/secret_env", "has a name with ="))
		}
		if s.With.Secrets == nil {
			s.With.Secrets = make(map[string]fanout.Secret)
		}
		s.With.Secrets[name] = fanout.Secret(value)
	}
	switch {
	case t.Stdin != nil && t.StdinBase64 != nil:
		return operation.Invalid.Fail("").With(api.At("/stdin_base64", "cannot be combined with stdin"))
	case t.Stdin != nil:
		s.With.Stdin = []byte(*t.Stdin)
	case t.StdinBase64 != nil:
		data, err := base64.StdEncoding.DecodeString(*t.StdinBase64)
		if err != nil {
			return operation.Invalid.Fail("").With(api.At("/stdin_base64", "is not base64"))
		}
		s.With.Stdin = append([]byte{}, data...)
	}
	if len(s.With.Stdin) > runLimits.Input {
		return operation.Invalid.Fail("").With(api.At("/stdin", "is larger than 1 MiB"))
	}
	return nil
}

func (a submitOps) ping(ctx context.Context, in *struct {
	Starting
	Body api.PingRequest
},
) (*operation.Answer[any], error) {
	r := &in.Body
	if name := r.Local(); name != "" {
		return nil, &runner.LocalKeyError{Key: name}
	}
	return a.startOrPlan(ctx, &Submission{
		Principal: principalOf(ctx), Priority: r.Priority,
		Request: store.QueuedRequest{Selector: r.Selector, Keys: api.Keys(r, &r.Hosts)},
	}, &in.Starting, r.DryRun)
}

func (a submitOps) pingHost(ctx context.Context, in *struct {
	HostPath
	Prefer string `header:"Prefer" maxLength:"100" doc:"wait=N: answer when the run has ended, or after N seconds, at most 300"`
},
) (*operation.Answer[api.StartedRun], error) {
	views, err := a.hostViews(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range views {
		if views[i].Name == in.Host {
			return a.start(ctx, &Submission{
				Principal: principalOf(ctx), Exactly: []string{in.Host}, Request: store.QueuedRequest{Selector: in.Host},
			}, &Starting{Prefer: in.Prefer})
		}
	}
	return nil, noHost.Fail("the inventory has no such host")
}

// decide decides a submission within the limits.
func (a submitOps) decide(ctx context.Context, s *Submission) (*runner.Decision, error) {
	if err := checkLimits(&s.Request); err != nil {
		return nil, err
	}
	d, err := a.Submissions.Plan(ctx, s)
	if err != nil {
		return nil, err
	}
	if n := len(d.Plan.Targets); n > runLimits.Hosts {
		return nil, operation.Invalid.Fail("it has " + strconv.Itoa(n) + " hosts; a run may have " + strconv.Itoa(runLimits.Hosts))
	}
	return d, nil
}

// start submits a run and answers with it, or with that which the same request started
// before.
func (a submitOps) start(ctx context.Context, s *Submission, in *Starting) (*operation.Answer[api.StartedRun], error) {
	wait, err := waitOf(in.Prefer)
	if err != nil {
		return nil, err
	}
	if a.Stopping != nil && a.Stopping.Err() != nil {
		return nil, retryAfter(stopping.Fail(""), "5")
	}
	s.By = by(ctx, a.Now())
	if err := identify(ctx, s, in.RawBody); err != nil {
		return nil, err
	}
	if err := a.Submissions.Replayed(ctx, s.Principal.Name, s.Key, s.Body, s.By.At); err != nil {
		return a.replay(ctx, err, wait)
	}
	if err := checkRights(s); err != nil {
		return nil, a.refused(ctx, s, err)
	}
	d, err := a.decide(ctx, s)
	if err != nil {
		return nil, a.refused(ctx, s, err)
	}
	done, err := a.Submissions.Submit(ctx, s, d)
	if err != nil {
		return a.replay(ctx, err, wait)
	}
	answer, err := a.await(ctx, done.Run, wait)
	if err == nil {
		answer.Body.Warnings = d.Warnings
	}
	return answer, err
}

// checkRights is an *access.DeniedError if who asks may not make a run with these keys.
func checkRights(s *Submission) error {
	for _, user := range s.Request.Keys["user"] {
		if err := s.Principal.CheckLogin(user); err != nil {
			return err
		}
	}
	if len(s.Request.Keys["sudo"]) > 0 {
		return s.Principal.CheckSudo()
	}
	return nil
}

// refused records a start that rights did not allow, and returns err.
func (a submitOps) refused(ctx context.Context, s *Submission, err error) error {
	if a.Gate == nil || !errors.As(err, new(*access.DeniedError)) && !errors.As(err, new(*access.ScopeError)) {
		return err
	}
	entry := access.Entry{By: s.By, Action: "run.start", Outcome: access.Refused, After: access.Details{"reason": err.Error()}.JSON()}
	return errors.Join(err, a.Gate.Store.Record(context.WithoutCancel(ctx), entry))
}

// replay answers a request that was taken before.
func (a submitOps) replay(ctx context.Context, err error, wait time.Duration) (*operation.Answer[api.StartedRun], error) {
	before, ok := errors.AsType[*store.ReplayedError](err)
	if !ok {
		return nil, err
	}
	answer, err := a.await(ctx, before.Run, wait)
	if err == nil {
		answer.Header = replayed(answer.Header)
	}
	return answer, err
}

// await answers with a run once it has ended, or after wait.
func (a submitOps) await(ctx context.Context, run int64, wait time.Duration) (*operation.Answer[api.StartedRun], error) {
	number := strconv.FormatInt(run, 10)
	if wait > 0 {
		if err := a.awaitEnd(ctx, number, wait); err != nil {
			return nil, err
		}
	}
	_, form, err := runOps(a).run(ctx, number)
	if err != nil {
		return nil, err
	}
	answer := operation.Reply(api.StartedRun{Run: form})
	answer.Header = location(ctx, "/runs/", number)
	if wait > 0 {
		answer.Header.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
	}
	return answer, nil
}

// awaitEnd waits until a run has ended, for as long as wait, or until the daemon stops.
func (a submitOps) awaitEnd(ctx context.Context, run string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if a.Stopping != nil {
		defer context.AfterFunc(a.Stopping, cancel)()
	}
	wake, end := a.Submissions.Wake()
	defer end()
	for {
		r, err := a.Runs.Run(context.WithoutCancel(ctx), run, "")
		if err != nil || r.State.Ended() {
			return err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// maxWait is how long an answer is put off at most.
const maxWait = 300 * time.Second

// waitOf reads the header Prefer. Preferences that are not known are ignored.
func waitOf(prefer string) (time.Duration, error) {
	for word := range strings.FieldsFuncSeq(prefer, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		text, is := strings.CutPrefix(strings.ToLower(word), "wait=")
		if !is {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > int(maxWait.Seconds()) {
			return 0, operation.Invalid.Fail("").With(api.InParameter("Prefer", "want wait=N with 0 to 300 seconds"))
		}
		return time.Duration(n) * time.Second, nil
	}
	return 0, nil
}

// identify takes over the key of an idempotent request.
func identify(ctx context.Context, s *Submission, body []byte) error {
	k, err := requestKey(ctx, body, s.By.At)
	s.Key, s.Body = k.Key, k.Body
	return err
}
