package cmd

import (
	"context"
	"io"

	"tutti/runner"
)

// The messages about data that waits on standard input and that no flag reads, with
// the two ways out.
const (
	waitingData    = "data is waiting on standard input: --stdin - sends it to every host, < /dev/null drops it"
	waitingUnsure  = "data is waiting on standard input and is not sent: --stdin - sends it to every host, < /dev/null drops it"
	waitingArrived = "data arrived on standard input and was not sent: --stdin - sends it to every host, < /dev/null drops it"
	waitingForJob  = "data is waiting on standard input, and a job reads none: < /dev/null drops it"
)

// checkWaiting refuses to start, with text, while data waits on stdin that no flag
// reads: it was probably meant for the hosts. If another program may be reading it,
// there is only a warning.
func checkWaiting(stdin io.Reader, text string, warn func(string)) error {
	switch runner.WaitingInput(stdin) {
	case runner.InputForTutti:
		return usagef("%s", text)
	case runner.UnknownInput:
		warn(waitingUnsure)
	}
	return nil
}

// checkInput is checkWaiting before d is executed, once, if d could have been meant to
// read the data.
func (s *screen) checkInput(d *runner.Decision) error {
	if s.inputChecked || !s.checksInput || !d.ReadsNothing() {
		return nil
	}
	s.inputChecked = true
	return checkWaiting(s.in, waitingData, s.warn)
}

// warnOfArrived warns of data that came too late to be refused.
func (s *screen) warnOfArrived(ctx context.Context) {
	if s.ignoresInput && ctx.Err() == nil && runner.WaitingInput(s.in) == runner.InputForTutti {
		s.warn(waitingArrived)
	}
}
