package store

import (
	"context"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// A Writer makes the batches of one recorder durable. It is called by one goroutine at
// a time.
type Writer interface {
	// Write writes a batch, as a whole or not at all. It must not retain the batch,
	// whose memory the next one reuses. If another process owns the run by now, the
	// error is [ErrTaken], and Taken is set.
	Write(ctx context.Context, b *Batch) error
	// Interrupt marks a run as interrupted whose end was not written.
	Interrupt(ctx context.Context) error
	// Release gives up the run's lock. It is called once, last.
	Release() error
	// Fault adds the history to an error; nil for nil.
	Fault(err error) error
}

// A Batch has the changes of a run since the last batch.
type Batch struct {
	// Marks: the batch marks hosts as started, for callers that wait. Taken is set by
	// the writer: another process owns the run by now, and nothing was written.
	Marks, Taken bool
	Run          RunRecord
	Hosts        []HostRecord
	Attempts     []AttemptRecord
	Output       []OutputRecord
	// Ended is the end of the run, for the ledger; nil: the run has not finished.
	Ended *scheduler.Ended
}

// keptRecords bounds the records of a kind whose memory a batch reuses; it frees the
// larger memory of a large run.
const keptRecords = 256

// empty frees the content of the batch, and keeps some memory for the next.
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

// A RunRecord is the state of a run.
type RunRecord struct {
	// Started is zero until it is known.
	Started  time.Time
	Summary  fanout.Summary
	Bytes    int64 // of recorded output
	Finished bool
	// ExitCode is nil if it is unknown.
	ExitCode *int
}

// A HostRecord is the state of a host.
type HostRecord struct {
	Position int
	Name     string
	// Ended: Result and Hash are final. Otherwise only Attempts, StartedAt, the sizes,
	// and of the report Address and Started are set.
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

// An OutputRecord is a piece of output. It replaces one of the same host, attempt and
// number, since a gap grows during a run.
type OutputRecord struct {
	Host    string
	Attempt int
	Stream  fanout.Stream
	Seq     int
	At      time.Time
	// Start is the offset in its stream at which it begins.
	Start int64
	// Size is the number of its bytes, recorded or missing.
	Size int64
	// Codec is the encoding of Data, see Decode.
	Codec string
	Data  any
	// Void: the piece does not exist any more, and its row is deleted.
	Void bool
}
