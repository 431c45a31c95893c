// Package store has the words of the history: runs and their hosts, firings of jobs,
// queries, retention, errors. It says what a [Store] is, which is a [History] of what
// happened and the ledger on which daemons agree, and it does what is the same in
// every engine: a [Recorder] turns the events of a run into batches, of which an engine's
// [Writer] makes each durable; [Play] tells a recorded run again, out of an engine's
// [Pages]; [Jobs] are what operators do to jobs, by the rules of package scheduler.
//
// An engine is a package below this one. It knows tables, transactions and locks;
// nothing here does, and nothing above store but what opens a history names an engine.
// What engines promise is held against each of them by package storetest.
//
// The history holds what hosts said, and so it may hold secrets.
package store
