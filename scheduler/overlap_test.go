package scheduler

import (
	"errors"
	"fmt"
	"testing"

	"tutti/fanout"
)

// The error of Execute decides how the firing is closed.
func TestNotStarted(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Decision
	}{
		{errors.New("no such host"), Failed},
		{fanout.ErrSignal, Skipped},
		{fmt.Errorf("preparing: %w", fanout.ErrSignal), Skipped},
		{fmt.Errorf("%w: 1 of 2 hosts", ErrRefused), Refused},
		{fmt.Errorf("%w: all hosts", ErrMaintenance), Skipped},
		{errors.Join(fmt.Errorf("%w: 1 of 2 hosts", ErrRefused), fanout.ErrSignal), Skipped},
	} {
		if got := NotStarted(tt.err); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err, got, tt.want)
		}
	}
}
