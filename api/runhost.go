package api

import (
	"tutti/api/event"
	"tutti/fanout"
	"tutti/store"
)

// A RunHost is a host of a run, and how far it is.
type RunHost struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "run_host"
	Run    int64  `json:"run"`
	Host   string `json:"host"`
	// State is "waiting", "running", "retrying" or "ended".
	State store.Phase `json:"state"`
	// Outcome is absent of one that has not ended. What follows is as in HostFinished; of
	// one that has not ended, only what is known already.
	Outcome   string         `json:"outcome,omitempty"`
	Address   string         `json:"address,omitempty"`
	Started   bool           `json:"started"`
	StartedAt *event.Time    `json:"started_at,omitempty"`
	EndedAt   *event.Time    `json:"ended_at,omitempty"`
	ExitCode  *uint32        `json:"exit_code,omitempty"`
	Signal    string         `json:"signal,omitempty"`
	Error     *event.Failure `json:"error,omitempty"`
	// OutputComplete is absent of one that has not ended.
	OutputComplete *bool `json:"output_complete,omitempty"`
	Attempts       int   `json:"attempts"`
	ConnectMS      int64 `json:"connect_ms"`
	DurationMS     int64 `json:"duration_ms"`
	StdoutBytes    int64 `json:"stdout_bytes"`
	StderrBytes    int64 `json:"stderr_bytes"`
	OmittedBytes   int64 `json:"omitted_bytes"`
	// OutputHash is equal for equal output; absent if there was none.
	OutputHash string `json:"output_hash,omitempty"`
}

// NewRunHost is the form of a host of a run.
func NewRunHost(run int64, r *store.HostRow) RunHost {
	f := event.NewHostFinished(fanout.Event{RunID: run, Target: &r.Target, Result: &r.Result})
	v := RunHost{
		Schema: 1, Type: "run_host", Run: run, Host: r.Target.Name, State: r.Phase, Address: f.Address, Started: f.Started,
		StartedAt: TimeOf(r.StartedAt), EndedAt: TimeOf(r.EndedAt), Attempts: f.Attempts,
		StdoutBytes: f.StdoutBytes, StderrBytes: f.StderrBytes, OmittedBytes: f.OmittedBytes, OutputHash: r.OutputHash,
	}
	if r.Phase != store.HostEnded {
		return v
	}
	v.Outcome, v.ExitCode, v.Signal, v.Error = f.Outcome.String(), f.ExitCode, f.Signal, f.Error
	v.OutputComplete, v.ConnectMS, v.DurationMS = &f.OutputComplete, f.ConnectMS, f.DurationMS
	return v
}

// Stored is the result that j is the form of, of the host at that place in the plan. Of a
// host whose end was not recorded it says what is certain: lost, or skipped.
func (j *RunHost) Stored(index int) (store.HostResult, error) {
	r := store.HostResult{OutputHash: j.OutputHash}
	r.Target, r.Attempts = fanout.Target{Index: index, Name: j.Host}, j.Attempts
	r.StartedAt, r.EndedAt = AtOf(j.StartedAt), AtOf(j.EndedAt)
	r.StdoutBytes, r.StderrBytes, r.OmittedBytes = j.StdoutBytes, j.StderrBytes, j.OmittedBytes
	r.Report.Started, r.Report.Address = j.Started, j.Address
	if j.Outcome == "" {
		r.Outcome = fanout.Skipped
		if j.Started {
			r.Outcome = fanout.Lost
		}
		return r, nil
	}
	if r.Report.Failure = j.Error.Cause(); j.ExitCode != nil || j.Signal != "" {
		r.Report.Exit = &fanout.Exit{Signal: j.Signal}
		if j.ExitCode != nil {
			r.Report.Exit.Code = *j.ExitCode
		}
	}
	r.Report.OutputComplete = j.OutputComplete != nil && *j.OutputComplete
	var err error
	r.Outcome, err = fanout.ParseOutcome(j.Outcome)
	return r, err
}

// A RunHostDetails is a host of a run with its earlier attempts.
type RunHostDetails struct {
	RunHost
	// Earlier are the attempts before the last one, oldest first.
	Earlier []Attempt `json:"earlier"`
}

// An Attempt is one that another followed.
type Attempt struct {
	// Attempt counts from 1, and DelayMS is how long after it the next was made.
	Attempt  int            `json:"attempt"`
	DelayMS  int64          `json:"delay_ms"`
	Outcome  string         `json:"outcome"`
	ExitCode *uint32        `json:"exit_code,omitempty"`
	Signal   string         `json:"signal,omitempty"`
	Error    *event.Failure `json:"error,omitempty"`
}

// NewAttempt is the form of an earlier attempt.
func NewAttempt(a *store.RecordedAttempt) Attempt {
	f := event.NewHostRetrying(fanout.Event{Result: &a.Result, Attempt: a.Result.Attempts, Delay: a.Delay})
	return Attempt{f.Attempt, f.DelayMS, f.Outcome.String(), f.ExitCode, f.Signal, f.Error}
}

