package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
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
			Summary: "List the notifications that are not delivered yet, the oldest first, then the callbacks of runs",
		}, a.list),
		operation.Of(operation.Spec{
			Method: http.MethodPost, Path: "/notifications/{id}/retry", ID: "retryNotification", Tag: "jobs", Action: access.Notify,
			Summary: "Deliver a notification now that waits for its next attempt", Changes: true, Problems: []operation.Kind{noNotification, outOfScope},
		}, a.retry),
	}
}

// callbackKey begins the keys of callbacks, which are listed after the messages.
const callbackKey = "run:"

func (a outboxOps) list(ctx context.Context, _ *onlyPage, key string, limit int) (items []api.PendingNotification, last string, err error) {
	run, messagesOver := strings.CutPrefix(key, callbackKey)
	if !messagesOver {
		if items, last, err = a.listMessages(ctx, key, limit); err != nil || last != "" || a.Callbacks == nil {
			return items, last, err
		}
		if len(items) == limit {
			return items, callbackKey, nil
		}
	}
	callbacks, last, err := a.listCallbacks(ctx, run, limit-len(items))
	return append(items, callbacks...), last, err
}

// listMessages are the messages after a key that who asks may see.
func (a outboxOps) listMessages(ctx context.Context, key string, limit int) (items []api.PendingNotification, last string, err error) {
	after, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	sees, err := a.seenJobs(ctx)
	if err != nil {
		return nil, "", err
	}
	return sifted(after, limit, func(after int64, limit int) ([]store.PendingMessage, error) {
		return a.Messages.Pending(ctx, after, limit, a.Now())
	}, func(m *store.PendingMessage) (form api.PendingNotification, id int64, seen bool, err error) {
		return api.NewPendingNotification(m), m.ID, sees(m.JobID), nil
	})
}

// listCallbacks are the callbacks after a key of runs that who asks may see.
func (a outboxOps) listCallbacks(ctx context.Context, key string, limit int) (items []api.PendingNotification, last string, err error) {
	after, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	p := principalOf(ctx)
	all := len(p.Scopes) == 0 && len(p.Jobs) == 0
	items, last, err = sifted(after, limit, func(after int64, limit int) ([]store.PendingCallback, error) {
		return a.Callbacks.Pending(ctx, after, limit)
	}, func(c *store.PendingCallback) (form api.PendingNotification, id int64, seen bool, err error) {
		if seen = all; !all {
			seen, err = a.seesRun(ctx, c.Run)
		}
		return api.NewPendingCallback(c), c.Run, seen, err
	})
	if last != "" {
		last = callbackKey + last
	}
	return items, last, err
}

// seesRun reports whether who asks may see a run, which may be gone.
func (a outboxOps) seesRun(ctx context.Context, id int64) (bool, error) {
	run, err := a.Runs.Run(ctx, keyOfNumber(id), "")
	if errors.As(err, new(*store.NoRunError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, sees, err := runOps(a).runForm(ctx, run)
	return sees, err
}

// sifted are the forms of what pages have after a number and who asks may see, at most
// limit of them, and the key for what follows: empty if there is nothing.
func sifted[T any](
	after int64, limit int, page func(after int64, limit int) ([]T, error), form func(*T) (form api.PendingNotification, id int64, seen bool, err error),
) (items []api.PendingNotification, last string, err error) {
	for range mostPages {
		rows, err := page(after, limit)
		if err != nil {
			return nil, "", err
		}
		for i := range rows {
			one, id, seen, err := form(&rows[i])
			if err != nil {
				return nil, "", err
			}
			if after = id; !seen {
				continue
			}
			if items = append(items, one); len(items) == limit {
				return items, keyOfNumber(after), nil
			}
		}
		if len(rows) < limit {
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
