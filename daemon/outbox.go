package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// An outbox has the messages about jobs, and the callbacks of submitted runs, whose
// bodies are made of the history when they are sent: what is on record of a run that has
// ended does not change.
type outbox struct {
	scheduler.Outbox
	callbacks store.Callbacks
	// form is what a callback sends; false: it is not told of that end.
	form func(context.Context, store.Callback) (scheduler.Delivery, bool, error)
	log  *slog.Logger
}

// outbox is what there is to deliver.
func (d *Daemon) outbox() *outbox {
	return &outbox{Outbox: &d.registration, callbacks: d.store.Callbacks(), log: d.c.Logger, form: d.callbackForm}
}

// callbackEvent is the event of a callback, in its header.
const callbackEvent = "run"

// bodyAgain is when a callback is tried again whose body could not be made.
const bodyAgain = 30 * time.Second

// Lease takes what is due; see [scheduler.Outbox].
func (o *outbox) Lease(ctx context.Context, now, until time.Time, most int) ([]scheduler.Delivery, error) {
	all, err := o.Outbox.Lease(ctx, now, until, most)
	if err != nil || len(all) == most {
		return all, err
	}
	callbacks, err := o.callbacks.Lease(ctx, now, until, most-len(all))
	if err != nil {
		// What was taken is to be delivered all the same.
		o.log.Warn("callbacks delayed: cannot read them", "error", err)
		return all, nil
	}
	for _, c := range callbacks {
		sent, told, err := o.form(ctx, c)
		if err == nil && !told {
			err = o.callbacks.Delivered(ctx, c, now, nil, time.Time{})
		}
		if err != nil {
			o.log.Warn("callback delayed: cannot read its run", "run", c.Run, "error", err)
			if err := o.callbacks.Release(ctx, []store.Callback{c}, now.Add(bodyAgain)); err != nil {
				o.log.Warn("callback delayed: cannot give it back", "run", c.Run, "error", err)
			}
			continue
		}
		if told {
			all = append(all, sent)
		}
	}
	return all, nil
}

// callbackOf is the callback of a delivery; ok is false for a message.
func callbackOf(d scheduler.Delivery) (c store.Callback, ok bool) {
	return store.Callback{Run: d.ID, Attempt: d.Attempt, URL: d.Notify.Webhook, By: d.Notify.WebhookBy}, d.Body != nil
}

// Delivered records an attempt; see [scheduler.Outbox].
func (o *outbox) Delivered(ctx context.Context, d scheduler.Delivery, now time.Time, err error, again time.Time) error {
	if c, ok := callbackOf(d); ok {
		return o.callbacks.Delivered(ctx, c, now, err, again)
	}
	return o.Outbox.Delivered(ctx, d, now, err, again)
}

// Release gives back what was not tried; see [scheduler.Outbox].
func (o *outbox) Release(ctx context.Context, ds []scheduler.Delivery, due time.Time) error {
	var messages []scheduler.Delivery
	var callbacks []store.Callback
	for _, d := range ds {
		if c, ok := callbackOf(d); ok {
			callbacks = append(callbacks, c)
			continue
		}
		messages = append(messages, d)
	}
	var failed error
	if len(callbacks) > 0 {
		failed = o.callbacks.Release(ctx, callbacks, due)
	}
	if len(messages) > 0 {
		failed = errors.Join(failed, o.Outbox.Release(ctx, messages, due))
	}
	return failed
}
