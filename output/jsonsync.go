package output

import (
	"context"
	"io"

	"tutti/fanout"
)

// SyncJSON is a JSON that has written what it was told of before it returns, but for
// incomplete lines. It is for events that nobody waits for, such as those of a history:
// nothing is queued for a slow reader.
type SyncJSON struct {
	json *JSON
	w    *Writer
}

var _ fanout.Sink = (*SyncJSON)(nil)

// NewSyncJSON returns a SyncJSON that writes to w; exitCode is that of NewJSON. It must
// be closed.
func NewSyncJSON(w io.Writer, exitCode func(fanout.Summary) int) *SyncJSON {
	queue := NewWriter(w)
	return &SyncJSON{json: NewJSON(queue, exitCode), w: queue}
}

// Handle writes e. Its error is that of w, or of the temporary file.
func (j *SyncJSON) Handle(ctx context.Context, e fanout.Event) error {
	if err := j.json.Handle(ctx, e); err != nil {
		return err
	}
	return j.w.drain()
}

// Close gives up what was kept of incomplete lines.
func (j *SyncJSON) Close() error {
	err := j.json.Close()
	if closeErr := j.w.Close(context.Background()); err == nil { // nothing is queued
		err = closeErr
	}
	return err
}
