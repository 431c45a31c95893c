package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/fanout"
)

// maxHosts bounds what a line may make a Decoder allocate.
const maxHosts = 1 << 20

// ErrUnknown is a line of an unknown type: of a later version.
var ErrUnknown = errors.New("not an event of a run")

// A Decoder reads the lines of a run back into its events, so that a run of another
// machine is shown as one of this machine. The events lack what the lines lack:
// connecting, batches, the policy, limits. A Decoder is for one run and one goroutine.
type Decoder struct {
	names    []string // in the order of the plan; nil: that of the lines
	plan     *fanout.Plan
	targets  map[string]*decoded
	started  time.Time
	remote   fanout.Summary // for its RemoteCode
	exitCode *int
}

// A decoded target is what the lines have said of it so far.
type decoded struct {
	target  *fanout.Target
	numbers fanout.Numbering
	// Of the current attempt: when its command was sent, and how much it wrote.
	startedAt time.Time
	bytes     [2]int64
	ended     bool
}

// NewDecoder is a decoder for a run on those hosts, in the order of its plan. If hosts is
// nil their order is that in which the lines name them, which differs while a run goes on.
func NewDecoder(hosts []string) *Decoder {
	return &Decoder{names: hosts, targets: make(map[string]*decoded)}
}

// ExitCode is that of the run, once it is over; nil: it has none.
func (d *Decoder) ExitCode() *int { return d.exitCode }

// Decode is the event of a line; [ErrUnknown] for one that the caller leaves out. Any
// other error is a line that is not valid.
func (d *Decoder) Decode(line []byte) (fanout.Event, error) {
	var head Head
	if err := json.Unmarshal(line, &head); err != nil {
		return fanout.Event{}, notAnEvent(err)
	}
	kind, known := map[string]func(*Decoder, []byte, *fanout.Event) error{
		"run_started": (*Decoder).runStarted, "host_started": (*Decoder).hostStarted, "output": (*Decoder).output,
		"host_retrying": (*Decoder).hostRetrying, "host_finished": (*Decoder).hostFinished, "run_finished": (*Decoder).runFinished,
	}[head.Type]
	switch {
	case !known:
		return fanout.Event{}, ErrUnknown
	case (d.plan == nil) != (head.Type == "run_started"):
		return fanout.Event{}, fmt.Errorf("want run_started as the first line of a run, and only there: got %s", head.Type)
	}
	e := fanout.Event{Time: time.Time(head.Time), RunID: head.Run}
	if err := kind(d, line, &e); err != nil {
		return fanout.Event{}, notAnEvent(err)
	}
	return e, nil
}

// notAnEvent says what is wrong with a line without its values.
func notAnEvent(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("a line is not JSON at byte %d", syntax.Offset)
	}
	return fmt.Errorf("a line is not an event: %w", err)
}

func (d *Decoder) runStarted(line []byte, e *fanout.Event) error {
	var v RunStarted
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	if v.Hosts < 0 || v.Hosts > maxHosts || d.names != nil && len(d.names) != v.Hosts {
		return errors.New("the number of hosts is not that of the run")
	}
	plan := &fanout.Plan{Source: v.Source, Selector: v.Selector, Targets: make([]fanout.Target, v.Hosts)}
	plan.Task.Action = fanout.Ping{}
	if v.Command != "" {
		plan.Task.Action = fanout.Command(v.Command)
	}
	for i := range plan.Targets {
		plan.Targets[i].Index = i
	}
	d.plan, d.started = plan, e.Time
	for _, name := range d.names {
		if _, err := d.target(name); err != nil {
			return err
		}
	}
	e.Kind, e.Number, e.Plan = fanout.RunStarted, 1, plan
	return nil
}

// target is the one of that name.
func (d *Decoder) target(name string) (*decoded, error) {
	t := d.targets[name]
	switch {
	case t != nil && t.ended:
		return nil, errors.New("its host has already ended")
	case t != nil:
		return t, nil
	case name == "":
		return nil, errors.New("host is missing")
	case len(d.targets) == len(d.plan.Targets):
		return nil, errors.New("its host is not in the run")
	}
	t = &decoded{target: &d.plan.Targets[len(d.targets)]}
	t.target.Name = name
	d.targets[name] = t
	return t, nil
}

// about makes e the next event of a host.
func (d *Decoder) about(e *fanout.Event, kind fanout.Kind, host string, attempt int) (*decoded, error) {
	t, err := d.target(host)
	if err != nil {
		return nil, err
	}
	if attempt < 0 || attempt == 0 && kind != fanout.TargetFinished {
		return nil, errors.New("attempt is not valid")
	}
	e.Kind, e.Target, e.Attempt = kind, t.target, attempt
	return t, nil
}

