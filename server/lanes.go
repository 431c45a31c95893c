package server

import (
	"slices"
	"time"

	"tutti/scheduler"
)

const (
	// lease is how long what was taken out of the outbox is ours. If the daemon
	// dies, it is delivered that much later.
	lease = 2 * time.Minute
	// attemptLimit is more than any attempt takes, and the record of it.
	attemptLimit = commandLimit + commandGrace + 2*recordLimit
	// maxTaken is how many are taken out of the outbox at once, and maxHeld how
	// many are held.
	maxTaken = 64
	maxHeld  = 256
	// maxWaiting is how many of those are for one receiver. What is beyond that
	// is forgotten until its lease is over, so that a slow receiver does not
	// take the room of the others.
	maxWaiting = 16
	// maxBusy is how many are on their way at once.
	maxBusy = 8
)

// lanes are the deliveries that are held, by receiver. One of each receiver is
// on its way at a time.
type lanes struct {
	byReceiver map[string]*lane
	// turns are the receivers, the one that was served last at the end.
	turns []string
	// held are deliveries that wait or are on their way, and busy the latter.
	held, busy int
}

// A lane is what is held for one receiver.
type lane struct {
	waiting []leased
	busy    bool
}

// A leased delivery is ours until a time, which does not follow steps of the
// clock.
type leased struct {
	scheduler.Delivery
	until time.Time
}

// room is how many may be taken out of the outbox.
func (l *lanes) room() int { return min(maxTaken, maxHeld-l.held) }

// add puts what was taken just now into the lanes.
func (l *lanes) add(due []scheduler.Delivery) {
	until := time.Now().Add(lease)
	for _, d := range due {
		to := receiver(d)
		one := l.byReceiver[to]
		if one == nil {
			one = &lane{}
			l.byReceiver[to] = one
			l.turns = append(l.turns, to)
		}
		if len(one.waiting) < maxWaiting {
			one.waiting = append(one.waiting, leased{d, until})
			l.held++
		}
	}
}

// next is a delivery that may begin now, if ok is true; done has to follow.
func (l *lanes) next() (d scheduler.Delivery, ok bool) {
	for i := 0; i < len(l.turns) && l.busy < maxBusy; {
		to := l.turns[i]
		one := l.byReceiver[to]
		if one.busy {
			i++
			continue
		}
		l.turns = slices.Delete(l.turns, i, i+1)
		l.forget(one)
		if len(one.waiting) == 0 {
			delete(l.byReceiver, to)
			continue
		}
		d := one.waiting[0].Delivery
		one.waiting = one.waiting[1:]
		one.busy = true
		l.busy++
		l.turns = append(l.turns, to)
		return d, true
	}
	return scheduler.Delivery{}, false
}

// forget drops what is not ours for long enough to be tried; the outbox will
// give it to somebody again.
func (l *lanes) forget(one *lane) {
	before := len(one.waiting)
	one.waiting = slices.DeleteFunc(one.waiting, func(d leased) bool { return time.Until(d.until) < attemptLimit })
	l.held -= before - len(one.waiting)
}

// done ends a delivery that next began.
func (l *lanes) done(d scheduler.Delivery) {
	l.byReceiver[receiver(d)].busy = false
	l.busy--
	l.held--
}
