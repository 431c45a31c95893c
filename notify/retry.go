package notify

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// firstDelay is how long after the first attempt the second is made; each
	// of the next comes after twice the time, up to maxDelay.
	firstDelay = time.Second
	maxDelay   = 10 * time.Minute
	// maxWish is how long a receiver may ask to be left alone.
	maxWish = time.Hour
	// A webhook is given up a day after its event, but not before it was tried a few
	// times: the daemon may have been down for that day.
	webhookAge      = 24 * time.Hour
	webhookAttempts = 12
	// commandAttempts is how often a command is tried that fails.
	commandAttempts = 4
)

// A refusal is an error that another attempt will not mend.
type refusal struct{ error }

// A postponement is an error of a receiver that says when to come again.
type postponement struct {
	error
	after time.Duration
}

// again is when to try once more; zero: never.
func (s sending) again(now time.Time) time.Time {
	_, refused := errors.AsType[refusal](s.err)
	switch {
	case s.err == nil || refused:
		return time.Time{}
	case errors.Is(s.err, errStopping):
		return now
	case kind(s.Delivery) == Command && s.Attempt >= commandAttempts:
		return time.Time{}
	case s.Attempt >= webhookAttempts && now.Sub(s.Message.Time) > webhookAge:
		return time.Time{}
	}
	delay := backOff(s.Attempt)
	if p, ok := errors.AsType[postponement](s.err); ok {
		delay = max(delay, min(p.after, maxWish))
	}
	return now.Add(delay)
}

// backOff is the time after an attempt, counted from 1, with up to a half more
// so that those that failed together do not come back together.
func backOff(attempt int) time.Duration {
	delay := maxDelay
	if n := max(attempt, 1) - 1; n < 16 {
		delay = min(firstDelay<<n, maxDelay)
	}
	return delay + rand.N(delay/2)
}

// retryAfter reads the header of that name: seconds, or a date. 0: it says
// nothing that can be understood.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
