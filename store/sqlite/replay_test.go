package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// normalize removes what Replay does not promise to keep: pieces of output of
// one stream that follow each other are one, at the time of the first; a target
// that was never tried ends with the run; the events are sorted by host.
func normalize(events []fanout.Event) []fanout.Event {
	var out []fanout.Event
	for _, e := range events {
		e.RunID = 0
		if n := len(out); e.Kind == fanout.Output && n > 0 {
			last := &out[n-1]
			if last.Kind == fanout.Output && last.Target.Name == e.Target.Name && last.Attempt == e.Attempt &&
				last.Stream == e.Stream && last.Omitted == 0 && e.Omitted == 0 {
				last.Data, last.Number = append(slices.Clone(last.Data), e.Data...), e.Number
				continue
			}
		}
		if e.Kind == fanout.Output {
			e.Time = time.Time{}
		}
		out = append(out, e)
	}
	return out
}

// script makes the events of a random run, host after host, with their numbers.
func script(rng *rand.Rand, p *fanout.Plan) []fanout.Event {
	events := []fanout.Event{{Kind: fanout.RunStarted, Time: at(0), Number: 1, Plan: p}}
	s := &fanout.Summary{Started: at(0), Ended: at(100_000), Stopped: fanout.Stopped(rng.IntN(3)), SpentBy: "x"}
	for i := range p.Targets {
		host := scriptHost(rng, &p.Targets[i])
		var numbers fanout.Numbering
		for i := range host {
			host[i].Number = numbers.Next(&host[i])
		}
		events = append(events, host...)
		s.Add(*host[len(host)-1].Result)
	}
	last := p.Policy.LastNumber(len(p.Targets))
	return append(events, fanout.Event{Kind: fanout.RunFinished, Time: at(100_000), Number: last, Summary: s})
}

func scriptHost(rng *rand.Rand, t *fanout.Target) []fanout.Event {
	if rng.IntN(8) == 0 {
		r := &fanout.Result{Target: *t, Outcome: fanout.Skipped, QueuedAt: at(0)}
		return []fanout.Event{{Kind: fanout.TargetFinished, Time: at(100_000), Target: t, Result: r}}
	}
	var events []fanout.Event
	for attempt := 1; ; attempt++ {
		r := scriptResult(rng, t, attempt)
		if r.Report.Started {
			events = append(events, fanout.Event{
				Kind: fanout.TargetStarted, Time: r.StartedAt, Target: t, Attempt: attempt, Address: r.Report.Address,
			})
			events = append(events, scriptOutput(rng, t, attempt, r)...)
		}
		e := fanout.Event{Kind: fanout.TargetFinished, Time: r.EndedAt, Target: t, Attempt: attempt, Result: r}
		if rng.IntN(3) > 0 {
			return append(events, e)
		}
		e.Kind, e.Delay = fanout.TargetRetrying, time.Duration(rng.IntN(5000))*time.Millisecond
		events = append(events, e)
		if rng.IntN(4) == 0 { // stopped while it waited for the next attempt
			last := *r
			return append(events, fanout.Event{Kind: fanout.TargetFinished, Time: r.EndedAt, Target: t, Attempt: attempt, Result: &last})
		}
	}
}

func scriptResult(rng *rand.Rand, t *fanout.Target, attempt int) *fanout.Result {
	ms := func() time.Duration { return time.Duration(rng.IntN(9000)) * time.Millisecond }
	start := 1000 * attempt
	r := &fanout.Result{
		Target: *t, Attempts: attempt, QueuedAt: at(0), BegunAt: at(5), EndedAt: at(start + 900),
		Report: fanout.Report{
			Address: fmt.Sprintf("10.0.0.%d:22", t.Index), Started: rng.IntN(4) > 0,
			Resolve: ms(), Dial: ms(), Login: ms(),
		},
	}
	p := &r.Report
	remote := ""
	if p.Started {
		r.StartedAt, p.Command, p.OutputComplete, remote = at(start), ms(), rng.IntN(2) == 0, fanout.RemoteUnknown
	}
	switch {
	case p.Started && rng.IntN(2) == 0:
		p.Exit = &fanout.Exit{Code: uint32(rng.IntN(3))}
	case p.Started && rng.IntN(3) == 0:
		p.Exit = &fanout.Exit{Signal: "SEGV", Core: true, Message: "stack überlauf\x00"}
	default:
		detail := []string{"", "SHA256:x: (known_hosts:7)"}[rng.IntN(2)]
		hint := []string{"", "ssh-add"}[rng.IntN(2)]
		p.Failure = &fanout.Failure{Op: fanout.OpLogin, Message: "no \"key\" accepted", Remote: remote, Detail: detail, Hint: hint, Final: rng.IntN(2) == 0}
	}
	r.Outcome = p.Outcome()
	return r
}

