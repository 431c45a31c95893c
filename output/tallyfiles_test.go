package output

import (
	"context"
	"io"
	"testing"
	"time"

	"tutti/fanout"
)

// halfMoved is a mover that has dealt with some bytes.
type halfMoved struct{ done, total int64 }

func (halfMoved) Move(context.Context, fanout.Attempt, fanout.Sessions, io.Writer, io.Writer) (*fanout.Exit, *fanout.Failure) {
	return nil, nil
}

func (m halfMoved) Moved() (done, total int64) { return m.done, m.total }

func TestProgressOfFiles(t *testing.T) {
	for _, c := range []struct {
		mover       fanout.Mover
		line        string
		done, total int
	}{
		{halfMoved{3 << 20, 12 << 20}, "0 of 2 hosts done, 3072 KiB of 12 MiB, 2 waiting, after 0s", 250, 1000},
		{halfMoved{done: 20}, "0 of 2 hosts done, 20 bytes, 2 waiting, after 0s", 0, 2},
		{halfMoved{}, "0 of 2 hosts done, 2 waiting, after 0s", 0, 2},
		{nil, "0 of 2 hosts done, 2 waiting, after 0s", 0, 2},
	} {
		plan := &fanout.Plan{Task: fanout.Task{Action: &fanout.Transfer{Mover: c.mover}}, Targets: []fanout.Target{{Name: "a"}, {Name: "b", Index: 1}}}
		tally := newTally(plan)
		done, total := tally.share()
		if got := tally.line(time.Duration(0)); got != c.line || done != c.done || total != c.total {
			t.Errorf("got %q, %d of %d; want %q, %d of %d", got, done, total, c.line, c.done, c.total)
		}
	}
}
