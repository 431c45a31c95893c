package scheduler

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"
)

// A NotifyEvent is an event that a job's notifications may be about.
type NotifyEvent int

const (
	// OnFailure is the first failure of the job since it succeeded. A run that someone
	// stopped is no failure.
	OnFailure NotifyEvent = iota
	// OnRecovery is the first success of the job since it failed.
	OnRecovery
	// OnMissed is that scheduled times passed and were not run.
	OnMissed
	// OnAlways is every result, and all of the above.
	OnAlways
)

var eventWords = []string{"failure", "recovery", "missed", "always"}

// String returns the event's word in files, flags and the history.
func (o NotifyEvent) String() string { return wordOf(eventWords, int(o)) }

// A Notify says which events of a job are sent where. The zero value sends nothing.
type Notify struct {
	// On are the events, in the order of their constants.
	On []NotifyEvent
	// Webhook is the URL that messages are posted to; empty: none.
	Webhook string
	// WebhookBy is the user who set Webhook, if that user may not act on the daemon's
	// machine: then Webhook may lead to the public internet only, and messages are signed
	// with the secret of WebhookBy. Empty: the user may. It is not written to files.
	WebhookBy string
	// SecretFile holds the key that signs messages to the webhook; empty: they are not
	// signed.
	SecretFile string
	// Command is a local command that reads a message from its standard input; empty:
	// none.
	Command string
}

// ConsecutiveFailures are a job's failures since its last success. The zero value is a
// job that succeeded last, or never ran.
type ConsecutiveFailures struct {
	// Count is the number of failures.
	Count int
	// Since is when the first of them ended; zero if there are none, or an older
	// version did not record it.
	Since time.Time
}

// Failed returns the consecutive failures after a run that failed, or a firing that
// could not be started, and the event to send if notify is true.
func (n Notify) Failed(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, notify bool) {
	after = ConsecutiveFailures{Count: before.Count + 1, Since: before.Since}
	switch {
	case n.wants(OnAlways):
		return after, OnFailure, true
	case before.Count == 0 && n.wants(OnFailure):
		return after, OnFailure, true
	}
	return after, 0, false
}

// Succeeded returns the consecutive failures after a run that succeeded, none, and the
// event to send if notify is true: OnRecovery after failures, else OnAlways.
func (n Notify) Succeeded(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, notify bool) {
	switch {
	case before.Count > 0 && (n.wants(OnRecovery) || n.wants(OnAlways)):
		return ConsecutiveFailures{}, OnRecovery, true
	case before.Count == 0 && n.wants(OnAlways):
		return ConsecutiveFailures{}, OnAlways, true
	}
	return ConsecutiveFailures{}, 0, false
}

// Ended returns the consecutive failures after a run that someone stopped, which are
// those from before, and the event to send if notify is true.
func (n Notify) Ended(before ConsecutiveFailures) (after ConsecutiveFailures, o NotifyEvent, notify bool) {
	return before, OnAlways, n.wants(OnAlways)
}

// Missed reports whether missed scheduled times are sent. They are no failures.
func (n Notify) Missed() bool { return n.wants(OnMissed) || n.wants(OnAlways) }

func (n Notify) wants(o NotifyEvent) bool { return slices.Contains(n.On, o) }

// isZero reports whether n is the zero value.
func (n Notify) isZero() bool {
	return len(n.On) == 0 && n.Webhook == "" && n.SecretFile == "" && n.Command == ""
}

// check refuses a setting that cannot send anything, and one that would expose a
// password.
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
