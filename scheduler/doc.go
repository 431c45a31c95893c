// Package scheduler decides when jobs fire, and fires them. It is rules, which
// start nothing, keep nothing and are told what time it is, and a [Daemon] that
// applies them to the jobs of a [Ledger].
//
// A [Job] is a command with a [Schedule]. A Schedule is one expression or
// several, read in a time zone by [Parse]; it is a set of instants, and Next
// goes from each to the one after it. An expression with a * in its minute or
// hour follows real time through daylight saving; one without fires once for
// each local time it names.
//
// An instant that has come is a [Firing]: scheduled at the instant, due a jitter
// later. What becomes of it is its [Decision]: it is run, waits for an earlier
// firing to end ([Overlap]), is skipped, or is missed because it is too late
// ([Timing.Late]). The cursor of a job is the last instant that was decided,
// so that each is decided exactly once. [Notify] says what of all that is told.
//
// A [JobState] is a job and what its firings have come to. Its methods are the
// rules of what happens to them: they are decided, claimed, begun, ended and settled,
// and the job is changed, killed and removed. A rule says what follows, as a
// [Transition]. A [Desk] has the states of jobs as they were when it looked, applies
// rules to them, and commits what follows to a ledger by compare and swap: if another process was
// faster it looks again. Whatever is a ledger has the same rules.
//
// Jobs are read from files with [ReadJobs] and written with [WriteJobs].
// Everything here may be used by several goroutines at once unless it says
// otherwise.
package scheduler
