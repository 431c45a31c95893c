package server

import (
	"context"
	"maps"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/fanout"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

// rerun starts the same once more. It is judged as a new request of who asks now: what
// the earlier run had of the machine where it was started is refused by name.
func (a submitOps) rerun(ctx context.Context, in *struct {
	RunPath
	Starting
	Body api.RerunRequest
},
) (*operation.Answer[any], error) {
	r := &in.Body
	if name := r.Local(); name != "" {
		return nil, &runner.LocalKeyError{Key: name}
	}
	run, _, err := runOps(a).run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	if !run.State.Ended() {
		return nil, stillRunning.Fail("")
	}
	s := &Submission{Principal: principalOf(ctx), Priority: r.Priority, Maintained: r.IncludeMaintenance, RerunOf: run.ID}
	if err := a.again(ctx, s, run, r); err != nil {
		return nil, err
	}
	hosts, err := a.hostsAgain(ctx, s, run, r)
	if err != nil {
		return nil, err
	}
	if !narrows(&r.Hosts) {
		s.Exactly = hosts
	}
	if err := a.complete(s, &r.TaskKeys, &r.Receivers); err != nil {
		return nil, err
	}
	return a.startOrPlan(ctx, s, &in.Starting, r.DryRun)
}

// again takes over what the run was given, below what is given now.
func (a submitOps) again(ctx context.Context, s *Submission, run store.Run, r *api.RerunRequest) error {
	decided, err := a.Runs.Decided(ctx, run.ID)
	if err != nil {
		return err
	}
	switch action := decided.Task.Action.(type) {
	case fanout.Command:
		s.Request.Command = string(action)
	case *fanout.Script:
		if s.Request.Script, err = a.scriptAgain(ctx, run.ID, action); err != nil {
			return err
		}
	case *fanout.Transfer:
		return operation.Invalid.Fail("").With(api.At("/run", "moved files of the machine where it was started, which cannot be repeated here"))
	}
	if s.Request.Job = decided.Task.Job; r.TuttiEnv != nil {
		s.Request.Job = nil
		if *r.TuttiEnv {
			s.Request.Job = &fanout.JobInfo{}
		}
	}
	keys := maps.Clone(decided.Given)
	if keys == nil {
		keys = map[string][]string{}
	}
	for name, texts := range api.Keys(&r.Hosts, &r.TaskKeys, &r.LimitKeys) {
		if name == "env" {
			texts = append(withoutNames(keys["env"], texts), texts...)
		}
		keys[name] = texts
	}
	switch { // a terminal and an input exclude each other: what is given now counts
	case r.Stdin != nil || r.StdinBase64 != nil:
		delete(keys, "pty")
	case r.PTY != nil && *r.PTY:
		delete(keys, "stdin")
	case keys["stdin"] != nil && keys["stdin"][0] == "-":
		return operation.Invalid.Fail("").With(api.At("/stdin", "is missing: the run had a standard input, which is not on record"))
	}
	for _, variable := range keys["env"] {
		if _, given := r.SecretEnv[variable]; !given && !strings.Contains(variable, "=") {
			return operation.Invalid.Fail("").With(api.At("/secret_env", "does not have all of the run's secrets; their names are in its plan"))
		}
	}
	s.Request.Keys = keys
	return nil
}

// scriptAgain is the script of a run, whose text is on record if it was submitted.
func (a submitOps) scriptAgain(ctx context.Context, run int64, script *fanout.Script) (*store.QueuedScript, error) {
	text, err := a.Submissions.Script(ctx, run)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, noScript.Fail("")
	}
	return runner.QueuedAgain(script, text), nil
}

// withoutNames are the variables that later ones do not set.
func withoutNames(variables, later []string) []string {
	set := map[string]bool{}
	for _, v := range later {
		name, _, _ := strings.Cut(v, "=")
		set[name] = true
	}
	var left []string
	for _, v := range variables {
		if name, _, _ := strings.Cut(v, "="); !set[name] {
			left = append(left, v)
		}
	}
	return left
}

// narrows reports whether some of the hosts are chosen.
func narrows(h *api.Hosts) bool {
	return h.Only != nil || h.Exclude != nil || h.Limit != nil || h.Pick != nil
}

// hostsAgain are the hosts of a run that are meant, before some of them are chosen. Of
// all of them, none may be hidden from who asks.
func (a submitOps) hostsAgain(ctx context.Context, s *Submission, run store.Run, r *api.RerunRequest) ([]string, error) {
	wanted, err := outcomesOf(r.Outcomes)
	if err != nil {
		return nil, err
	}
	var outcomes []fanout.Outcome
	if !r.All {
		if outcomes = runner.OutcomesAgain(run, wanted); outcomes == nil {
			return nil, noMatch.Fail("no host of the run ended with one of these outcomes")
		}
	}
	hosts, err := a.Submissions.Hosts(ctx, run.ID, outcomes)
	if err != nil {
		return nil, err
	}
	s.Request.Selector = runner.RunItem(run.ID, outcomes)
	visible, err := a.visible(ctx)
	if err != nil || visible == nil || narrows(&r.Hosts) {
		return hosts, err // the decision sees to those that are chosen
	}
	outside := 0
	for _, host := range hosts {
		if !visible(host) {
			outside++
		}
	}
	if outside > 0 {
		err := &access.ScopeError{Outside: outside, Hosts: len(hosts)}
		s.By = by(ctx, a.Now())
		return nil, a.refused(ctx, s, err)
	}
	return hosts, nil
}
