package notify

import (
	"slices"
	"time"

	"tutti/scheduler"
)

const (
	// lease is how long a delivery is reserved for the daemon that took it out of the
	// outbox. If the daemon dies, it is delivered that much later.
	lease = 2 * time.Minute
	// attemptLimit is more than any attempt takes, and the record of it.
	attemptLimit = commandLimit + commandGrace + 2*recordLimit
	// maxTaken is how many are taken out of the outbox at once, and maxHeld how
	// many are held.
	maxTaken = 64
	maxHeld  = 512
	// maxWaiting is how many of those wait for one receiver: as many as are
	// taken at once, so that one who is quick gets all of them. What is beyond
	// that goes back into the outbox, for as long as surplusPause, so that a slow
	// receiver does not take the room of the others.
	maxWaiting   = maxTaken
	surplusPause = 30 * time.Second
	// maxBusy is how many are on their way at once.
	maxBusy = 8
)

// queues are the deliveries that are held, by receiver. One of each receiver is
// on its way at a time.
type queues struct {
	byReceiver map[string]*queue
	// order has the receivers, the one that was served last at the end.
	order []string
	// held are deliveries that wait or are on their way, and busy the latter.
	held, busy int
}

// A queue is what is held for one receiver.
type queue struct {
	waiting []leased
	busy    bool
}

// A leased delivery is reserved for this daemon until a time, which does not follow
// steps of the clock.
type leased struct {
	scheduler.Delivery
	until time.Time
}

// room is how many may be taken out of the outbox.
func (l *queues) room() int { return min(maxTaken, maxHeld-l.held) }

// add puts what was taken just now into the queues. It returns what has no place.
func (l *queues) add(due []scheduler.Delivery) (surplus []scheduler.Delivery) {
	until := time.Now().Add(lease)
	for _, d := range due {
		to := receiver(d)
		one := l.byReceiver[to]
		if one == nil {
			one = &queue{}
			l.byReceiver[to] = one
			l.order = append(l.order, to)
		}
		if len(one.waiting) == maxWaiting {
			surplus = append(surplus, d)
			continue
		}
		one.waiting = append(one.waiting, leased{d, until})
		l.held++
	}
	return surplus
}

// next is a delivery that may begin now, if ok is true; done has to follow.
func (l *queues) next() (d scheduler.Delivery, ok bool) {
	for i := 0; i < len(l.order) && l.busy < maxBusy; {
		to := l.order[i]
		one := l.byReceiver[to]
		if one.busy {
			i++
			continue
		}
		l.order = slices.Delete(l.order, i, i+1)
		if len(one.waiting) == 0 {
			delete(l.byReceiver, to)
			continue
		}
		d := one.waiting[0].Delivery
		one.waiting = one.waiting[1:]
		one.busy = true
		l.busy++
		l.order = append(l.order, to)
		return d, true
	}
	return scheduler.Delivery{}, false
}

// remove takes out the waiting deliveries whose lease ends within atLeast.
func (l *queues) remove(atLeast time.Duration) (removed []scheduler.Delivery) {
	for _, one := range l.byReceiver {
		one.waiting = slices.DeleteFunc(one.waiting, func(d leased) bool {
			late := time.Until(d.until) < atLeast
			if late {
				removed = append(removed, d.Delivery)
			}
			return late
		})
	}
	l.held -= len(removed)
	return removed
}

// done ends a delivery that next began.
func (l *queues) done(d scheduler.Delivery) {
	l.byReceiver[receiver(d)].busy = false
	l.busy--
	l.held--
}
