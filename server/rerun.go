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
) (*operation.Answer[api.StartedRun], error) {
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
	s := &Submission{Principal: principalOf(ctx), Priority: r.Priority, RerunOf: run.ID}
	if err := a.again(ctx, s, run, r); err != nil {
		return nil, err
	}
	if s.Exactly, err = a.hostsAgain(ctx, s, run, r); err != nil {
		return nil, err
	}
	if err := unrecorded(s, &r.TaskKeys); err != nil {
		return nil, err
	}
	return a.start(ctx, s, &in.Starting)
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
		return noScript.Fail("")
	}
	keys := maps.Clone(decided.Given)
	if keys == nil {
		keys = map[string][]string{}
	}
	for name, texts := range api.Keys(&r.TaskKeys, &r.LimitKeys) {
		if name == "env" {
			texts = append(withoutNames(keys["env"], texts), texts...)
		}
		keys[name] = texts
	}
	for _, variable := range keys["env"] {
		if _, given := r.SecretEnv[variable]; !given && !strings.Contains(variable, "=") {
			return operation.Invalid.Fail("").With(api.At("/secret_env", "does not have all of the run's secrets; their names are in its plan"))
		}
	}
	s.Request.Keys = keys
	return nil
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

// hostsAgain are the hosts of a run that are meant; none may be hidden from who asks.
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
	if err != nil || visible == nil {
		return hosts, err
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
