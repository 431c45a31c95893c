package daemon

import (
	"context"
	"encoding/json"
	"os"
	"strconv"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/server"
	"tutti/server/compat"
	"tutti/store"
)

// callbackForm is what a callback sends about the end of its run: the answer about a
// task, or the run, or a message; told is false if it is not about such an end.
func (d *Daemon) callbackForm(ctx context.Context, c store.Callback) (sent scheduler.Delivery, told bool, err error) {
	sent = scheduler.Delivery{
		ID: c.Run, Attempt: c.Attempt,
		Notify:  scheduler.Notify{Webhook: c.URL, WebhookBy: c.By},
		Message: scheduler.Message{Type: callbackEvent, Run: c.Run, Time: c.Ended},
	}
	run, err := d.store.Run(ctx, strconv.FormatInt(c.Run, 10), "")
	if err != nil {
		return sent, false, err
	}
	switch {
	case c.On != "":
		return d.messageForm(ctx, sent, &run, c.On)
	case c.Task != "":
		task, err := compat.Result(ctx, d.store, &run, c.Task)
		if err == nil {
			sent.Body, err = task.Body()
		}
		return sent, true, err
	}
	sent.Body, err = server.RunBody(run)
	return sent, true, err
}

// messageForm is a message about the end of a run, if on has such an end. That a run was
// stopped is no failure, as it is none of a job.
func (d *Daemon) messageForm(ctx context.Context, sent scheduler.Delivery, run *store.Run, on string) (_ scheduler.Delivery, told bool, err error) {
	failed := run.Summary.Stopped != fanout.StoppedKill && run.Summary.Counts[fanout.OK] < run.Summary.Hosts
	if !failed && on != scheduler.OnAlways.String() {
		return sent, false, nil
	}
	about := scheduler.OnAlways
	if failed {
		about = scheduler.OnFailure
	}
	ends, err := d.store.Ends(ctx, []int64{run.ID})
	if len(ends) == 0 {
		return sent, false, err
	}
	message := scheduler.RunMessage(&ends[0], about)
	message.ID = run.ID
	if message.Machine, err = os.Hostname(); err != nil {
		return sent, false, err
	}
	sent.Message.Type = message.Type
	sent.Body, err = lineOf(message)
	return sent, true, err
}

// lineOf is a form as a line of JSON.
func lineOf(form any) ([]byte, error) {
	data, err := json.Marshal(form)
	return append(data, '\n'), err
}
