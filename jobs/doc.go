// Package jobs is one service over the jobs of a history, for the command line
// and for HTTP: adding, editing, applying a file, pausing, removing, asking for
// a run, and looking at jobs, their firings and their next times. It holds the
// rules: what makes a job one that can run, what a change would do, when a file
// looks wrong. It returns values and typed errors; how they are worded, and who
// is asked, is the caller's.
//
// A [Service] needs a history, a [Checker] only the process's environment, so
// that a job can be refused before there is a history. How a job is run is not
// known here; when it fires is package scheduler's.
package jobs
