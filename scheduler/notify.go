package scheduler

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"
)

// An NotifyEvent is something that is told to somebody.
type NotifyEvent int

const (
	// OnFailure is when the job is not ok, for the first time since it was, and
	// nobody wanted its run to be ended.
	OnFailure NotifyEvent = iota
	// OnRecovery is when it is ok, for the first time since it was not.
	OnRecovery
	// OnMissed is when instants passed and were not run.
	OnMissed
	// OnAlways is at each end, and all of the above.
	OnAlways
)

var occasionWords = []string{"failure", "recovery", "missed", "always"}

// String is the word for it in files, flags and the history.
func (o NotifyEvent) String() string { return wordOf(occasionWords, int(o)) }

// A Notify says who is told of what. The zero value tells nobody.
type Notify struct {
	// On is what is told, in the order of the occasions.
	On []NotifyEvent
	// Webhook is the URL to send it to; empty: none.
	Webhook string
	// WebhookBy is who set Webhook, if who did may not act on the machine of the
	// daemon: then it may lead to the public internet only, and what is sent is signed
	// with the secret of WebhookBy. Empty: who may. It is not written to files.
	WebhookBy string
	// SecretFile holds the key that signs what is sent; empty: nothing is signed.
	SecretFile string
	// Command is a local command that reads it; empty: none.
	Command string
}

// A ConsecutiveFailures is how a job's last ends went. The zero value is for a job that was
// ok, or never ran.
type ConsecutiveFailures struct {
	// Count is how many ends in a row were not ok, up to the last.
	Count int
	// Since is when the first of them ended; zero if there are none, or it was
	// not kept.
	Since time.Time
}

// Failed is the streak after an end that was not ok, or a firing that could not
// be started; and the occasion, if told is true.
func (n Notify) Failed(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, told bool) {
	after = ConsecutiveFailures{Count: before.Count + 1, Since: before.Since}
	switch {
	case n.wants(OnAlways):
		return after, OnFailure, true
	case before.Count == 0 && n.wants(OnFailure):
		return after, OnFailure, true
	}
	return after, 0, false
}

// Succeeded is the streak after an end that was ok; and the occasion, if told is
// true: OnRecovery after failures, else OnAlways.
func (n Notify) Succeeded(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, told bool) {
	switch {
	case before.Count > 0 && (n.wants(OnRecovery) || n.wants(OnAlways)):
		return ConsecutiveFailures{}, OnRecovery, true
	case before.Count == 0 && n.wants(OnAlways):
		return ConsecutiveFailures{}, OnAlways, true
	}
	return ConsecutiveFailures{}, 0, false
}

// Ended is the streak after an end that somebody asked for, which says nothing
// about the job; and the occasion, if told is true.
func (n Notify) Ended(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, told bool) {
	return before, OnAlways, n.wants(OnAlways)
}

// Missed reports whether a gap is told. It is no end, and leaves the streak.
func (n Notify) Missed() bool { return n.wants(OnMissed) || n.wants(OnAlways) }

func (n Notify) wants(o NotifyEvent) bool { return slices.Contains(n.On, o) }

// isZero reports whether nobody is told anything.
func (n Notify) isZero() bool {
	return len(n.On) == 0 && n.Webhook == "" && n.SecretFile == "" && n.Command == ""
}

// check refuses what could not be told to anybody.
func (n Notify) check() error {
	switch {
	case n.isZero():
		return nil
	case n.Webhook == "" && n.Command == "":
		return errors.New("missing webhook or command")
	case len(n.On) == 0:
		return errors.New("on: empty; want one or more of failure, recovery, missed, always")
	case n.SecretFile != "" && n.Webhook == "":
		return errors.New("secret_file needs a webhook, whose notifications it signs")
	case n.SecretFile != "" && !filepath.IsAbs(n.SecretFile):
		return fmt.Errorf("secret_file: %q is not an absolute path", n.SecretFile)
	}
	for _, x := range []struct{ key, text string }{{"webhook", n.Webhook}, {"secret_file", n.SecretFile}, {"command", n.Command}} {
		if err := checkPrintable(x.text); err != nil {
			return fmt.Errorf("%s: %w", x.key, err)
		}
	}
	if n.Webhook == "" {
		return nil
	}
	u, err := url.Parse(n.Webhook)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("webhook: want a URL such as https://example.com/hook")
	case u.User != nil:
		return errors.New("webhook: a password in the URL would be stored in plain text; sign with secret_file")
	}
	return nil
}