// A Group is hosts of a run that answered the same.
type Group struct {
	State   store.Phase `json:"state"`
	Outcome string      `json:"outcome,omitempty"`
	Started bool        `json:"started"`
	// ExitCode, Signal and Error are absent as in RunHost.
	ExitCode *int   `json:"exit_code,omitempty"`
	Signal   string `json:"signal,omitempty"`
	// ErrorOp is the step that failed, and Error its message without the name and the
	// address of the host.
	ErrorOp string `json:"error_op,omitempty"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Count   int    `json:"count"`
	// Hosts are folded: web[01-40],db1.
	Hosts string `json:"hosts"`
	// SampleHost is the host whose output stands for that of all.
	SampleHost string `json:"sample_host"`
	OutputHash string `json:"output_hash,omitempty"`
	// Output is the beginning of what the sample wrote; absent unless it was asked
	// for, and if the sample wrote nothing.
	Output []OutputPart `json:"output,omitempty"`
	// OutputMore: the sample wrote more.
	OutputMore bool `json:"output_more,omitempty"`
}

// NewGroup is the form of g, whose hosts are folded by fold.
func NewGroup(g *store.Group, fold func([]string) string) Group {
	v := Group{
		State: g.Phase, Started: g.Started, ExitCode: g.ExitCode, Signal: g.Signal, ErrorOp: string(g.Op), Error: g.Error, Hint: g.Hint,
		Count: len(g.Hosts), Hosts: fold(g.Hosts), SampleHost: g.Sample(), OutputHash: g.OutputHash,
	}
	if g.Phase == store.HostEnded {
		v.Outcome = g.Outcome.String()
	}
	return v
}

// An OutputRange is a part of what a host wrote in an attempt.
type OutputRange struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "output_range"
	Run    int64  `json:"run"`
	Host   string `json:"host"`
	// Attempt is 0 if there was none.
	Attempt int `json:"attempt"`
	// Offset is that of the first byte, and Next of the one after the last, in the
	// streams that were asked for, bytes that are not recorded included.
	Offset int64 `json:"offset"`
	Next   int64 `json:"next"`
	// NextLine is the number of the line at Next; absent unless lines were asked for.
	NextLine int64 `json:"next_line,omitempty"`
	// Lines is how many lines there are on record; absent unless that was asked for, and
	// while the attempt goes on.
	Lines int64 `json:"lines,omitempty"`
	// Omitted is how many bytes between Offset and Next are not recorded.
	Omitted int64 `json:"omitted"`
	// More: there is more on record. Ended: no more will come.
	More  bool `json:"more"`
	Ended bool `json:"ended"`
	// Parts are in the order in which they came.
	Parts []OutputPart `json:"parts"`
}

// An OutputPart is bytes that a host wrote to a stream without a break, or how many
// are missing there.
type OutputPart struct {
	Stream string `json:"stream"`
	// Offset is in the stream.
	Offset int64 `json:"offset"`
	// Data and Encoding are as in Output; absent where bytes are missing.
	Data     string `json:"data,omitempty"`
	Encoding string `json:"encoding,omitempty"`
	// Omitted is how many are missing; absent where there is data.
	Omitted int64 `json:"omitted,omitempty"`
}

// NewOutputParts are the forms of parts.
func NewOutputParts(parts []store.OutputPart) []OutputPart {
	forms := make([]OutputPart, len(parts))
	for i, p := range parts {
		var o event.Output
		o.SetData(p.Data)
		forms[i] = OutputPart{p.Stream.String(), p.Offset, o.Data, o.Encoding, p.Omitted}
	}
	return forms
}

// A Search is the lines in which a text was found.
type Search struct {
	Schema  int         `json:"schema"` // 1
	Type    string      `json:"type"`   // "search"
	Run     int64       `json:"run"`
	Host    string      `json:"host"`
	Attempt int         `json:"attempt"`
	Hits    []SearchHit `json:"hits"`
	// More: the search is not at the end; it goes on with after=Next.
	More bool   `json:"more"`
	Next string `json:"next,omitempty"`
}

// A SearchHit is a line with the text.
type SearchHit struct {
	// Line counts from 1, and Offset is where in the output the text is.
	Line   int64 `json:"line"`
	Offset int64 `json:"offset"`
}

// A RunPlan is how a run was decided.
type RunPlan struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "run_plan"
	Run    int64  `json:"run"`
	Source string `json:"source"`
	// Selector is which hosts, in words, and Inventory the files it was read from.
	Selector  string      `json:"selector"`
	Inventory string      `json:"inventory,omitempty"`
	Command   string      `json:"command"`
	Task      fanout.Task `json:"task"`
	// Policy is how it goes over its hosts.
	Policy fanout.Policy `json:"policy"`
	// Options are the keys that the run was given, as a rerun repeats them.
	Options map[string][]string `json:"options"`
}
