package sqlite

import (
	"errors"

	"tutti/scheduler"
	"tutti/store"
)

// Fault is that of [store.JobLedger].
func (h *fileHandle) Fault(op string, err error) error { return h.fault(op, err) }

// fault wraps err, which may be nil, with the operation and SQLite's details. It
// returns an *Error as it is, and so an error about the content of the history.
func (h *fileHandle) fault(op string, err error) error {
	return faultAt(op, h.path, err)
}

func faultAt(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*store.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[interface {
		error
		Advice() (code string, args []any)
	}](err); ok {
		return err
	}
	for _, known := range []error{store.ErrTaken, scheduler.ErrConflict, scheduler.ErrBusy, scheduler.ErrKnown, scheduler.ErrFenced} {
		if errors.Is(err, known) {
			return err
		}
	}
	return &store.Error{Op: op, Path: path, Kind: kindOf(err), Err: withCause(err)}
}
