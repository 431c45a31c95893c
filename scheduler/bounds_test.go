package scheduler

import (
	"context"
	"errors"
	"strings"
	"testing"
)

const threeJobs = "jobs:\n  a: {schedule: '@daily', selector: all, command: x}\n  b: {keep: 7x}\n  c: {schedule: 'x', selector: all, command: x}\n"

// Too many jobs are one problem, which is found before any of them is read.
func TestReadJobsBoundsTheJobs(t *testing.T) {
	r := rules()
	r.MostJobs = 2
	_, err := ReadJobs(t.Context(), "jobs.yaml", []byte(threeJobs), r)
	if want := "jobs.yaml:2:3: jobs: 3 jobs; one file may have at most 2"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	r.MostJobs = 3
	if _, err = ReadJobs(t.Context(), "jobs.yaml", []byte(threeJobs), r); err == nil || strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v, want the problems of the jobs", err)
	}
}

// Nothing more is read once its context has ended.
func TestReadJobsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, read := rules(), 0
	r.Selector = func(string) error {
		read++
		cancel()
		return nil
	}
	jobs, err := ReadJobs(ctx, "jobs.yaml", []byte(threeJobs), r)
	if !errors.Is(err, context.Canceled) || jobs != nil || read != 1 {
		t.Errorf("got %v, %v after %d jobs, want to stop after one", jobs, err, read)
	}
}
