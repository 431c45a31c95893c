// Package sqlite stores the history of runs in a SQLite file: it is the engine of
// package store that needs no server.
//
// A [Store] is one open file: a [History] and a [Ledger] over one handle.
// [History.Begin] takes a number for a run and returns its [store.Recorder], which is
// both a [fanout.Sink] and a [fanout.Journal]: it records the run as it goes on, so
// that what is known survives a crash of this process at any moment. [History.Replay]
// sends the events that a recorded run was made from, so that a past run is printed by
// the same sinks as a live one.
//
// It stores jobs, too, and their firings: the Ledger is the [scheduler.Ledger] of the
// daemons on its file, and a [Daemon] is the [scheduler.Membership] of one. What
// happens to a job is not decided here: what follows from a rule of scheduler.JobState
// is written if the job still is as the rule found it. That a firing begins, and how
// its run ended, is written together with the run.
//
// Many processes may have one history open, and record into it, at the same
// time. Each run is guarded by a lock that its process holds for as long as it
// lives; a run in state "running" whose lock is free was cut off, and the next
// process that opens the history says so in it. The file belongs to one
// machine: locks do not travel over a network file system.
//
// The history holds the output of hosts, which may contain secrets: every file that
// this package makes is readable by its owner only.
//
// The tables and their columns are public; docs/history.md describes them.
package sqlite
