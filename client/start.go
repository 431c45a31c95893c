package client

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"tutti/api"
	"tutti/internal/fault"
)

// maxRequest bounds what a server takes as the body of a request, in bytes.
const maxRequest = 2 << 20

// A Runner has a server execute runs.
type Runner struct{ c *Client }

// Runner has the server execute runs.
func (c *Client) Runner() *Runner { return &Runner{c} }

// Submit submits a run by the operation of that path: runs, ping, or the rerun of a run.
// request is its JSON: an [api.RunRequest], [api.PingRequest] or [api.RerunRequest].
// However often it arrives, the server starts one run.
func (r *Runner) Submit(ctx context.Context, request map[string]any, operation ...string) (run api.StartedRun, err error) {
	body, err := runBody(request)
	if err != nil {
		return run, err
	}
	err = r.c.send(ctx, http.MethodPost, body, &run, operation...)
	return run, err
}

// Plan is what a run would do, and where, that was submitted so.
func (r *Runner) Plan(ctx context.Context, request map[string]any, operation ...string) (plan api.Plan, err error) {
	if slices.Equal(operation, []string{"runs"}) {
		operation = []string{"plan"} // who may run nothing may ask it
	} else {
		request = maps.Clone(request)
		request["dry_run"] = true
	}
	body, err := runBody(request)
	if err != nil {
		return plan, err
	}
	err = r.c.send(ctx, http.MethodPost, body, &plan, operation...)
	return plan, err
}

// runBody is the JSON of a request for a run.
func runBody(request map[string]any) (json.RawMessage, error) {
	body, err := json.Marshal(request)
	if err == nil && len(body) > maxRequest {
		err = fault.Usagef("command, script, input and variables are larger than %d MiB together, the most that a server takes", maxRequest>>20)
	}
	return body, err
}
