package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/store"
	"tutti/store/sqlite"
)

// A verdict holds what a run says against what the fleet knows.
type verdict struct {
	*lane
	command string
	fate    fate
	scripts map[string]*script
	account *account // nil: the process was killed
}

// tagOf is what tells a command from all others; empty for one that is not ours.
func tagOf(command string) string {
	for word := range strings.FieldsSeq(command) {
		if strings.HasPrefix(word, "soak.") {
			return strings.TrimSuffix(word, ";")
		}
	}
	return ""
}

// An output is what the history has of what a host said.
type output struct {
	streams [2]bytes.Buffer
	omitted bool // some of it is not in the history
}

// judge reads the record of the run, and compares.
func (v *verdict) judge(run int64) error {
	ctx := v.t.Context()
	history, err := sqlite.Open(ctx, v.history, store.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = history.Close() }() // it was read only
	results, err := history.Results(ctx, run)
	if err != nil {
		return err
	}
	outputs := map[string]*output{}
	err = history.Replay(ctx, run, store.Filter{}, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		collect(outputs, e)
		return nil
	}))
	if err != nil {
		return err
	}
	if len(results) != len(v.hosts) {
		return fmt.Errorf("run %d: got %d hosts in the history, want %d", run, len(results), len(v.hosts))
	}
	truth := v.truth()
	for _, r := range results {
		host := r.Target.Name
		if outputs[host] == nil {
			outputs[host] = &output{}
		}
		if err := v.host(r.Result, truth[host], outputs[host]); err != nil {
			v.errorf("lane %d, %s: %s (%s; run %s): %s: %v", v.number, tagOf(v.command), host, v.scripts[host].fault, v.fate.name, describe(r.Result), err)
		}
	}
	if v.account != nil {
		for _, leak := range v.account.Leaks {
			v.errorf("lane %d, %s, run %s: left in the process: %s", v.number, tagOf(v.command), v.fate.name, leak)
		}
	}
	v.count(results, truth)
	return v.clearAway(results)
}

// collect takes the recorded output in; only the last attempt's counts.
func collect(outputs map[string]*output, e fanout.Event) {
	switch e.Kind {
	case fanout.TargetStarted:
		outputs[e.Target.Name] = &output{}
	case fanout.Output:
		o := outputs[e.Target.Name]
		if o == nil { // it is not said to have started, which is judged elsewhere
			o = &output{}
			outputs[e.Target.Name] = o
		}
		if e.Omitted > 0 {
			o.omitted = true
		}
		if !o.omitted {
			o.streams[e.Stream].Write(e.Data)
		}
	}
}

func describe(r fanout.Result) string {
	text := fmt.Sprintf("%s, started %v, complete %v", r.Outcome, r.Report.Started, r.Report.OutputComplete)
	if f := r.Report.Failure; f != nil {
		text += fmt.Sprintf(", %s: %s", f.Op, f.Message)
	}
	return text
}

// truth is what the fleet knows of the run's command, by host.
func (v *verdict) truth() map[string][]fleet.Record {
	out := map[string][]fleet.Record{}
	for _, r := range v.fleet.Log() {
		if r.Command == v.command {
			out[r.Host] = append(out[r.Host], r)
		}
	}
	return out
}

// host holds what the history says of a host against the sessions in which the
// command has reached it.
func (v *verdict) host(r fanout.Result, sessions []fleet.Record, o *output) error {
	s := v.scripts[r.Target.Name]
	var ran []fleet.Record
	for _, session := range sessions {
		if !session.Started.IsZero() {
			ran = append(ran, session)
		}
	}
	rejected := s.faults.RejectExec
	switch {
	case len(ran) > 1:
		return fmt.Errorf("it ran %d times", len(ran))
	case len(sessions) > 1 && !rejected:
		return fmt.Errorf("it was sent %d times", len(sessions))
	case len(sessions) > 0 && !rejected && !r.Report.Started:
		return errors.New("it was sent")
	case len(ran) == 0 && r.Report.Exit != nil:
		return errors.New("it never ran")
	case r.Outcome == fanout.Failed && r.Report.Exit == nil && s.want != refuses:
		return errors.New("it was not refused")
	case r.Report.Started != (r.Report.Exit != nil || r.Outcome == fanout.Lost || r.Outcome == fanout.Timeout || r.Outcome == fanout.Canceled && r.Report.Started):
		return errors.New("started does not go with the outcome")
	}
	if err := v.asTold(r); err != nil {
		return err
	}
	if len(ran) == 1 {
		if err := checkEnd(r, ran[0], s); err != nil {
			return err
		}
	}
	if err := checkOutput(r, s, o, v.command); err != nil {
		return err
	}
	if v.fate.clean() && !s.via && !s.struck {
		return s.want.check(r)
	}
	return nil
}

// asTold: the history says what the process said.
func (v *verdict) asTold(r fanout.Result) error {
	if v.account == nil {
		return nil
	}
	want, ok := v.account.Hosts[r.Target.Name]
	if got := (told{r.Outcome, r.Report.Started, r.Attempts}); !ok || got != want {
		return fmt.Errorf("its process said %+v (%v)", want, ok)
	}
	return nil
}

// checkEnd: what is said to be the end of a command is that.
func checkEnd(r fanout.Result, session fleet.Record, s *script) error {
	if r.Report.Exit == nil {
		return nil
	}
	want, ok := exitOf(session, s)
	got := *r.Report.Exit
	if !ok || got.Signal != want.Signal || got.Signal == "" && got.Code != want.Code {
		return fmt.Errorf("got exit %+v, want %+v (%v)", got, want, ok)
	}
	if got.Success() != (r.Outcome == fanout.OK) {
		return fmt.Errorf("exit %+v does not go with the outcome", got)
	}
	return nil
}

// checkOutput: what is said to be complete is, and all else is the beginning of
// what the host wrote.
func checkOutput(r fanout.Result, s *script, o *output, command string) error {
	stdout, stderr := expected(r.Target.Name, command, s)
	stdout = append(stdout, s.faults.AfterEOF...)
	for stream, want := range [][]byte{stdout, stderr} {
		got := o.streams[stream].Bytes()
		if !bytes.HasPrefix(want, got) {
			return fmt.Errorf("%s: got %d bytes that it did not write", fanout.Stream(stream), len(got))
		}
		missing := len(want) - len(got)
		if stream == 0 && len(s.faults.AfterEOF) > 0 {
			missing = max(0, missing-len(s.faults.AfterEOF)) // a client need not read after the end
		}
		if r.Report.Exit != nil && r.Report.OutputComplete && missing > 0 {
			return fmt.Errorf("%s: got %d bytes, want %d, and it is said to be complete", fanout.Stream(stream), len(got), len(want))
		}
	}
	return nil
}

// check: what nothing but its fault has happened to ends as that demands.
func (w want) check(r fanout.Result) error {
	exited := r.Report.Exit != nil
	ok := true
	switch w {
	case ends:
		ok = exited && r.Report.OutputComplete
	case exits:
		ok = exited
	case endsOpen:
		ok = exited && !r.Report.OutputComplete
	case never:
		ok = r.Outcome == fanout.Unreachable
	case refuses:
		ok = r.Outcome == fanout.Failed && !exited
	case times:
		ok = r.Outcome == fanout.Timeout
	case loses:
		// Who has stopped to listen before it hung up does not know that.
		ok = r.Outcome == fanout.Lost || exited && !r.Report.OutputComplete
	}
	if !ok {
		return errors.New("its fault should have had another end")
	}
	return nil
}
