package runner

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/safefile"
	"tutti/store"
)

// A NoRecordError says that a run could not be recorded, and was not started.
type NoRecordError struct{ Err error }

func (e *NoRecordError) Error() string { return e.Err.Error() }
func (e *NoRecordError) Unwrap() error { return e.Err }

// RunID is the number of the run that is on record; 0: none is.
func (l *Launch) RunID() int64 { return l.run }

// SetExitCode makes code, that of the process, the one on record.
func (l *Launch) SetExitCode(ctx context.Context, code int) error {
	if l.run == 0 || l.recorded.Load() == int64(code) {
		return nil
	}
	return l.History.store.SetExitCode(context.WithoutCancel(ctx), l.run, code)
}

// record starts the record of d, which has a number from then on; it is nil if the
// request wants none.
func (l *Launch) record(ctx context.Context, d *Decision) (*store.Recorder, error) {
	if l.Request.Record.Off {
		return nil, nil
	}
	if err := CheckRunIDFile(l.Request.Record.RunIDFile); err != nil {
		return nil, err
	}
	if s := l.submitted; s != nil && s.Stopping.Err() != nil {
		return nil, context.Cause(s.Stopping)
	}
	r, err := l.begin(ctx, d)
	if err != nil && l.firing == nil && l.submitted == nil { // there is no run of a daemon without a record
		return nil, &NoRecordError{err}
	}
	if err != nil {
		return nil, err
	}
	l.run = r.RunID()
	l.recorded.Store(noCode)
	if l.firing != nil && l.firing.Begun != nil {
		l.firing.Begun(r.RunID())
	}
	if l.submitted != nil {
		l.submitted.Begun()
	}
	if err := WriteRunID(l.Request.Record.RunIDFile, r.RunID()); err != nil {
		return nil, errors.Join(err, l.History.end(ctx, r))
	}
	return r, nil
}

// begin records that d is about to be executed.
func (l *Launch) begin(ctx context.Context, d *Decision) (*store.Recorder, error) {
	s, err := l.History.ForRecording(ctx)
	if err != nil {
		return nil, err
	}
	info := store.RunInfo{
		Inventory:   d.Inventory,
		Note:        l.Request.Record.Note,
		Given:       d.Given,
		RerunOf:     d.RerunOf,
		User:        l.Env.User,
		RecordLimit: l.Request.Record.StoreLimit(),
		ExitCode:    l.recordedCode,
	}
	if f := l.firing; f != nil {
		info.Job, info.JobID = f.Job.Name, f.Job.ID
		info.Firing, info.Owner = f.ID, f.Owner
		info.ScheduledAt, info.DueAt = f.Firing.At, f.Firing.Due
		info.StopOnError, info.ByHand = true, l.Prompter != nil
	}
	if q := l.submitted; q != nil {
		info.Claimed, info.Owner = q.QueueEntry, q.Owner
		info.User, info.Principal, info.Via = q.Run.User, q.Run.Principal, q.Run.Via
		info.StopOnError = true
	}
	return s.Begin(ctx, d.Plan, info)
}

// recordedCode is the view's code, for the record.
func (l *Launch) recordedCode(s fanout.Summary) int {
	c := l.View.Code(s)
	l.recorded.Store(int64(c))
	return c
}

// CheckRunIDFile refuses a file that WriteRunID could not write; empty: there is none.
func CheckRunIDFile(path string) error {
	if path == "" {
		return nil
	}
	if err := safefile.CheckReplace(path); err != nil {
		return fault.Usagef("%s: %w", fault.Key("run-id-file"), err)
	}
	return nil
}

// WriteRunID writes the number of a run to the file path, if there is one.
func WriteRunID(path string, id int64) error {
	if path == "" {
		return nil
	}
	err := safefile.Replace(path, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, id)
		return err
	})
	if err != nil {
		return fault.Errorf("%s: %w", fault.Key("run-id-file"), err)
	}
	return nil
}
