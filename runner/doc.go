// Package runner makes a recorded run of a request. A [Request] is what a run is
// given, typed and without the command line: hosts, task, limits, rolling, login
// and record. A [Key] is the name of one thing that a request may say, with how
// it is read, written and checked. The table of keys is the one codec of
// requests: flags, the options of a job, and what a rerun repeats are read and
// written through it.
package runner
