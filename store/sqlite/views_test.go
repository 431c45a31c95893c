package sqlite

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// A history as the program wrote it before it kept where a piece of output begins: at
// schema 7, copied while two runs were at work.
//
//go:embed testdata/history-7.sql
var history7 string

// TestOutputOfSchema7: where pieces begin is summed.
func TestOutputOfSchema7(t *testing.T) {
	s := openText(t, history7)
	checkInt(t, s.r, "SELECT count(*) FROM output WHERE start IS NOT NULL", 0)
	const size = 39 // of a line
	line := func(n int) string { return fmt.Sprintf("line %04d of what this host has to say\n", n) }
	for _, tt := range []struct {
		offset int64
		want   string
	}{
		{0, line(0)},
		{130 * size, line(130)},
		{150*size + 5, line(150)[5:]},
		{1999 * size, line(1999)},
	} {
		q := store.OutputQuery{Run: 1, Host: "a", Streams: []fanout.Stream{fanout.Stdout}, Offset: tt.offset, Bytes: len(tt.want)}
		r, err := s.OutputRange(t.Context(), q)
		if err != nil || len(r.Parts) != 1 || string(r.Parts[0].Data) != tt.want || r.Parts[0].Offset != tt.offset || r.More != (tt.offset < 1999*size) {
			t.Errorf("at %d: got %+v, %v, want %q", tt.offset, r, err, tt.want)
		}
	}
	r, err := s.OutputRange(t.Context(), store.OutputQuery{Run: 1, Host: "a"})
	if err != nil || r.Omitted != 58000 || r.Next != 78024 {
		t.Errorf("got %d omitted of %d, %v, want 58000 of 78024", r.Omitted, r.Next, err)
	}
}

// TestOutputStarts: where a piece begins is what comes before it in its stream.
func TestOutputStarts(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a", "b")
	r := begin(t, s, p, store.RunInfo{RecordLimit: 20000})
	said := map[string]int{}
	for i := range 300 {
		target, stream := &p.Targets[i%2], fanout.Stream(i%3%2)
		data := strings.Repeat("x", 1+i*7%900)
		said[target.Name+stream.String()] += len(data)
		handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(i), Target: target, Attempt: 1, Stream: stream, Data: []byte(data)})
		if i%50 == 0 {
			if err := r.Starting(t.Context(), *target, 1, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	var results []*fanout.Result
	for i := range p.Targets {
		x := finished(p.Targets[i], 1, 0, int64(said[p.Targets[i].Name+"stdout"]), int64(said[p.Targets[i].Name+"stderr"]))
		handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(500), Target: &p.Targets[i], Attempt: 1, Result: x})
		results = append(results, x)
	}
	handle(t, r, endEvent(results...))
	closeRecorder(t, r)
	checkInt(t, s.r, "SELECT count(*) > 8 FROM output", 1)
	checkInt(t, s.r, "SELECT count(*) FROM output WHERE codec = 'omitted'", 4)
	checkInt(t, s.r, `SELECT count(*) FROM (SELECT codec, start, iif(codec = 'omitted', data, length(data)) AS size,
		lead(start) OVER (PARTITION BY host, stream ORDER BY seq) AS next FROM output) WHERE codec <> 'zstd' AND start + size <> next`, 0)
	checkInt(t, s.r, "SELECT count(*) FROM output WHERE seq = 1 AND start <> 0", 0)
	for i := range p.Targets {
		for _, stream := range []fanout.Stream{fanout.Stdout, fanout.Stderr} {
			got, err := s.OutputRange(t.Context(), store.OutputQuery{Run: r.RunID(), Host: p.Targets[i].Name, Streams: []fanout.Stream{stream}})
			if want := said[p.Targets[i].Name+stream.String()]; err != nil || got.Next != int64(want) {
				t.Errorf("%s of %s: got %d bytes, %v, want %d", stream, p.Targets[i].Name, got.Next, err, want)
			}
		}
	}
}

// TestViewsOfAForeignHistory: in a history that cannot be written, a run that was cut
// off is shown as such.
func TestViewsOfAForeignHistory(t *testing.T) {
	path := writeText(t, history7)
	s := openTest(t, path) // brings the schema up to date
	r := begin(t, s, testPlan("a", "b"), store.RunInfo{})
	if err := r.Starting(t.Context(), testPlan("a").Targets[0], 1, ""); err != nil {
		t.Fatal(err)
	}
	copied := tempPath(t)
	if err := makeFile(copied); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.Exec("VACUUM INTO ?", copied); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o400); err != nil {
		t.Fatal(err)
	}
	closeRecorder(t, r)
	file, err := inspect(copied)
	if err != nil {
		t.Fatal(err)
	}
	if file.unwritable == nil { // root may write it
		file.unwritable = &store.Error{Op: "open", Path: copied, Kind: store.ErrReadOnly}
	}
	ro, err := open(t.Context(), file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ro.Close() }() // it only reads
	page, err := ro.ResultsPage(t.Context(), store.ResultQuery{Run: r.RunID(), Outcomes: []fanout.Outcome{fanout.Lost}})
	if err != nil || len(page.Hosts) != 1 || page.Hosts[0].Outcome != fanout.Lost || page.Hosts[0].Phase != store.HostEnded {
		t.Errorf("got %+v, %v, want the one that is lost", page, err)
	}
	groups, err := ro.Groups(t.Context(), r.RunID(), nil)
	if err != nil || len(groups) != 2 || groups[0].Outcome != fanout.Lost {
		t.Errorf("got %+v, %v, want two groups", groups, err)
	}
}

// Whatever is in the message of a failure, hosts with it are a group, and the message is whole.
func TestGroupsOfOddMessages(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a", "b", "c")
	r := begin(t, s, p, store.RunInfo{})
	var results []*fanout.Result
	for i, message := range []string{"x\x1ey\x1fz\n1", "x\x1ey\x1fz\n1", "x"} {
		x := &fanout.Result{Target: p.Targets[i], Attempts: 1, Outcome: fanout.Unreachable, EndedAt: at(9)}
		x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: message}
		handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(9), Target: &p.Targets[i], Attempt: 1, Result: x})
		results = append(results, x)
	}
	handle(t, r, endEvent(results...))
	closeRecorder(t, r)
	groups, err := s.Groups(t.Context(), r.RunID(), nil)
	if err != nil || len(groups) != 2 || groups[0].Error != "x" || !slices.Equal(groups[1].Hosts, []string{"a", "b"}) || groups[1].Error != results[0].Report.Failure.Text() {
		t.Errorf("got %+v, %v", groups, err)
	}
}
