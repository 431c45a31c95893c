// Package jobs is the service over the jobs of a history, for the command line and for
// HTTP: it adds, edits, applies, pauses, removes, starts and stops jobs, and lists them
// with their firings and next times. It checks that a job can run, what a change would
// do, and whether a file looks wrong. It returns values and typed errors; the caller
// words them, and asks the user.
//
// A [Service] needs a history, a [Checker] only the process's environment, so that it
// can refuse a job before a history exists. Package scheduler knows when jobs fire,
// package runner how they run.
package jobs
