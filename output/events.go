package output

import (
	"bytes"
	"strconv"
	"time"

	"tutti/fanout"
)

// The JSON events, field by field in the order in which they are written. The
// names are public.

// head begins every event.
type head struct {
	Schema int    `json:"schema"`
	Type   string `json:"type"`
	Time   Time   `json:"time"`
	Run    int64  `json:"run,omitempty"`
}

func headOf(e fanout.Event, kind string) head {
	return head{Schema: schema, Type: kind, Time: Time(e.Time), Run: e.RunID}
}

type runStarted struct {
	head
	Source   string `json:"source"`
	Command  string `json:"command"`
	Selector string `json:"selector"`
	Hosts    int    `json:"hosts"`
}

type hostStarted struct {
	head
	Host    string `json:"host"`
	Address string `json:"address"`
	Attempt int    `json:"attempt"`
}

type outputEvent struct {
	head
	Host     string `json:"host"`
	Attempt  int    `json:"attempt"`
	Stream   string `json:"stream"`
	Data     string `json:"data"`
	Encoding string `json:"encoding,omitempty"`
	Partial  bool   `json:"partial,omitempty"`
	// OmittedBytes is set, without data, where a record lacks bytes.
	OmittedBytes int64 `json:"omitted_bytes,omitempty"`
}

func outputOf(e fanout.Event, s fanout.Stream) outputEvent {
	return outputEvent{head: headOf(e, "output"), Host: e.Target.Name, Attempt: e.Attempt, Stream: s.String()}
}

// failureObject is the "error" of an event.
type failureObject struct {
	Op          fanout.Op `json:"op"`
	Message     string    `json:"message"`
	RemoteState string    `json:"remote_state,omitempty"`
	Hint        string    `json:"hint,omitempty"`
}

// ending is how an attempt ended.
func ending(r *fanout.Result) (exitCode *uint32, signal string, failure *failureObject) {
	if exit := r.Report.Exit; exit != nil {
		signal = exit.Signal
		if signal == "" {
			exitCode = &exit.Code
		}
	}
	if f := r.Report.Failure; f != nil {
		failure = &failureObject{Op: f.Op, Message: f.Text(), Hint: f.Hint, RemoteState: f.Remote}
	}
	return exitCode, signal, failure
}

type hostRetrying struct {
	head
	Host     string         `json:"host"`
	Attempt  int            `json:"attempt"`
	DelayMS  int64          `json:"delay_ms"`
	Outcome  fanout.Outcome `json:"outcome"`
	ExitCode *uint32        `json:"exit_code,omitempty"`
	Signal   string         `json:"signal,omitempty"`
	Error    *failureObject `json:"error,omitempty"`
}

func retryingOf(e fanout.Event) hostRetrying {
	v := hostRetrying{
		head: headOf(e, "host_retrying"), Host: e.Target.Name, Attempt: e.Attempt,
		DelayMS: e.Delay.Milliseconds(), Outcome: e.Result.Outcome,
	}
	v.ExitCode, v.Signal, v.Error = ending(e.Result)
	return v
}

type hostFinished struct {
	head
	Host           string         `json:"host"`
	Address        string         `json:"address,omitempty"`
	Outcome        fanout.Outcome `json:"outcome"`
	Started        bool           `json:"started"`
	ExitCode       *uint32        `json:"exit_code,omitempty"`
	Signal         string         `json:"signal,omitempty"`
	Error          *failureObject `json:"error,omitempty"`
	OutputComplete bool           `json:"output_complete"`
	Attempts       int            `json:"attempts"`
	ResolveMS      int64          `json:"resolve_ms"`
	DialMS         int64          `json:"dial_ms"`
	LoginMS        int64          `json:"login_ms"`
	ConnectMS      int64          `json:"connect_ms"`
	DurationMS     int64          `json:"duration_ms"`
	StdoutBytes    int64          `json:"stdout_bytes"`
	StderrBytes    int64          `json:"stderr_bytes"`
	OmittedBytes   int64          `json:"omitted_bytes"`
}

func finishedOf(e fanout.Event) hostFinished {
	r := e.Result
	v := hostFinished{
		head: headOf(e, "host_finished"), Host: e.Target.Name, Address: r.Report.Address,
		Outcome: r.Outcome, Started: r.Report.Started, OutputComplete: r.Report.OutputComplete,
		Attempts:  r.Attempts,
		ResolveMS: r.Report.Resolve.Milliseconds(), DialMS: r.Report.Dial.Milliseconds(),
		LoginMS:     r.Report.Login.Milliseconds(),
		ConnectMS:   r.Report.Connect().Milliseconds(),
		DurationMS:  r.Report.Command.Milliseconds(),
		StdoutBytes: r.StdoutBytes, StderrBytes: r.StderrBytes, OmittedBytes: r.OmittedBytes,
	}
	v.ExitCode, v.Signal, v.Error = ending(r)
	return v
}

type runFinished struct {
	head
	Counts     outcomeCounts `json:"counts"`
	Hosts      int           `json:"hosts"`
	DurationMS *int64        `json:"duration_ms,omitempty"`
	Stopped    string        `json:"stopped"`
	ExitCode   *int          `json:"exit_code,omitempty"`
}

func (j *JSON) runFinishedOf(e fanout.Event) runFinished {
	s := e.Summary
	v := runFinished{
		head: headOf(e, "run_finished"), Counts: outcomeCounts{s}, Hosts: s.Hosts,
		Stopped: s.Stopped.String(),
	}
	if !s.Ended.IsZero() {
		took := durationOf(s).Milliseconds()
		v.DurationMS = &took
	}
	if j.exitCode != nil {
		code := j.exitCode(*s)
		v.ExitCode = &code
	}
	return v
}

func durationOf(s *fanout.Summary) time.Duration { return s.Ended.Sub(s.Started) }

// outcomeCounts is an object with every outcome, in the order of reports.
type outcomeCounts struct{ s *fanout.Summary }

// MarshalJSON writes the counts; it does not fail.
func (c outcomeCounts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, o := range fanout.Outcomes() {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(`"` + o.String() + `":` + strconv.Itoa(c.s.Counts[o]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
