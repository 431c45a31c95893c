package fanout

import "time"

// A Kind says what an Event reports.
type Kind int

const (
	// RunStarted is the first event of a run. Plan is set.
	RunStarted Kind = iota
	// TargetConnecting means that an attempt starts, on the way to a login. Target and
	// Attempt are set.
	TargetConnecting
	// TargetStarted means that the command is about to be sent. Target, Attempt and
	// Address are set.
	TargetStarted
	// Output means that a piece of output has arrived. Target, Attempt, Stream and Data
	// are set.
	Output
	// TargetRetrying means that an attempt has failed and another will follow after
	// Delay. Target, Attempt, Delay and Result (of that attempt) are set.
	TargetRetrying
	// TargetFinished is the last event of a target. Target and Result are set,
	// and Attempt if there was one.
	TargetFinished
	// BatchStarted means that the targets of a batch may start. Batch is set. A run
	// with a single batch has none.
	BatchStarted
	// BatchFinished means that every target of a batch has ended, and the next batch
	// follows. The last batch, often the only one, ends with the run instead.
	BatchFinished
	// RunFinished is the last event of a run. Summary is set.
	RunFinished
)

// A Stream is one of a command's two outputs.
type Stream int

// The two streams.
const (
	Stdout Stream = iota
	Stderr
)

// String is the name used in JSON and SQL.
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// An Event is one thing that happened in a run. The events of a run are
// serial: RunStarted, then for each target any number of TargetConnecting,
// TargetStarted, Output and TargetRetrying followed by one TargetFinished, then
// RunFinished. A target that was never started has only its TargetFinished. A run
// that is replayed from the history lacks TargetConnecting, BatchStarted and
// BatchFinished.
//
// What the pointers of an event lead to is not changed any more and may be
// kept; only Data is lent.
type Event struct {
	Kind Kind
	Time time.Time
	// Number orders the events of a target. It is above those of all events before it,
	// but for Output, where each stream counts by itself: the number of an Output is
	// above those of its own stream, and of the steps before it. The number of an Output
	// is that of its last byte, and each byte of a stream has one. The events that are
	// about no target are numbered by themselves, from 1. See Numbering.
	//
	// A run that is read from the history has the same numbers, however pieces of its
	// output were joined, left out or moved behind those of the other stream: a byte
	// keeps its number, and an Output with Omitted has that of the last byte that is
	// missing there. So a watcher that reads a run from the history, and follows it live
	// from then on, keeps the last number of each target's steps and of each of its
	// streams, skips the events that are not above it, and of a piece that is partly
	// above it takes the rest. What was Omitted it gets by reading the attempt again
	// once that is over, if it was recorded. Only if the history could not be
	// written are numbers of output before the last one of a stream a lower bound.
	Number int64
	// RunID is the run's number in the history; 0 without one.
	RunID int64
	// Plan of a RunStarted; read-only.
	Plan *Plan
	// Batch of a BatchStarted.
	Batch *Batch
	// Target the event is about; nil for those of a batch or the run.
	Target *Target
	// Attempt counts from 1.
	Attempt int
	// Address that was reached, in a TargetStarted.
	Address string
	Stream  Stream
	// Data of an Output, as sent by the host; read-only, and valid only during
	// Handle unless it is held.
	Data []byte
	// Omitted is the number of bytes that are missing from the record at this
	// point of an Output; such an event has no Data. 0 in a live run.
	Omitted int64
	// Delay until the next attempt, in a TargetRetrying.
	Delay   time.Duration
	Result  *Result
	Summary *Summary

	chunk *chunk
}

// A Batch is one of the batches of a run.
type Batch struct {
	// Number counts from 1, to Of.
	Number, Of int
	// Hosts is how many targets it has.
	Hosts int
}

// Hold keeps Data valid, and its bytes counted against the budget of the run,
// until the returned function is called. A sink that queues Data calls it, so
// that hosts wait for a slow reader instead of filling memory. The function
// must be called exactly once; it never blocks, and any goroutine may call it.
func (e Event) Hold() (release func()) {
	if e.chunk == nil {
		return func() {}
	}
	e.chunk.refs.Add(1)
	return e.chunk.release
}
