package server

import (
	"context"
	"net/http"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/server/operation"
)

// noNotification is the problem of a message that does not wait.
var noNotification = operation.Kind{
	Name: "no-notification", Title: "There is no such notification", Status: http.StatusNotFound,
	Text: "It was delivered, or given up. The attempts are in the log of the job, and what waits is at /notifications.",
}

// operations are those about messages that wait to be delivered.
func (a outboxOps) operations() []operation.Operation {
	if a.Messages == nil {
		return nil
	}
	return []operation.Operation{
		operation.ListOf(operation.Spec{
			Method: http.MethodGet, Path: "/notifications", ID: "listNotifications", Tag: "jobs", Action: access.Read,
			Summary: "List the notifications that are not delivered yet, the oldest first",
		}, a.list),
		operation.Of(operation.Spec{
			Method: http.MethodPost, Path: "/notifications/{id}/retry", ID: "retryNotification", Tag: "jobs", Action: access.Notify,
			Summary: "Deliver a notification now that waits for its next attempt", Changes: true, Problems: []operation.Kind{noNotification, outOfScope},
		}, a.retry),
	}
}

func (a outboxOps) list(ctx context.Context, _ *onlyPage, key string, limit int) ([]api.PendingNotification, string, error) {
	after, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	sees, err := a.seenJobs(ctx)
	if err != nil {
		return nil, "", err
	}
	var items []api.PendingNotification
	for range mostPages {
		page, err := a.Messages.Pending(ctx, after, limit, a.Now())
		if err != nil {
			return nil, "", err
		}
		for i := range page {
			after = page[i].ID
			if !sees(page[i].JobID) {
				continue
			}
			if items = append(items, api.NewPendingNotification(&page[i])); len(items) == limit {
				return items, keyOfNumber(after), nil
			}
		}
		if len(page) < limit {
			return items, "", nil
		}
	}
	return items, keyOfNumber(after), nil
}

// seenJobs says of jobs, by their numbers, whether who asks may see them.
func (a outboxOps) seenJobs(ctx context.Context) (func(id int64) bool, error) {
	if p := principalOf(ctx); len(p.Scopes) == 0 && len(p.Jobs) == 0 {
		return func(int64) bool { return true }, nil
	}
	views, err := a.Jobs.List(ctx)
	if err != nil {
		return nil, err
	}
	if views, err = visibleJobs(ctx, a.API, views, jobOfView); err != nil {
		return nil, err
	}
	seen := make(map[int64]bool, len(views))
	for i := range views {
		seen[views[i].ID] = true
	}
	return func(id int64) bool { return seen[id] }, nil
}

func (a outboxOps) retry(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1" doc:"the number of a notification"`
},
) (*operation.Answer[api.PendingNotification], error) {
	one, err := a.Messages.Message(ctx, in.ID, a.Now())
	if err != nil {
		return nil, err
	}
	sees, err := a.seenJobs(ctx)
	if err == nil && !sees(one.JobID) {
		err = noNotification.Fail("")
	}
	if err == nil {
		err = a.coversJob(ctx, one.Job)
	}
	if err != nil {
		return nil, err
	}
	if one, err = a.Messages.Hasten(ctx, in.ID, by(ctx, a.Now())); err != nil {
		return nil, err
	}
	return operation.Reply(api.NewPendingNotification(&one)), nil
}

// coversJob is an *access.ScopeError if the job would run on hosts outside the scope of who
// asks.
func (a outboxOps) coversJob(ctx context.Context, name string) error {
	visible, err := a.visible(ctx)
	if err != nil || visible == nil {
		return err
	}
	job, err := a.Jobs.Show(ctx, name)
	if err != nil {
		return err
	}
	outside := 0
	hosts := a.Fleet.JobHosts(ctx, []*scheduler.Job{&job.Job})[0]
	for _, host := range hosts {
		if !visible(host) {
			outside++
		}
	}
	if outside > 0 {
		return &access.ScopeError{Outside: outside, Hosts: len(hosts)}
	}
	return nil
}
