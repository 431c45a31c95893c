// Package store keeps the history of runs in a SQLite file.
//
// A [Store] is one open history. [Store.Begin] takes a number for a run and
// returns its [Recorder], which is both a [fanout.Sink] and a [fanout.Journal]:
// it writes the run down as it goes, so that what is known survives a crash of
// this process at any moment. [Store.Replay] tells a recorded run again as the
// events it was made from, so that a past run is printed by the same sinks as a
// live one.
//
// It keeps jobs too, and what became of their instants. A [Daemon] is a process
// that carries them out: it is the [scheduler.Jobs] and the [scheduler.Outbox]
// of a scheduler.Daemon. A firing is decided, claimed and begun in transactions
// of their own, each of which one daemon wins; what a daemon had claimed and not
// begun when it ended another one claims. What happens to a firing is not decided
// here: a transaction reads a [scheduler.JobState], applies one of its rules, and
// writes down what follows.
//
// Many processes may have one history open, and record into it, at the same
// time. Each run is guarded by a lock that its process holds for as long as it
// lives; a run in state "running" whose lock is free was cut off, and the next
// process that opens the history says so in it. The file belongs to one
// machine: locks do not travel over a network file system.
//
// The history holds what hosts said, and so it may hold secrets: every file
// made here is readable by its owner only.
//
// The tables and their columns are public; docs/history.md describes them.
package store