func (d *Decoder) hostStarted(line []byte, e *fanout.Event) error {
	var v HostStarted
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	t, err := d.about(e, fanout.TargetStarted, v.Host, v.Attempt)
	if err != nil {
		return err
	}
	t.startedAt, e.Address = e.Time, v.Address
	e.Number = t.numbers.Next(e)
	return nil
}

func (d *Decoder) output(line []byte, e *fanout.Event) error {
	var v Output
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	t, err := d.about(e, fanout.Output, v.Host, v.Attempt)
	if err != nil {
		return err
	}
	switch v.Stream {
	case fanout.Stdout.String():
	case fanout.Stderr.String():
		e.Stream = fanout.Stderr
	default:
		return errors.New("stream is not stdout or stderr")
	}
	if e.Data, err = v.bytes(); err != nil || v.OmittedBytes < 0 {
		return errors.New("data does not have the encoding that it names")
	}
	e.Omitted = v.OmittedBytes
	t.bytes[e.Stream] += int64(len(e.Data)) + e.Omitted
	e.Number = t.numbers.Next(e)
	return nil
}

// bytes are what SetData was given.
func (o *Output) bytes() ([]byte, error) {
	switch o.Encoding {
	case "":
		return []byte(o.Data), nil
	case "base64":
		return base64.StdEncoding.DecodeString(o.Data)
	}
	return nil, errors.New("unknown encoding")
}

func (d *Decoder) hostRetrying(line []byte, e *fanout.Event) error {
	var v HostRetrying
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	t, err := d.about(e, fanout.TargetRetrying, v.Host, v.Attempt)
	if err != nil {
		return err
	}
	r := t.result(e.Time, v.Outcome, v.Attempt)
	r.StdoutBytes, r.StderrBytes = t.bytes[fanout.Stdout], t.bytes[fanout.Stderr]
	r.Report.Started = !t.startedAt.IsZero()
	r.Report.Exit, r.Report.Failure = exitOf(v.ExitCode, v.Signal, v.CoreDumped), v.Error.Cause()
	e.Delay, e.Result = time.Duration(v.DelayMS)*time.Millisecond, r
	e.Number = t.numbers.Next(e)
	t.startedAt, t.bytes = time.Time{}, [2]int64{}
	return nil
}

func (d *Decoder) hostFinished(line []byte, e *fanout.Event) error {
	var v HostFinished
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	t, err := d.about(e, fanout.TargetFinished, v.Host, v.Attempts)
	if err != nil {
		return err
	}
	r := t.result(e.Time, v.Outcome, v.Attempts)
	r.StdoutBytes, r.StderrBytes, r.OmittedBytes = v.StdoutBytes, v.StderrBytes, v.OmittedBytes
	const ms = time.Millisecond
	r.Report = fanout.Report{
		Exit: exitOf(v.ExitCode, v.Signal, v.CoreDumped), Failure: v.Error.Cause(),
		Started: v.Started, OutputComplete: v.OutputComplete, Address: v.Address,
		Resolve: time.Duration(v.ResolveMS) * ms, Dial: time.Duration(v.DialMS) * ms,
		Login: time.Duration(v.LoginMS) * ms, Command: time.Duration(v.DurationMS) * ms,
	}
	e.Result = r
	e.Number = t.numbers.Next(e)
	t.ended = true
	d.remote.Add(*r)
	return nil
}

// result has the fields that the results of all attempts have.
func (t *decoded) result(at time.Time, o fanout.Outcome, attempts int) *fanout.Result {
	return &fanout.Result{Target: *t.target, Outcome: o, Attempts: attempts, StartedAt: t.startedAt, EndedAt: at}
}

// exitOf is the exit of a command; nil if it has none.
func exitOf(code *uint32, signal string, core bool) *fanout.Exit {
	switch {
	case signal != "":
		return &fanout.Exit{Signal: signal, Core: core}
	case code != nil:
		return &fanout.Exit{Code: *code, Core: core}
	}
	return nil
}

func (d *Decoder) runFinished(line []byte, e *fanout.Event) error {
	var v RunFinished
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	stopped, err := fanout.ParseStopped(v.Stopped)
	if err != nil || v.Counts.s == nil {
		return errors.New("counts or stopped is missing or not valid")
	}
	s := *v.Counts.s
	s.Hosts, s.Stopped, s.SpentBy, s.Started, s.RemoteCode = v.Hosts, stopped, v.SpentBy, d.started, d.remote.RemoteCode
	if v.DurationMS != nil {
		s.Ended = d.started.Add(time.Duration(*v.DurationMS) * time.Millisecond)
	}
	d.exitCode = v.ExitCode
	e.Kind, e.Summary, e.Number = fanout.RunFinished, &s, fanout.Policy{}.LastNumber(v.Hosts)
	return nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Counts) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	var counts map[string]int
	if err := json.Unmarshal(data, &counts); err != nil {
		return err
	}
	c.s = &fanout.Summary{}
	for _, o := range fanout.Outcomes() {
		c.s.Counts[o] = counts[o.String()]
	}
	return nil
}
