package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// Every attempt has a record of its own, and its own gap.
func TestRecordLimitIsPerAttempt(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a")
	target := &p.Targets[0]
	r := begin(t, s, p, store.RunInfo{RecordLimit: 10})
	say := func(attempt int, stream fanout.Stream, text string) {
		t.Helper()
		handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(20), Target: target, Attempt: attempt, Stream: stream, Data: []byte(text)})
	}
	start := fanout.Event{Kind: fanout.TargetStarted, Time: at(10), Target: target, Attempt: 1}
	handle(t, r, start)
	say(1, fanout.Stdout, "0123456789abcdefghij")
	say(1, fanout.Stderr, "oh")
	handle(t, r, fanout.Event{
		Kind: fanout.TargetRetrying, Time: at(50), Target: target, Attempt: 1, Delay: time.Second, Result: finished(*target, 1, 1, 20, 2),
	})
	start.Attempt = 2
	handle(t, r, start)
	say(2, fanout.Stdout, "0123456789ABC")
	say(2, fanout.Stderr, "ok")
	res := finished(*target, 2, 0, 13, 2)
	handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: target, Attempt: 2, Result: res}, endEvent(res))
	closeRecorder(t, r)

	var got []string
	for _, e := range replayed(t, s, r.RunID(), store.Filter{}) {
		switch e.Kind {
		case fanout.Output:
			got = append(got, fmt.Sprintf("%d %v %s%d", e.Attempt, e.Stream, e.Data, e.Omitted))
		case fanout.TargetRetrying, fanout.TargetFinished:
			got = append(got, fmt.Sprintf("%d omitted %d", e.Attempt, e.Result.OmittedBytes))
		}
	}
	want := []string{
		"1 stdout 012340", "1 stdout 10", "1 stderr oh0", "1 stdout fghij0", "1 omitted 10",
		"2 stdout 012340", "2 stdout 3", "2 stderr ok0", "2 stdout 89ABC0", "2 omitted 3",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The tail of a stream is in memory until its end; a record that is cut off
// says how much is missing.
func TestCutOffCountsWhatIsMissing(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a", "b")
	r := begin(t, s, p, store.RunInfo{RecordLimit: 1000})
	handle(t, r, hostEvents(&p, 0, strings.Repeat("x", 5000), 0)[:2]...)
	if err := r.Starting(t.Context(), p.Targets[1], 1, ""); err != nil {
		t.Fatal(err)
	}
	handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(30), Target: &p.Targets[0], Attempt: 1, Data: make([]byte, 700)})
	closeRecorder(t, r)
	var head, gap int64
	for _, e := range replayed(t, s, r.RunID(), store.Filter{Hosts: []string{"a"}}) {
		head, gap = head+int64(len(e.Data)), gap+e.Omitted
		if e.Kind == fanout.TargetFinished && (e.Result.OmittedBytes != 5200 || e.Result.StdoutBytes != 5700) {
			t.Errorf("got %d of %d omitted, want 5200 of 5700", e.Result.OmittedBytes, e.Result.StdoutBytes)
		}
	}
	if head != 500 || gap != 5200 {
		t.Errorf("got %d bytes and a gap of %d, want 500 and 5200", head, gap)
	}
}

// The locks of two runs in one process do not know each other.
func TestRecordersOfOneProcess(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	one, two := begin(t, s, testPlan("a"), store.RunInfo{}), begin(t, s, testPlan("a"), store.RunInfo{})
	closeRecorder(t, one)
	other := openTest(t, path)
	for r, want := range map[*store.Recorder]store.State{one: store.Interrupted, two: store.Running} {
		run, err := other.Run(t.Context(), fmt.Sprint(r.RunID()), "")
		if err != nil || run.State != want {
			t.Errorf("run %d: got %s, %v, want %s", r.RunID(), run.State, err, want)
		}
	}
	closeRecorder(t, two)
}
