package server_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"tutti/access"
	"tutti/jobs"
	"tutti/server"
	"tutti/store"
)

func TestApplyBoundsTheJobs(t *testing.T) {
	r := newRig(t)
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range 10_001 {
		fmt.Fprintf(&b, "  j%d: {schedule: '@daily', selector: web, command: x}\n", i)
	}
	w := r.ask(t, "POST", "/apply", b.String(), "Content-Type", "application/yaml")
	if r.refused(t, w, "invalid"); !strings.Contains(w.Body.String(), "10001 jobs; one file may have at most 10000") {
		t.Errorf("got %s", w.Body)
	}
}

// failingChanges make the first step of a plan, and fail in the others with err.
type failingChanges struct {
	server.JobChanges
	err error
}

func (f failingChanges) Apply(_ context.Context, _ *access.Principal, p *jobs.Plan) iter.Seq2[jobs.Step, error] {
	return func(yield func(jobs.Step, error) bool) {
		made := false
		for step := range p.Steps() {
			err := f.err
			if !made {
				made, err = true, nil
			}
			if !yield(step, err) {
				return
			}
		}
	}
}

// What could not be changed is named up to a bound, and what all other steps would fail by
// too ends them.
func TestApplyPartly(t *testing.T) {
	r := newRig(t)
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range 150 {
		fmt.Fprintf(&b, "  j%d: {schedule: '@daily', selector: web, command: x}\n", i)
	}
	changes := r.api.Changes
	for _, tt := range []struct {
		err    error
		detail string
		named  int
	}{
		{&store.JobExistsError{Name: "x"}, "of 150 changes 1 were made, 149 failed, and 0 were not tried", 20},
		{&store.Error{Op: "change", Kind: store.ErrFull}, "of 150 changes 1 were made, 1 failed, and 148 were not tried", 1},
	} {
		r.api.Changes = failingChanges{changes, tt.err}
		w := r.ask(t, "POST", "/apply", b.String(), "Content-Type", "application/yaml")
		r.refused(t, w, "partly")
		if got := strings.Count(w.Body.String(), `"pointer"`); got != tt.named || !strings.Contains(w.Body.String(), tt.detail) {
			t.Errorf("%v: got %d jobs named in %s, want %d and %q", tt.err, got, w.Body, tt.named, tt.detail)
		}
	}
}
