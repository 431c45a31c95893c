// Package scheduler decides when jobs fire, and fires them. It consists of pure rules,
// which get the time as an argument and neither start nor store anything, and of a
// [Daemon] that applies them to the jobs of a [Ledger].
//
// A [Job] is a command with a [Schedule]. [Parse] makes a Schedule of one expression or
// several, in a time zone: a set of scheduled times, through which Next goes from each
// to the one after it. An expression with a * in its minute or hour follows real time
// through daylight saving; one without fires once for each local time it names.
//
// Each scheduled time makes a [Firing], due a jitter later. Its [Decision] is to run
// it, to queue it behind an earlier firing ([Overlap]), to skip it, or to record it as
// missed because it is too late ([Timing.Late]). The cursor of a job is the last
// scheduled time that was decided, so that each is decided exactly once. [Notify] says
// which events are sent to whom.
//
// A [JobState] is a job with its open firings. Its methods are the rules: firings are
// decided, claimed, begun, ended and settled, and the job is edited, killed and
// removed. A rule returns a [Transition]. A [Desk] caches the states of jobs, applies
// rules to them, and commits the transitions to the ledger by compare and swap; if
// another process was faster, it reads the job again. The rules are the same for every
// ledger.
//
// Jobs are read from files with [ReadJobs] and written with [WriteJobs].
// Everything here may be used by several goroutines at once unless it says
// otherwise.
package scheduler
