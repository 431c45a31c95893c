package server

import (
	"context"
	"net/http"

	"tutti/access"
	"tutti/api"
	"tutti/server/operation"
)

func (a submitOps) plan(ctx context.Context, in *struct{ Body api.RunRequest }) (*operation.Answer[api.Plan], error) {
	s, err := a.submission(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	form, err := a.planOf(ctx, s)
	if err != nil {
		return nil, err
	}
	return operation.Reply(form), nil
}

// planOf is what a submission would do.
func (a submitOps) planOf(ctx context.Context, s *Submission) (form api.Plan, err error) {
	d, err := a.decide(ctx, s)
	if err != nil {
		return form, err
	}
	form = api.NewPlan(d)
	form.Warnings = d.Warnings
	if s.Principal.Check(access.Origins) != nil {
		form.Inventory = ""
		for i := range form.Hosts {
			form.Hosts[i].Identity, form.Hosts[i].ProxyCommand = nil, ""
		}
	}
	return form, nil
}

// startOrPlan submits a run, or says what it would do.
func (a submitOps) startOrPlan(ctx context.Context, s *Submission, in *Starting, dry bool) (*operation.Answer[any], error) {
	if !dry {
		answer, err := a.start(ctx, s, in)
		if err != nil {
			return nil, err
		}
		return &operation.Answer[any]{Status: answer.Status, Body: answer.Body, Header: answer.Header}, nil
	}
	if _, err := waitOf(in.Prefer); err != nil {
		return nil, err
	}
	if err := checkRights(s); err != nil {
		return nil, err
	}
	form, err := a.planOf(ctx, s)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[any]{Status: http.StatusOK, Body: form}, nil
}
