package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// numberedLines are lines that say which they are, counted from 1.
func numberedLines(from, to int) []byte {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "line %05d of what this host has to say\n", i)
	}
	return []byte(b.String())
}

// lineSize is the size of such a line.
const lineSize = 40

// recordLong records a host that writes 10,000 lines to one stream, of which the head
// and the tail are recorded, and a few to the other.
func (b *bed) recordLong() int64 {
	b.Helper()
	p := plan("cli", 1)
	t := &p.Targets[0]
	r, err := b.Begin(b.Context(), p, store.RunInfo{RecordLimit: 1000 * lineSize})
	b.must(err)
	say := func(stream fanout.Stream, data []byte) {
		b.Helper()
		b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.Output, Time: noon, Target: t, Attempt: 1, Stream: stream, Data: data}))
		b.must(r.Starting(b.Context(), *t, 1, "")) // which makes it durable
	}
	say(fanout.Stdout, numberedLines(1, 150))
	say(fanout.Stderr, []byte("careful\n"))
	say(fanout.Stdout, numberedLines(151, 152))
	say(fanout.Stdout, numberedLines(153, 9000))
	say(fanout.Stderr, []byte("careful again\n"))
	say(fanout.Stdout, numberedLines(9001, 10000))
	x := fanout.Result{Target: *t, Attempts: 1, StdoutBytes: 10000 * lineSize, StderrBytes: 22, Report: fanout.Report{Started: true, Exit: &fanout.Exit{}}}
	b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.TargetFinished, Time: noon, Target: t, Attempt: 1, Result: &x}))
	var s fanout.Summary
	s.Add(x)
	b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.RunFinished, Time: noon, Summary: &s}))
	b.must(r.Close())
	return r.RunID()
}

// Any part of the output of a host can be read, by its offset or its lines.
func testOutput(t *testing.T, b *bed) {
	run := b.recordLong()
	all := string(numberedLines(1, 10000))
	out, both := []fanout.Stream{fanout.Stdout}, []fanout.Stream(nil)
	read := func(q store.OutputQuery) store.OutputRange {
		t.Helper()
		q.Run, q.Host = run, "web00"
		r, err := b.OutputRange(t.Context(), q)
		b.must(err)
		if r.Attempt != 1 || !r.Ended {
			t.Errorf("got attempt %d, ended %t, want the last", r.Attempt, r.Ended)
		}
		return r
	}
	whole := read(store.OutputQuery{Streams: out})
	if whole.Offset != 0 || whole.Next != int64(len(all)) || whole.More || whole.Omitted != 9000*lineSize {
		t.Errorf("got %d to %d, more %t, %d omitted, want all but 9,000 lines", whole.Offset, whole.Next, whole.More, whole.Omitted)
	}
	for _, p := range whole.Parts {
		if p.Data != nil && string(p.Data) != all[p.Offset:p.Offset+int64(len(p.Data))] {
			t.Errorf("got %q… at %d", p.Data[:20], p.Offset)
		}
	}
	for offset := int64(0); offset < int64(len(all)); offset += 7001 {
		r := read(store.OutputQuery{Streams: out, Offset: offset, Bytes: 100})
		if first := r.Parts[0]; r.Offset != offset || first.Offset != offset || string(first.Data) != all[offset:offset+int64(len(first.Data))] {
			t.Errorf("at %d: got %+v", offset, r)
		}
	}
	lines := read(store.OutputQuery{Streams: out, Line: 100, Lines: 3})
	if want := string(numberedLines(100, 102)); string(lines.Parts[0].Data) != want || lines.NextLine != 103 || lines.Next != 102*lineSize {
		t.Errorf("got %+v, want %q", lines, want)
	}
	tail := read(store.OutputQuery{Streams: out, Tail: 2})
	if want := string(numberedLines(9999, 10000)); string(tail.Parts[0].Data) != want || tail.Parts[0].Offset != 9998*lineSize {
		t.Errorf("got %+v, want %q", tail, want)
	}
	mixed := read(store.OutputQuery{Streams: both, Line: 150, Lines: 3})
	if want := string(numberedLines(150, 150)) + "|careful\n|" + string(numberedLines(151, 151)); joined(mixed) != want {
		t.Errorf("got %q, want %q", joined(mixed), want)
	}
	errs := read(store.OutputQuery{Streams: []fanout.Stream{fanout.Stderr}, Offset: 8})
	if joined(errs) != "careful again\n" || errs.Parts[0].Offset != 8 {
		t.Errorf("got %+v, want the second line", errs)
	}
	if _, err := b.OutputRange(t.Context(), store.OutputQuery{Run: run, Host: "none"}); !errors.As(err, new(*store.NoHostError)) {
		t.Errorf("got %v, want a *NoHostError", err)
	}
}

// joined returns the parts of a range, joined.
func joined(r store.OutputRange) string {
	var said []string
	for _, p := range r.Parts {
		said = append(said, string(p.Data))
	}
	return strings.Join(said, "|")
}

// Each attempt has its own output, which can be read while it is running.
func testOutputOfAttempts(t *testing.T, b *bed) {
	r := b.beginSome()
	for _, tt := range []struct {
		host    string
		attempt int
		want    string
		ended   bool
	}{
		{"web00", 0, "1 done\n", true},
		{"web01", 0, "1 so far\n", false},
		{"web02", 1, "1 not yet\n", true},
		{"web02", 2, "2 ", false},
		{"web03", 0, "0 ", false},
	} {
		got, err := b.OutputRange(t.Context(), store.OutputQuery{Run: r.RunID(), Host: tt.host, Attempt: tt.attempt})
		if err != nil || fmt.Sprint(got.Attempt, " ", joined(got)) != tt.want || got.Ended != tt.ended || got.More {
			t.Errorf("%s attempt %d: got %+v, %v, want %q, ended %t", tt.host, tt.attempt, got, err, tt.want, tt.ended)
		}
	}
	b.must(r.Close())
}

// A search finds a text in the recorded output, page by page, until its deadline.
func testSearch(t *testing.T, b *bed) {
	q := store.SearchQuery{Run: b.recordLong(), Host: "web00", Streams: []fanout.Stream{fanout.Stdout}, Text: "00 OF", Fold: true, Limit: 4}
	var lines []string
	for more := true; more; {
		r, err := b.SearchOutput(t.Context(), q)
		b.must(err)
		for _, h := range r.Hits {
			lines = append(lines, fmt.Sprintf("%d at %d", h.Line, h.Offset))
		}
		q.From, more = r.Next, r.More
	}
	checkSaid(t, "hits", lines,
		"100 at 3968", "200 at 7968", "300 at 11968", "400 at 15968", "500 at 19968", // of the head
		"600 at 383968", "700 at 387968", "800 at 391968", "900 at 395968", "1000 at 399968") // of the tail, which follows in the record
	over, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	q.From = store.SearchPlace{}
	r, err := b.SearchOutput(over, q)
	if err != nil || !r.More || len(r.Hits) > 0 {
		t.Errorf("got %+v, %v, want nothing yet", r, err)
	}
}
