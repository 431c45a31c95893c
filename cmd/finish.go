package cmd

import (
	"context"
	"errors"
	"fmt"

	"tutti/fanout"
)

// finish shows what is left to show of a launch that ended with err, and makes
// the exit code of the process the one on record.
func (l *launching) finish(ctx context.Context, s *screen, err error) error {
	if err != nil {
		s.reveal()
	}
	// A reader that does not read is waited for until the operator has enough.
	// What was decided from the hosts' outcomes gives way to a stdout that
	// could not be written to its end.
	if closeErr := s.close(ctx); closeErr != nil && onlyOutcomes(err) {
		err = closeErr
	}
	if l.runID == 0 {
		return err
	}
	code := l.codeOf(err)
	if l.recorded.Load() != int64(code) {
		setErr := l.history.store.SetExitCode(context.WithoutCancel(ctx), l.runID, code)
		if setErr != nil && onlyOutcomes(err) {
			err = setErr
			code = l.codeOf(err)
		}
	}
	l.decided = &code
	return err
}

// onlyOutcomes reports whether err, the end of a run, says no more than how the
// hosts ended.
func onlyOutcomes(err error) bool { return err == nil || errors.As(err, new(*runError)) }

// again is the command that repeats a run on the hosts that were not ok; empty if
// it could not.
func (l *launching) again(run int64) string {
	if l.script == "-" {
		return "" // which was read from our standard input
	}
	command := fmt.Sprintf("tutti rerun %d", run)
	if l.o.Record.History != "" {
		command += " --history " + shellWord(l.o.Record.History)
	}
	return command
}

// noCode is no exit code.
const noCode = -1

// recordedCode is code, for the record.
func (l *launching) recordedCode(s fanout.Summary) int {
	c := l.code(s)
	l.recorded.Store(int64(c))
	return c
}