func scriptOutput(rng *rand.Rand, t *fanout.Target, attempt int, r *fanout.Result) []fanout.Event {
	var events []fanout.Event
	for i := range rng.IntN(12) {
		size := 1 + rng.IntN(200)
		if rng.IntN(6) == 0 {
			size = 1 + rng.IntN(700<<10)
		}
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(rng.IntN(256) & rng.IntN(256))
		}
		e := fanout.Event{Kind: fanout.Output, Time: at(i), Target: t, Attempt: attempt, Stream: fanout.Stream(rng.IntN(2)), Data: data}
		if e.Stream == fanout.Stdout {
			r.StdoutBytes += int64(size)
		} else {
			r.StderrBytes += int64(size)
		}
		events = append(events, e)
	}
	return events
}

func checkEvents(t *testing.T, got, want []fanout.Event) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d:\ngot  %s\nwant %s", i, describe(got[i]), describe(want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d", len(got), len(want))
	}
}

func describe(e fanout.Event) string {
	data := e.Data
	e.Data = nil
	text := fmt.Sprintf("%+v, %d bytes", e, len(data))
	for _, part := range []any{e.Target, e.Result, e.Summary, e.Plan} {
		if !reflect.ValueOf(part).IsNil() {
			text += fmt.Sprintf("\n     %+v", reflect.ValueOf(part).Elem())
		}
	}
	if e.Result != nil {
		text += fmt.Sprintf("\n     %+v %+v", e.Result.Report.Exit, e.Result.Report.Failure)
	}
	return text
}

func FuzzRecordReplay(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(seed, seed*77)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		rng := rand.New(rand.NewPCG(a, b))
		p := testPlan(numbered(1 + rng.IntN(12))...)
		p.Policy = fanout.Policy{
			Fanout: rng.IntN(9), Deadline: time.Minute, Pause: time.Second,
			Retry:   fanout.Retry{On: []fanout.Outcome{fanout.Unreachable, fanout.Lost}, Delay: time.Second},
			Batches: []fanout.Share{{Value: 1}, {Value: 12.5, Percent: true}}, MaxFail: &fanout.Share{Value: 3},
		}
		events := script(rng, &p)
		s := openTest(t, tempPath(t))
		r := begin(t, s, p, store.RunInfo{RecordLimit: 1 << 40})
		handle(t, r, events...)
		closeRecorder(t, r)
		checkEvents(t, normalize(replayed(t, s, r.RunID(), store.Filter{})), normalize(events))
	})
}

// replayHosts is how many hosts package store reads at once.
const replayHosts = 256

