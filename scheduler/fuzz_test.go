package scheduler

import (
	"errors"
	"testing"
	"time"

	"tutti/internal/yamltree"
)

// FuzzParse holds every schedule that is accepted to what Next promises: no
// panic, strictly later, not beyond the horizon.
func FuzzParse(f *testing.F) {
	for i, text := range append(walkExpressions, "@every 90s", "@at 2027-01-31T18:00:00Z", "@daily x", "21-9 * * * *", "0/0 * * * *", "0 0 0 29 2 5#5 2096", "*/59 */59 */23 */30 */11 */6 2000/59") {
		f.Add(text, int64(i)*1e8, uint8(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, text string, from int64, in uint8, seconds bool) {
		zone, err := LoadZone(walkZones[int(in)%len(walkZones)])
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse([]string{text}, Options{Zone: zone, Seconds: seconds, Job: "fuzz"})
		if err != nil {
			bad, ok := errors.AsType[*SyntaxError](err)
			if !ok || bad.Column > len(text)+1 || bad.Error() == "" {
				t.Fatalf("%q: got %v (%T)", text, err, err)
			}
			return
		}
		if s.Describe() == "" {
			t.Fatalf("%q: no words", text)
		}
		at := time.Unix(from%(1<<33), from%1e9)
		for range 5 {
			next, err := s.Next(at)
			if errors.Is(err, ErrNoMore) {
				return
			}
			if err != nil || !next.At.After(at) || next.At.Sub(at) > horizon || next.At.Nanosecond() != 0 {
				t.Fatalf("%q after %s: got %s, %v", text, at, next.At, err)
			}
			// From the second before it is the same one.
			if again, err := s.Next(next.At.Add(-time.Nanosecond)); err != nil || !again.At.Equal(next.At) {
				t.Fatalf("%q just before %s: got %s, %v", text, next.At, again.At, err)
			}
			at = next.At
		}
	})
}

// FuzzReadJobs: a file is refused with a position, or its jobs are read as they
// are written.
func FuzzReadJobs(f *testing.F) {
	f.Add(someJobs)
	f.Add("jobs: {a: {schedule: '@daily', selector: all, command: \"x\\n y\\n\"}}")
	f.Add("jobs: {a: {schedule: ['@daily'], hosts: x, script: /x, keep: 5d, notify: {command: x}}}")
	f.Add("jobs: {a: {schedule: &s '@daily', selector: *s, command: |\n  x\n\n}}")
	f.Fuzz(func(t *testing.T, text string) {
		jobs, err := ReadJobs(t.Context(), "f", []byte(text), rules())
		if err != nil {
			if _, ok := errors.AsType[*yamltree.Errors](err); !ok {
				t.Fatalf("got %v (%T)", err, err)
			}
			return
		}
		roundTrip(t, jobs, rules())
	})
}
