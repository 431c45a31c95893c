package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"tutti/scheduler"
)

const (
	// notifyTick is how often the outbox is asked what is due.
	notifyTick = time.Second
	// notifyGrace is how long deliveries have that are on their way when the
	// daemon is to end.
	notifyGrace = 5 * time.Second
	// recordLimit bounds how long it may take to write down an attempt.
	recordLimit = 10 * time.Second
)

// forever is longer than any lease.
const forever = math.MaxInt64

// errStopping is the cause of deliveries that are cut off by the daemon's end.
var errStopping = errors.New("the daemon stopped during the delivery")

// A Notifier delivers the messages of an outbox. A receiver, which is a URL or a
// command, gets one at a time, in the order in which they came unless one has to
// be repeated; a slow receiver delays no other. A message arrives twice
// if the daemon ends after it has arrived and before that is written down.
type Notifier struct {
	// Outbox is used by one goroutine at a time.
	Outbox scheduler.Outbox
	// Version goes into the User-Agent of webhooks; empty: it is left out.
	Version string
	// Observer gets the result of every attempt; nil: it is not reported.
	Observer Observer
	// Logger gets what did not arrive; nil: it is not logged.
	Logger *slog.Logger
	// Transport reaches webhooks; nil: directly, or by the proxy that the
	// environment names.
	Transport http.RoundTripper
	// Guard reaches webhooks of users that may not act on this machine; nil: they are
	// not sent.
	Guard *Guard
	// Now is the time; nil: time.Now.
	Now func() time.Time
	// ForceStop ends when Run is to return at once, should its ctx have ended;
	// nil: never.
	ForceStop context.Context
}

// Run delivers until ctx ends. What is on its way then has five seconds left, or
// until ForceStop ends, and what does not arrive stays in the outbox.
func (n *Notifier) Run(ctx context.Context) {
	r := &deliveryLoop{
		Notifier: *n,
		queues:   queues{byReceiver: map[string]*queue{}},
		sent:     make(chan sending),
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.ForceStop == nil {
		r.ForceStop = context.Background()
	}
	hurry, kill := context.WithCancel(context.Background())
	defer kill()
	r.shell = shell{commandLimit, commandGrace, hurry}
	r.webhooks = newWebhooks(r.Transport, r.Version, r.Now)
	r.webhooks.guarded = newGuarded(r.Guard)
	defer r.webhooks.close()
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	tick := time.NewTicker(notifyTick)
	defer tick.Stop()
	r.take(ctx)
	for {
		r.giveBack(work, r.queues.remove(attemptLimit), 0)
		r.begin(work)
		select {
		case <-ctx.Done():
			defer time.AfterFunc(notifyGrace, func() { cut(errStopping) }).Stop()
			defer context.AfterFunc(r.ForceStop, func() {
				cut(errStopping)
				kill()
			})()
			r.giveBack(work, r.queues.remove(forever), 0)
			for r.queues.busy > 0 {
				r.record(work, <-r.sent)
			}
			return
		case s := <-r.sent:
			r.record(work, s)
		case <-tick.C:
			r.take(ctx)
		}
	}
}

// deliveryLoop is a running Notifier. It belongs to the goroutine of Run; the other
// goroutines only deliver, and send their results to it.
type deliveryLoop struct {
	Notifier
	webhooks *webhooks
	shell    shell
	queues   queues
	sent     chan sending
	// outboxFailing: the outbox could not be read the last time, and that was
	// logged.
	outboxFailing bool
}

// A sending is a delivery that was tried, and why it did not arrive.
type sending struct {
	scheduler.Delivery
	err error
}

// take asks the outbox what is due.
func (r *deliveryLoop) take(ctx context.Context) {
	room := r.queues.room()
	if room == 0 {
		return
	}
	now := r.Now()
	due, err := r.Outbox.Lease(ctx, now, now.Add(lease), room)
	if err != nil {
		if !r.outboxFailing && ctx.Err() == nil {
			r.outboxFailing = true
			r.Logger.Error("notifications suspended: cannot read outbox", "error", err)
		}
		return
	}
	r.outboxFailing = false
	r.giveBack(ctx, r.queues.add(due), surplusPause)
}

// giveBack puts what was not tried back into the outbox, for a while.
func (r *deliveryLoop) giveBack(ctx context.Context, ds []scheduler.Delivery, pause time.Duration) {
	if len(ds) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if err := r.Outbox.Release(ctx, ds, r.Now().Add(pause)); err != nil {
		r.Logger.Warn("notifications delayed: cannot return them to the outbox", "count", len(ds), "error", err)
	}
}

// begin starts what may be on its way.
func (r *deliveryLoop) begin(ctx context.Context) {
	for {
		d, ok := r.queues.next()
		if !ok {
			return
		}
		// Run receives the result of each before it returns.
		go func() { r.sent <- sending{d, r.deliver(ctx, d)} }()
	}
}

// deliver tries once.
func (r *deliveryLoop) deliver(ctx context.Context, d scheduler.Delivery) error {
	if d.Notify.Webhook != "" {
		return r.webhooks.send(ctx, d)
	}
	return r.shell.run(ctx, d)
}

// record stores the result of an attempt, and when to try again.
func (r *deliveryLoop) record(ctx context.Context, s sending) {
	r.queues.done(s.Delivery)
	now := r.Now()
	again := s.again(now)
	if r.Observer != nil {
		r.Observer.Attempted(kind(s.Delivery), result(s, again))
	}
	if s.err != nil {
		r.Logger.Warn("notification not delivered", "job", s.Message.Job, "firing", s.Message.Firing, "event", s.Message.Type,
			"run", s.Message.Run, "kind", kind(s.Delivery), "attempt", s.Attempt, "error", s.err, "given_up", again.IsZero())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if err := r.Outbox.Delivered(ctx, s.Delivery, now, s.err, again); err != nil {
		r.Logger.Error("notification will be repeated: cannot record its result",
			"job", s.Message.Job, "firing", s.Message.Firing, "error", err)
	}
}

// receiver is whom a delivery goes to.
func receiver(d scheduler.Delivery) string {
	return string(kind(d)) + " " + cmp.Or(d.Notify.Webhook, d.Notify.Command)
}