func TestReplayFilter(t *testing.T) {
	s := openTest(t, tempPath(t))
	id := record(t, s, store.RunInfo{}, "a", "!b", "c", "!d")
	tests := []struct {
		name   string
		filter store.Filter
		want   []string
	}{
		{"all", store.Filter{}, []string{"host00000", "host00001", "host00002", "host00003"}},
		{"by host", store.Filter{Hosts: []string{"host00003", "host00000", "none"}}, []string{"host00000", "host00003"}},
		{"by outcome", store.Filter{Outcomes: []fanout.Outcome{fanout.Failed}}, []string{"host00001", "host00003"}},
		{"by both", store.Filter{Hosts: []string{"host00003", "host00000"}, Outcomes: []fanout.Outcome{fanout.Failed}}, []string{"host00003"}},
		{"none", store.Filter{Hosts: []string{}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			events := replayed(t, s, id, tt.filter)
			for _, e := range events {
				if e.Kind == fanout.TargetFinished {
					got = append(got, e.Target.Name)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			plan, summary := events[0].Plan, events[len(events)-1].Summary
			if len(plan.Targets) != len(tt.want) || summary.Hosts != len(tt.want) {
				t.Errorf("got %d targets, %d hosts, want %d", len(plan.Targets), summary.Hosts, len(tt.want))
			}
			for i, target := range plan.Targets {
				if target.Index != i {
					t.Errorf("%s: got index %d, want %d", target.Name, target.Index, i)
				}
			}
		})
	}
}

func TestReplayPages(t *testing.T) {
	s := openTest(t, tempPath(t))
	outputs := make([]string, 2*replayHosts+3)
	for i := range outputs {
		outputs[i] = fmt.Sprintf("line of %d", i)
	}
	id := record(t, s, store.RunInfo{}, outputs...)
	var got []string
	for _, e := range replayed(t, s, id, store.Filter{}) {
		if e.Kind == fanout.Output {
			got = append(got, string(e.Data))
		}
	}
	if !slices.Equal(got, outputs) {
		t.Errorf("got %d outputs, %q…, want %d, %q…", len(got), got[:1], len(outputs), outputs[:1])
	}
}

func TestReplayErrors(t *testing.T) {
	s := openTest(t, tempPath(t))
	id := record(t, s, store.RunInfo{}, "a")
	none := fanout.SinkFunc(func(context.Context, fanout.Event) error { return nil })
	err := s.Replay(t.Context(), 99, store.Filter{}, none)
	if e, ok := errors.AsType[*store.NoRunError](err); !ok || e.Newest != id {
		t.Errorf("a missing run: got %v, want a NoRunError whose newest is %d", err, id)
	}
	calls, stop := 0, errors.New("stop")
	err = s.Replay(t.Context(), id, store.Filter{}, fanout.SinkFunc(func(context.Context, fanout.Event) error {
		calls++
		return stop
	}))
	if !errors.Is(err, stop) || errors.As(err, new(*store.Error)) || calls != 1 {
		t.Errorf("a failing sink: got %v after %d calls, want its own error after 1", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Replay(ctx, id, store.Filter{}, none); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context: got %v, want %v", err, context.Canceled)
	}
}

// A sink that waits, as for a pager, must not keep the log from being emptied.
func TestReplayHoldsNoTransaction(t *testing.T) {
	s := openTest(t, tempPath(t))
	id := record(t, s, store.RunInfo{}, "a", "b")
	err := s.Replay(t.Context(), id, store.Filter{}, fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		record(t, s, store.RunInfo{}, "other")
		var busy, log, done int
		if err := s.w.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
			return err
		}
		if busy != 0 {
			return fmt.Errorf("at %v: a reader is in the way", e.Kind)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestRecordLimit(t *testing.T) {
	tests := []struct {
		name       string
		limit      int64
		size       int
		head, tail int
	}{
		{"below", 1000, 999, 999, 0},
		{"exactly", 1000, 1000, 1000, 0},
		{"one more", 1000, 1001, 500, 500},
		{"much more", 1000, 100_000, 500, 500},
		{"large", 1 << 20, 3 << 20, 1<<20 - store.MaxTail, store.MaxTail},
		{"default", 0, 5 << 20, store.DefaultRecordLimit - store.MaxTail, store.MaxTail},
		{"nothing", -1, 100, 0, 0},
		{"one byte", 1, 100, 1, 0},
	}
	for _, tt := range tests {
		for _, piece := range []int{tt.size, 4093} {
			t.Run(fmt.Sprintf("%s in pieces of %d", tt.name, piece), func(t *testing.T) {
				s := openTest(t, tempPath(t))
				data := make([]byte, tt.size)
				rng := rand.New(rand.NewPCG(1, 2))
				for i := range data {
					data[i] = byte('a' + rng.IntN(20))
				}
				head, gap, tail, result := recordPieces(t, s, tt.limit, data, piece)
				want := int64(tt.size - tt.head - tt.tail)
				if gap != want || result.OmittedBytes != want {
					t.Errorf("got a gap of %d, omitted %d, want %d", gap, result.OmittedBytes, want)
				}
				if !bytes.Equal(head, data[:tt.head]) || !bytes.Equal(tail, data[tt.size-tt.tail:]) {
					t.Errorf("got %d and %d bytes, want the first %d and the last %d", len(head), len(tail), tt.head, tt.tail)
				}
			})
		}
	}
}

// recordPieces records data and returns what of it stands before and after the
// gap, and the result.
func recordPieces(t *testing.T, s *Store, limit int64, data []byte, piece int) (head []byte, gap int64, tail []byte, result *fanout.Result) {
	t.Helper()
	p := testPlan("a")
	r := begin(t, s, p, store.RunInfo{RecordLimit: limit})
	target := &p.Targets[0]
	handle(t, r, fanout.Event{Kind: fanout.TargetStarted, Time: at(10), Target: target, Attempt: 1})
	for chunk := range slices.Chunk(data, piece) {
		handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(20), Target: target, Attempt: 1, Data: chunk})
	}
	res := finished(*target, 1, 0, int64(len(data)), 0)
	handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: target, Attempt: 1, Result: res}, endEvent(res))
	closeRecorder(t, r)
	for _, e := range replayed(t, s, r.RunID(), store.Filter{}) {
		switch {
		case e.Kind == fanout.Output && e.Omitted > 0:
			gap += e.Omitted
		case e.Kind == fanout.Output && gap == 0:
			head = append(head, e.Data...)
		case e.Kind == fanout.Output:
			tail = append(tail, e.Data...)
		case e.Kind == fanout.TargetFinished:
			result = e.Result
		}
	}
	return head, gap, tail, result
}

// However much a host wrote, and in whichever way it is read for that, its output is
// replayed as it was recorded, and that of the last attempt only once.
func TestReplayAroundBriefOutput(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("none", "one", "less", "just", "more", "tried")
	r := begin(t, s, p, store.RunInfo{})
	want := map[string]string{
		"one": "x", "less": strings.Repeat("a", briefOutput-1), "just": strings.Repeat("b", briefOutput),
		"more": strings.Repeat("c", briefOutput+1), "tried": "first second",
	}
	for i := range p.Targets[:5] {
		handle(t, r, hostEvents(&p, i, want[p.Targets[i].Name], 0)...)
	}
	tried := &p.Targets[5]
	handle(t, r,
		fanout.Event{Kind: fanout.TargetStarted, Time: at(10), Target: tried, Attempt: 1},
		fanout.Event{Kind: fanout.Output, Time: at(20), Target: tried, Attempt: 1, Data: []byte("first ")},
		fanout.Event{Kind: fanout.TargetRetrying, Time: at(30), Target: tried, Attempt: 1, Result: finished(*tried, 1, 1, 6, 0)},
		fanout.Event{Kind: fanout.TargetStarted, Time: at(40), Target: tried, Attempt: 2},
		fanout.Event{Kind: fanout.Output, Time: at(50), Target: tried, Attempt: 2, Data: []byte("second")},
	)
	if err := r.Starting(t.Context(), *tried, 2, ""); err != nil { // all of it is on disk now
		t.Fatal(err)
	}
	for _, target := range p.Targets {
		if got := output(t, s, r.RunID(), target.Name); got != want[target.Name] {
			t.Errorf("%s: got %d bytes, want %d", target.Name, len(got), len(want[target.Name]))
		}
	}
	closeRecorder(t, r)
}

// Output that cannot be read is an error in its place: the hosts before it are replayed,
// the error names its host, and a filter without that host meets no error.
func TestReplayNextToDamage(t *testing.T) {
	s := openTest(t, tempPath(t))
	run := record(t, s, store.RunInfo{}, "a says", "b says", "c says")
	if _, err := s.w.Exec("UPDATE output SET at = 'long ago' WHERE host = ?", numbered(3)[1]); err != nil {
		t.Fatal(err)
	}
	said := 0
	err := s.Replay(t.Context(), run, store.Filter{}, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind == fanout.Output {
			said++
		}
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), numbered(3)[1]) || said != 1 {
		t.Errorf("got %v after %d outputs, want an error about %s after 1", err, said, numbered(3)[1])
	}
	for _, name := range []string{numbered(3)[0], numbered(3)[2]} {
		if got := output(t, s, run, name); got == "" {
			t.Errorf("got no output of %s next to the damage", name)
		}
	}
	others := []string{numbered(3)[0], numbered(3)[2]}
	if events := replayed(t, s, run, store.Filter{Hosts: others}); len(events) == 0 {
		t.Errorf("got no events of %v", others)
	}
}
