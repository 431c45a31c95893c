package client

import (
	"context"
	"net/http"
	"time"

	"tutti/api"
)

// lookEvery is how often a server is asked whether a run has ended.
const lookEvery = 500 * time.Millisecond

// Wake wakes a caller at intervals, whether something has changed or not, until end is
// called.
func (h *History) Wake() (wake <-chan struct{}, end func()) {
	woken, ended := make(chan struct{}, 1), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-ended:
				return
			}
			select {
			case woken <- struct{}{}:
			default:
			}
		}
	}()
	return woken, func() {
		close(ended)
		<-done
	}
}

// StopRun stops a run, whatever process executes it; the server records the principal. The
// error is a *store.KillError if the run has ended.
func (h *History) StopRun(ctx context.Context, run int64, _ string, _ time.Time) error {
	return h.noRun(ctx, number(run), h.c.Runner().Stop(ctx, run, StopEnd))
}

// Kill stops the runs of a job, and drops queued ones. It returns the runs that are being
// stopped.
func (j *Jobs) Kill(ctx context.Context, name string) ([]int64, error) {
	var answer api.KillAnswer
	if err := j.c.send(ctx, http.MethodPost, nil, &answer, "jobs", name, "kill"); err != nil {
		return nil, j.noJob(ctx, name, err)
	}
	return answer.Runs, nil
}
