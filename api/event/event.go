package event

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tutti/fanout"
)

// Schema is the version of the forms. Fields are added to it, never renamed.
const Schema = 1

// A Time is a time as all JSON output has it: RFC 3339, UTC, milliseconds.
type Time time.Time

// MarshalText writes t; it does not fail.
func (t Time) MarshalText() ([]byte, error) { return []byte(FormatTime(time.Time(t))), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Time) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339, string(text))
	*t = Time(at.UTC())
	return err
}

// FormatTime is how every time is written: it reads the same on a screen, in the
// JSON and in the history.
func FormatTime(t time.Time) string { return fanout.FormatTime(t) }

// A Head begins every event.
type Head struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`
	// Time is when it happened.
	Time Time `json:"time"`
	// Run is the run's number; absent if it is not recorded.
	Run int64 `json:"run,omitempty"`
}

func headOf(e fanout.Event, kind string) Head {
	return Head{Schema: Schema, Type: kind, Time: Time(e.Time), Run: e.RunID}
}

// A RunStarted is the first event of a run, "run_started".
type RunStarted struct {
	Head
	// Source is what started it: "cli", "rerun", "job"; empty for a check.
	Source string `json:"source"`
	// Command is "script FILE" for a script, and empty for a ping.
	Command string `json:"command"`
	// Selector is which hosts, in words, and Hosts how many.
	Selector string `json:"selector"`
	Hosts    int    `json:"hosts"`
}

// NewRunStarted is the form of e.
func NewRunStarted(e fanout.Event) RunStarted {
	return RunStarted{
		Head: headOf(e, "run_started"), Source: e.Plan.Source, Command: e.Plan.Task.Label(),
		Selector: e.Plan.Selector, Hosts: len(e.Plan.Targets),
	}
}

// A HostStarted says that the command is about to be sent to a host,
// "host_started".
type HostStarted struct {
	Head
	Host string `json:"host"`
	// Address is where it was reached, as address:port.
	Address string `json:"address"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
}

// NewHostStarted is the form of e.
func NewHostStarted(e fanout.Event) HostStarted {
	return HostStarted{Head: headOf(e, "host_started"), Host: e.Target.Name, Address: e.Address, Attempt: e.Attempt}
}

// An Output is what a host wrote, "output": whole lines that came together, or a
// part of a longer one.
type Output struct {
	Head
	Host    string `json:"host"`
	Attempt int    `json:"attempt"`
	// Stream is "stdout" or "stderr".
	Stream string `json:"stream"`
	// Data is text, or of bytes that are not UTF-8 what Encoding says, "base64";
	// absent for text.
	Data     string `json:"data"`
	Encoding string `json:"encoding,omitempty"`
	// Partial: the last line goes on in a later event; absent if it does not.
	Partial bool `json:"partial,omitempty"`
	// OmittedBytes is set, without data, where a record lacks bytes.
	OmittedBytes int64 `json:"omitted_bytes,omitempty"`
}

// NewOutput is the form of e, on a stream, without data.
func NewOutput(e fanout.Event, s fanout.Stream) Output {
	return Output{Head: headOf(e, "output"), Host: e.Target.Name, Attempt: e.Attempt, Stream: s.String()}
}

// SetData puts data into o, in base64 if it has to be.
func (o *Output) SetData(data []byte) {
	if utf8.Valid(data) {
		o.Data, o.Encoding = string(data), ""
		return
	}
	o.Data, o.Encoding = base64.StdEncoding.EncodeToString(data), "base64"
}

// A Failure is why a command has no exit status, or why there is no more to say.
type Failure struct {
	// Op is the step that failed.
	Op      fanout.Op `json:"op"`
	Message string    `json:"message"`
	// Detail is the end of Message that is only about this host, such as a fingerprint;
	// absent if other hosts with the same trouble have the same message.
	Detail string `json:"detail,omitempty"`
	// RemoteState is the state on the host of a command that was sent and did not end
	// by itself, "ended" or "unknown"; absent for all others.
	RemoteState string `json:"remote_state,omitempty"`
	// Hint is what can be done about it; absent if that is not known.
	Hint string `json:"hint,omitempty"`
}

// Cause is the failure that f is the form of; nil for nil.
func (f *Failure) Cause() *fanout.Failure {
	if f == nil {
		return nil
	}
	x := &fanout.Failure{Op: f.Op, Message: f.Message, Hint: f.Hint, Remote: f.RemoteState}
	if message, ok := strings.CutSuffix(f.Message, ": "+f.Detail); ok && f.Detail != "" {
		x.Message, x.Detail = message, f.Detail
	}
	return x
}

// ending is how an attempt ended.
func ending(r *fanout.Result) (exitCode *uint32, signal string, failure *Failure) {
	if exit := r.Report.Exit; exit != nil {
		signal = exit.Signal
		if signal == "" {
			exitCode = &exit.Code
		}
	}
	if f := r.Report.Failure; f != nil {
		failure = &Failure{Op: f.Op, Message: f.Text(), Detail: f.Detail, Hint: f.Hint, RemoteState: f.Remote}
	}
	return exitCode, signal, failure
}

