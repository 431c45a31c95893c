package place

import (
	"context"
	"errors"

	"tutti/cmd/internal/cli"
	"tutti/internal/fault"
	"tutti/runner"
	"tutti/store"
)

// A Missing says what a command does if there is no history yet.
type Missing int

// What there is to do without a history.
const (
	WantsHistory Missing = iota // it is a mistake
	MakesHistory                // it makes one
	NoHistory                   // nothing is in it; there is no store
)

// WithHistory opens the history at path, and calls do with its store, which is nil if
// there is none and missing allows that. way is what to do if it is missing otherwise.
func WithHistory(ctx context.Context, std cli.Streams, path string, missing Missing, way string, do func(store.Store) error) error {
	history := &runner.History{Path: path, Getenv: std.Getenv, Warn: std.Warn, Obey: missing == MakesHistory}
	defer history.Close()
	open := history.ForReading
	if missing == MakesHistory {
		open = history.ForRecording
	}
	s, err := open(ctx)
	switch {
	case err == nil:
		return do(s)
	case errors.Is(err, store.ErrNotExist) && missing == NoHistory && history.Path == "":
		if err := SayNoHistory(std, history); err != nil {
			return err
		}
		return do(nil)
	case errors.Is(err, store.ErrNotExist) && missing != MakesHistory:
		return fault.Hint(fault.Usagef("%v", err), way)
	}
	return err
}

// SayNoHistory says that there is no history to read, and where it would be.
func SayNoHistory(std cli.Streams, history *runner.History) error {
	path, err := history.Location()
	if err != nil {
		return err
	}
	return std.Say("no history at " + runner.Shown(path) + " yet")
}
