package storetest

import (
	"bytes"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// testScript: the script of a submission is kept for as long as its run.
func testScript(t *testing.T, b *bed) {
	small, large := []byte("#!/bin/sh\n\xff\n"), bytes.Repeat([]byte("#!/bin/sh\necho\n"), 10_000)
	with := func(text []byte) store.Submission {
		s := submission(0)
		s.Request.Command, s.Request.Script = "", &store.QueuedScript{Label: "script x", Text: text}
		return s
	}
	for _, tt := range []struct {
		s    store.Submission
		want []byte
	}{{with(small), small}, {with(large), large}, {submission(0), nil}} {
		run := b.submit(tt.s)
		check := func(when string, want []byte) {
			t.Helper()
			if got, err := b.Queue().Script(t.Context(), run); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: got %d bytes, %v, want %d", when, len(got), err, len(want))
			}
		}
		check("while it waits", tt.want)
		b.must(b.StopRun(t.Context(), scheduler.Stop{Run: run, By: "ann", At: minute(1)}))
		check("after its end", tt.want)
		b.must(b.Delete(t.Context(), run))
		check("after it was deleted", nil)
	}
	if got, err := b.Queue().Script(t.Context(), 99); got != nil || err != nil {
		t.Errorf("got %q, %v of no run", got, err)
	}
}
