package client

import (
	"context"
	"fmt"
	"net/http"

	"tutti/api"
	"tutti/store"
)

// A Queue is the runs that run and wait on a server.
type Queue struct{ c *Client }

// Queue is the queue of the server.
func (c *Client) Queue() *Queue { return &Queue{c} }

// Queued are the runs that run, then those that wait, in the order of their turn.
func (q *Queue) Queued(ctx context.Context) ([]api.QueueItem, error) {
	return list[api.QueueItem](ctx, q.c, 0, nil, "queue")
}

// Move changes the priority of a run that waits, and returns its place. The error is a
// *store.NotQueuedError if it does not wait any more.
func (q *Queue) Move(ctx context.Context, run int64, priority int) (place int, err error) {
	var item api.QueueItem
	err = q.c.sendOnce(ctx, http.MethodPatch, api.MoveRequest{Priority: priority}, &item, nil, "queue", number(run))
	if isProblem(err, "not-queued") {
		if now, runErr := q.c.History().Run(ctx, number(run), ""); runErr == nil {
			err = &store.NotQueuedError{Run: run, State: now.State}
		}
	}
	return item.Place, q.c.History().noRun(ctx, number(run), err)
}

// Daemon is the daemon that answers, as its history has it.
func (q *Queue) Daemon(ctx context.Context) (api.Daemon, error) {
	daemons, err := list[api.Daemon](ctx, q.c, 0, nil, "daemons")
	if err != nil {
		return api.Daemon{}, err
	}
	for _, d := range daemons {
		if d.Self {
			return d, nil
		}
	}
	return api.Daemon{}, fmt.Errorf("the daemon of %s has not joined its history yet", q.c.address)
}
