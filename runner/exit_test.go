package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"tutti/fanout"
	"tutti/internal/fault"
)

func TestExitCode(t *testing.T) {
	hosts := func(stopped fanout.Stopped, outcomes ...fanout.Outcome) fanout.Summary {
		s := fanout.Summary{Hosts: len(outcomes), Stopped: stopped}
		for _, o := range outcomes {
			s.Counts[o]++
		}
		return s
	}
	broken := fmt.Errorf("stdout: %w", syscall.EPIPE)
	tests := []struct {
		name    string
		summary fanout.Summary
		err     error
		sig     os.Signal
		want    int
	}{
		{"all ok", hosts(fanout.StoppedNone, fanout.OK, fanout.OK), nil, nil, 0},
		{"no hosts", fanout.Summary{}, nil, nil, 0},
		{"failed", hosts(fanout.StoppedNone, fanout.OK, fanout.Failed), nil, nil, 3},
		{"unreachable beats failed", hosts(fanout.StoppedNone, fanout.Failed, fanout.Unreachable), nil, nil, 4},
		{"the deadline beats unreachable", hosts(fanout.StoppedDeadline, fanout.Unreachable), nil, nil, 5},
		{"killed", hosts(fanout.StoppedKill, fanout.Canceled), nil, nil, 130},
		{"a local error", hosts(fanout.StoppedNone, fanout.Failed), errors.New("x"), nil, 1},
		{"a sink that broke", hosts(fanout.StoppedSink, fanout.Canceled), nil, nil, 1},
		{"a usage error", fanout.Summary{}, fault.Usagef("x"), nil, 2},
		{"the reader has gone away", hosts(fanout.StoppedSink, fanout.Canceled), broken, nil, 141},
		{"a signal beats all", hosts(fanout.StoppedSignal, fanout.Canceled), broken, syscall.SIGTERM, 143},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.summary, tt.err, tt.sig); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
