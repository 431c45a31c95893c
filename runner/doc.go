// Package runner makes a recorded run of a request. A [Request] has the typed settings
// of a run, without the command line: hosts, task, limits, rolling, login and record.
// A [Key] names one setting, and knows how it is read, written and checked. The table
// of keys is the only codec of requests: flags, the options of a job, and what a rerun
// repeats are read and written through it.
//
// A [Launch] makes the run: Decide makes a plan, Run executes it and records it in a
// [History]. A [View] shows it, on a terminal, to a network client or not at all,
// and a [Prompter] asks the operator who launched it, if there is one. A [Firing] of
// a job is the same with the job's request.
package runner
