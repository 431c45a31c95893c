package client

import (
	"context"
	"net/http"

	"tutti/api"
	"tutti/store"
)

// Controllers are the daemons that serve the history of a server.
type Controllers struct{ c *Client }

// ControllersOf are those of a server.
func ControllersOf(c *Client) *Controllers { return &Controllers{c} }

// List lists them, the oldest first.
func (x *Controllers) List(ctx context.Context) ([]api.Controller, error) {
	return list[api.Controller](ctx, x.c, 0, nil, "controllers")
}

// Drain has one start nothing any more or, if drain is false, runs again. The error is a
// *store.NoControllerError if there is none of that number.
func (x *Controllers) Drain(ctx context.Context, id int64, drain bool) error {
	method := http.MethodDelete
	if drain {
		method = http.MethodPut
	}
	err := x.c.sendOnce(ctx, method, nil, nil, nil, "controllers", number(id), "drain")
	if isProblem(err, "no-controller") {
		err = &store.NoControllerError{ID: id}
	}
	return err
}
