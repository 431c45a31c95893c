package client

import (
	"context"
	"net/http"
	"time"

	"tutti/api"
	"tutti/scheduler"
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

// StopRun requests a stop of a run, whatever process executes it. Only x.Run and x.Halt
// are used: the server records the principal. The error is a *store.KillError if the run
// has ended.
func (h *History) StopRun(ctx context.Context, x scheduler.Stop) error {
	return h.noRun(ctx, number(x.Run), h.c.Runner().Stop(ctx, x.Run, stopHow(x.Halt)))
}

// stopHow is [StopHalt] or [StopEnd].
func stopHow(halt bool) string {
	if halt {
		return StopHalt
	}
	return StopEnd
}

// Kill stops the runs of a job, and drops its queued firings. halt: running commands go
// on, and no more hosts are started. It returns the runs that are being stopped.
func (j *Jobs) Kill(ctx context.Context, name string, halt bool) ([]int64, error) {
	var answer api.KillAnswer
	if err := j.c.send(ctx, http.MethodPost, api.KillRequest{How: stopHow(halt)}, &answer, "jobs", name, "kill"); err != nil {
		return nil, j.noJob(ctx, name, err)
	}
	return answer.Runs, nil
}