// A HostRetrying says that an attempt ended and that another will follow,
// "host_retrying".
type HostRetrying struct {
	Head
	Host string `json:"host"`
	// Attempt is the one that ended, and DelayMS how long after it the next is made.
	Attempt int            `json:"attempt"`
	DelayMS int64          `json:"delay_ms"`
	Outcome fanout.Outcome `json:"outcome"`
	// ExitCode, Signal, CoreDumped and Error are as in HostFinished.
	ExitCode   *uint32  `json:"exit_code,omitempty"`
	Signal     string   `json:"signal,omitempty"`
	CoreDumped bool     `json:"core_dumped,omitempty"`
	Error      *Failure `json:"error,omitempty"`
}

// NewHostRetrying is the form of e.
func NewHostRetrying(e fanout.Event) HostRetrying {
	v := HostRetrying{
		Head: headOf(e, "host_retrying"), Host: e.Target.Name, Attempt: e.Attempt,
		DelayMS: e.Delay.Milliseconds(), Outcome: e.Result.Outcome,
	}
	v.ExitCode, v.Signal, v.Error = ending(e.Result)
	v.CoreDumped = dumped(e.Result)
	return v
}

// A HostFinished is the last event of a host, "host_finished".
type HostFinished struct {
	Head
	Host string `json:"host"`
	// Address is absent if it was never reached.
	Address string         `json:"address,omitempty"`
	Outcome fanout.Outcome `json:"outcome"`
	// Started: the command was sent.
	Started bool `json:"started"`
	// ExitCode is absent where no exit status came, and Signal where none ended
	// the command. Error is absent where nothing failed.
	ExitCode *uint32  `json:"exit_code,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Error    *Failure `json:"error,omitempty"`
	// OutputComplete is false if output may be missing.
	OutputComplete bool `json:"output_complete"`
	// CoreDumped is absent unless the command left a core dump.
	CoreDumped bool `json:"core_dumped,omitempty"`
	// Attempts is how many were made; the times are those of the last, ConnectMS
	// the first three together, and DurationMS the command alone.
	Attempts   int   `json:"attempts"`
	ResolveMS  int64 `json:"resolve_ms"`
	DialMS     int64 `json:"dial_ms"`
	LoginMS    int64 `json:"login_ms"`
	ConnectMS  int64 `json:"connect_ms"`
	DurationMS int64 `json:"duration_ms"`
	// StdoutBytes and StderrBytes are what the host wrote, of which OmittedBytes
	// were not recorded.
	StdoutBytes  int64 `json:"stdout_bytes"`
	StderrBytes  int64 `json:"stderr_bytes"`
	OmittedBytes int64 `json:"omitted_bytes"`
}

// NewHostFinished is the form of e.
func NewHostFinished(e fanout.Event) HostFinished {
	r := e.Result
	v := HostFinished{
		Head: headOf(e, "host_finished"), Host: e.Target.Name, Address: r.Report.Address,
		Outcome: r.Outcome, Started: r.Report.Started, OutputComplete: r.Report.OutputComplete,
		Attempts:  r.Attempts,
		ResolveMS: r.Report.Resolve.Milliseconds(), DialMS: r.Report.Dial.Milliseconds(),
		LoginMS:     r.Report.Login.Milliseconds(),
		ConnectMS:   r.Report.Connect().Milliseconds(),
		DurationMS:  r.Report.Command.Milliseconds(),
		StdoutBytes: r.StdoutBytes, StderrBytes: r.StderrBytes, OmittedBytes: r.OmittedBytes,
	}
	v.ExitCode, v.Signal, v.Error = ending(r)
	v.CoreDumped = dumped(r)
	return v
}

// dumped reports whether the end of a command left a core dump.
func dumped(r *fanout.Result) bool { return r.Report.Exit != nil && r.Report.Exit.Core }

// A RunFinished is the last event of a run, "run_finished".
type RunFinished struct {
	Head
	Counts Counts `json:"counts"`
	Hosts  int    `json:"hosts"`
	// DurationMS is absent if it was cut off: when is not known.
	DurationMS *int64 `json:"duration_ms,omitempty"`
	// Stopped is what stopped it early; "none" if nothing did.
	Stopped string `json:"stopped"`
	// SpentBy is the host whose failure used up the budget; absent if none did.
	SpentBy string `json:"spent_by,omitempty"`
	// ExitCode is absent where none is known.
	ExitCode *int `json:"exit_code,omitempty"`
}

// NewRunFinished is the form of e. exitCode returns the exit code of a run; nil: the
// form has none.
func NewRunFinished(e fanout.Event, exitCode func(fanout.Summary) int) RunFinished {
	s := e.Summary
	v := RunFinished{Head: headOf(e, "run_finished"), Counts: Counts{s}, Hosts: s.Hosts, Stopped: s.Stopped.String(), SpentBy: s.SpentBy}
	if !s.Ended.IsZero() {
		took := s.Ended.Sub(s.Started).Milliseconds()
		v.DurationMS = &took
	}
	if exitCode != nil {
		code := exitCode(*s)
		v.ExitCode = &code
	}
	return v
}

// Counts are an object with every outcome, in the order of reports.
type Counts struct{ s *fanout.Summary }

// MarshalJSON writes the counts; it does not fail.
func (c Counts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, o := range fanout.Outcomes() {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(`"` + o.String() + `":` + strconv.Itoa(c.s.Counts[o]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
