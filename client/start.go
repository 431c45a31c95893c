package client

import (
	"context"
	"net/http"

	"tutti/api"
)

// Start submits a run; request is encoded as an [api.RunRequest]. If it has to be sent
// again, the server starts one run.
func (c *Client) Start(ctx context.Context, request any) (run api.StartedRun, err error) {
	err = c.send(ctx, http.MethodPost, request, &run, "runs")
	return run, err
}
