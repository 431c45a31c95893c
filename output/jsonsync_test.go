package output

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"tutti/fanout"
)

// What a SyncJSON was told is written when Handle returns, as a JSON would write it.
func TestSyncJSON(t *testing.T) {
	var got bytes.Buffer
	j := NewSyncJSON(&got, func(fanout.Summary) int { return 3 })
	lines := 0
	everyday(t, fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		err := j.Handle(ctx, e)
		if e.Kind == fanout.TargetFinished && !strings.Contains(got.String()[lines:], `"host_finished"`) {
			t.Error("Handle returned before the end of a host was written")
		}
		lines = got.Len()
		return err
	}))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if want := linesOf(t, everyday); got.String() != want {
		t.Errorf("got %s\nwant %s", got.String(), want)
	}
}

type brokenPipe struct{}

var errBroken = errors.New("broken")

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

// The event that cannot be written is the one that fails.
func TestSyncJSONFails(t *testing.T) {
	j := NewSyncJSON(brokenPipe{}, nil)
	err := j.Handle(t.Context(), fanout.Event{Kind: fanout.RunStarted, Plan: &fanout.Plan{Task: fanout.Task{Action: fanout.Ping{}}}})
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	if err := j.Close(); !errors.Is(err, errBroken) {
		t.Errorf("Close: got %v, want %v", err, errBroken)
	}
}
