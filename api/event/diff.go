package event

import "tutti/fanout"

// A Diff is a group of hosts that changed between two runs in the same way, or
// did not change, "diff".
type Diff struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "diff"
	// Runs are the numbers of the earlier and the later run.
	Runs  [2]int64 `json:"runs"`
	Hosts []string `json:"hosts"`
	// Changed: the outcome or the output is another.
	Changed bool `json:"changed"`
	// Before and After are how the hosts ended; absent for a run without them.
	Before *Fate `json:"before,omitempty"`
	After  *Fate `json:"after,omitempty"`
	// Stdout and Stderr are absent if that stream has not changed.
	Stdout *StreamDiff `json:"stdout,omitempty"`
	Stderr *StreamDiff `json:"stderr,omitempty"`
	// Unrecorded: the outputs differ where they were not recorded.
	Unrecorded bool `json:"unrecorded,omitempty"`
}

// A Fate is how hosts ended in a run. ExitCode, Signal and ErrorOp are absent as
// in HostFinished.
type Fate struct {
	Outcome  fanout.Outcome `json:"outcome"`
	ExitCode *uint32        `json:"exit_code,omitempty"`
	Signal   string         `json:"signal,omitempty"`
	ErrorOp  fanout.Op      `json:"error_op,omitempty"`
}

// NewFate is the form of r; nil if that is nil.
func NewFate(r *fanout.Result) *Fate {
	if r == nil {
		return nil
	}
	v := &Fate{Outcome: r.Outcome}
	var failure *Failure
	v.ExitCode, v.Signal, failure = ending(r)
	if failure != nil {
		v.ErrorOp = failure.Op
	}
	return v
}

// A StreamDiff is how an output stream has changed.
type StreamDiff struct {
	// Diff is a unified diff without file names; Encoding is "base64" if it had
	// to be encoded.
	Diff     string `json:"diff,omitempty"`
	Encoding string `json:"encoding,omitempty"`
	// Reason says why there is no diff; Before and After are then what is known.
	Reason string `json:"reason,omitempty"`
	Before *Bytes `json:"before,omitempty"`
	After  *Bytes `json:"after,omitempty"`
}

// Bytes are a stream that is not shown.
type Bytes struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}
