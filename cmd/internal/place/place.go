// Package place is about where a command reads and changes runs, jobs and accounts: in a
// history of this machine, or at a server.
package place

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/internal/fault"
	"tutti/runner"
	"tutti/store"
)

// A Place is where runs, jobs and accounts are read and changed: a history of this machine, or a server.
type Place struct {
	// History is the file of a history; empty: the usual one.
	History string
	Server
}

// AddHistory adds the flag of the history.
func (p *Place) AddHistory(f *pflag.FlagSet) { AddHistoryFlag(f, &p.History) }

// HistoryUsage is the help of the flag that names a history.
const HistoryUsage = "history `FILE`, or postgres://USER@HOST/DATABASE (default $TUTTI_HISTORY, $XDG_STATE_HOME/tutti/history.db, ~/.local/state/tutti/history.db)"

// AddHistoryFlag is for commands that make no request.
func AddHistoryFlag(f *pflag.FlagSet, path *string) { f.StringVar(path, "history", "", HistoryUsage) }

// WithRecords does something with the runs of a server, or without one with those of a
// history.
func WithRecords(ctx context.Context, std cli.Streams, path string, remote *client.Client, warn func(string), do func(runner.Records) error) error {
	if remote != nil {
		defer remote.Close()
		return do(remote.History())
	}
	history := &runner.History{Path: path, Getenv: std.Getenv, Warn: warn}
	defer history.Close()
	s, err := history.ForReading(ctx)
	if err != nil {
		return UsageOfRun(err)
	}
	return do(s)
}

// UsageOfRun makes a run, a host of one, or a history, that does not exist a
// mistake of the caller.
func UsageOfRun(err error) error {
	if none, ok := errors.AsType[*runner.NoHostError](err); ok && none.Near != "" {
		return fault.Hint(fault.Usage(err), "did you mean "+none.Near+"?")
	}
	if errors.As(err, new(*runner.RunningError)) {
		return fault.Hint(fault.Usage(err), "wait until it has finished")
	}
	for _, mistake := range []any{new(*store.NoRunError), new(*store.RefError), new(*runner.NoHostError)} {
		if errors.As(err, mistake) {
			return fault.Usage(err)
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return fault.Usage(err)
	}
	return UsageOfServer(err)
}
