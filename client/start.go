package client

import (
	"context"
	"net/http"

	"tutti/api"
)

// Start submits a run; request is the JSON of an [api.RunRequest]. However often it
// arrives, the server starts one run.
func (c *Client) Start(ctx context.Context, request any) (run api.StartedRun, err error) {
	err = c.send(ctx, http.MethodPost, request, &run, "runs")
	return run, err
}
