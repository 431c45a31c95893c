package store

import (
	"context"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// A Writer makes durable what a recorder has of its run. It is called by one
// goroutine at a time.
type Writer interface {
	// Write writes a batch, as a whole or not at all. What it has must not be kept:
	// the next batch has the same room. It is [ErrTaken], and Taken is set, if the run
	// is another process's by now.
	Write(ctx context.Context, b *Batch) error
	// Interrupt ends the record of a run that has no end.
	Interrupt(ctx context.Context) error
	// Release says that nobody records the run any more. It is called once, last.
	Release() error
	// Fault says of what was wrong with which history; nil for nil.
	Fault(err error) error
}

// A Batch is what has changed of a run since the last one.
type Batch struct {
	// Marks: somebody waits for hosts in it to be marked as started. Taken is the
	// writer's answer: the run is another process's by now, and nothing is written.
	Marks, Taken bool
	Run          RunRecord
	Hosts        []HostRecord
	Attempts     []AttemptRecord
	Output       []OutputRecord
	// Ended is what the ledger has to know of a run that has finished; nil: it has
	// not.
	Ended *scheduler.Ended
}

// keptRecords is for how many records of a kind a batch keeps room: what a large run
// has written at once is let go.
const keptRecords = 256

// empty lets go of what the batch has, which may be large, and keeps some room.
func (b *Batch) empty() {
	b.Hosts, b.Attempts, b.Output = emptied(b.Hosts), emptied(b.Attempts), emptied(b.Output)
}

func emptied[T any](records []T) []T {
	if cap(records) > keptRecords {
		return nil
	}
	clear(records)
	return records[:0]
}

// A RunRecord is how far a run is.
type RunRecord struct {
	// Started is zero until that is known.
	Started  time.Time
	Summary  fanout.Summary
	Bytes    int64 // of recorded output
	Finished bool
	// ExitCode is nil if none is to be recorded.
	ExitCode *int
}

// A HostRecord is how far a host is.
type HostRecord struct {
	Position int
	Name     string
	// Ended: Result and Hash are of the end. Otherwise only Attempts, StartedAt,
	// the sizes, and of the report Address and Started are known.
	Ended  bool
	Result fanout.Result
	Hash   string
}

// An AttemptRecord is an attempt that another one follows.
type AttemptRecord struct {
	Host    string
	Attempt int
	Result  fanout.Result
	Hash    string
	Delay   time.Duration
}

// An OutputRecord is a piece of output. One of the same host, attempt and number is
// replaced: a gap grows while the run goes on.
type OutputRecord struct {
	Host    string
	Attempt int
	Stream  fanout.Stream
	Seq     int
	At      time.Time
	// Start is the offset in the stream at which it begins.
	Start int64
	// Codec says what Data is, see Decode.
	Codec string
	Data  any
	// Void: there is no such piece any more.
	Void bool
}
