package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// limitPages makes the disk full for the writer of s, with room for n pages.
func limitPages(tb testing.TB, s *Store, n int64) {
	tb.Helper()
	use, err := pageUseOf(tb.Context(), s.w)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := s.w.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", use.total+n)); err != nil {
		tb.Fatal(err)
	}
}

func TestBeginOnFullDisk(t *testing.T) {
	s := openTest(t, tempPath(t))
	limitPages(t, s, 1)
	_, err := s.Begin(t.Context(), testPlan(numbered(2000)...), store.RunInfo{})
	e, ok := errors.AsType[*store.Error](err)
	if !ok || !errors.Is(e, store.ErrFull) || e.Op != "record" || wayOut(e) != store.AdviceFull {
		t.Errorf("got %v, want an *Error of kind %v", err, store.ErrFull)
	}
	runs, err := s.Runs(t.Context(), store.Query{})
	if err != nil || len(runs) != 0 {
		t.Errorf("got %d runs, %v, want none", len(runs), err)
	}
}

// noise does not compress.
func noise(n int) []byte {
	data := make([]byte, n)
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

// TestChangeOnFullDisk: where a history could only be opened for reading because
// the disk is full, that is why it cannot be changed.
func TestChangeOnFullDisk(t *testing.T) {
	path := tempPath(t)
	openTest(t, path)
	file, err := inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	file.unwritable = &store.Error{Op: "open", Path: path, Kind: store.ErrFull}
	s, err := open(t.Context(), file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // it only reads
	if err := s.RemoveJob(t.Context(), "backup", 0, "anna", noon); !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v, want %v", err, store.ErrFull)
	}
	if _, err := s.Prune(t.Context(), store.DefaultRetention()); !errors.Is(err, store.ErrFull) {
		t.Errorf("prune: got %v, want %v", err, store.ErrFull)
	}
}

func TestDiskFillsUpDuringRun(t *testing.T) {
	for _, stop := range []bool{false, true} {
		t.Run(fmt.Sprintf("StopOnError=%v", stop), func(t *testing.T) {
			s := openTest(t, tempPath(t))
			p := testPlan("a", "b", "c")
			r := begin(t, s, p, store.RunInfo{StopOnError: stop})
			if err := r.Starting(t.Context(), p.Targets[0], 1, ""); err != nil {
				t.Fatal(err)
			}
			limitPages(t, s, 4)
			lost := noise(300_000)
			handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(20), Target: &p.Targets[0], Attempt: 1, Data: lost})
			err := r.Starting(t.Context(), p.Targets[1], 1, "")
			if got := errors.Is(err, store.ErrFull); got != stop || (err == nil) == stop {
				t.Errorf("Starting: got %v, want an error: %v", err, stop)
			}
			// The run goes on, and how its hosts ended fits on the disk.
			var results []*fanout.Result
			for i := range p.Targets {
				res := finished(p.Targets[i], 1, uint32(i), 0, 0)
				if i == 0 {
					res.StdoutBytes = int64(len(lost))
				}
				handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: &p.Targets[i], Attempt: 1, Result: res})
				results = append(results, res)
			}
			handle(t, r, endEvent(results...))
			for range 2 {
				if err := r.Close(); !errors.Is(err, store.ErrFull) {
					t.Errorf("Close: got %v, want %v", err, store.ErrFull)
				}
			}
			checkOutcomes(t, s, r.RunID(), "a ok", "b failed", "c failed")
			var gap int64
			for _, e := range replayed(t, s, r.RunID(), store.Filter{Hosts: []string{"a"}}) {
				gap += e.Omitted
				if e.Kind == fanout.TargetFinished && e.Result.OmittedBytes != int64(len(lost)) {
					t.Errorf("got %d omitted, want %d", e.Result.OmittedBytes, len(lost))
				}
			}
			if gap != int64(len(lost)) {
				t.Errorf("got a gap of %d, want %d", gap, len(lost))
			}
		})
	}
}

func TestDamagedFile(t *testing.T) {
	path := tempPath(t)
	s, err := Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		record(t, s, store.RunInfo{}, string(noise(10_000)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[4096:], strings.Repeat("\xff", len(data)-4096))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), path, store.Options{})
	if err == nil {
		_, err = s.Runs(t.Context(), store.Query{})
		_ = s.Close() // it is damaged
	}
	e, ok := errors.AsType[*store.Error](err)
	if !ok || !errors.Is(e, store.ErrDamaged) || wayOut(e) == "" {
		t.Errorf("got %v, want an *Error of kind %v", err, store.ErrDamaged)
	}
}
