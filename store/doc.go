// Package store has the types of the history: runs and their hosts, firings of jobs,
// queries, retention, errors. It defines the interface [Store], a [History] and the
// ledger of its daemons, and implements what is the same in every engine: a [Recorder]
// turns the events of a run into batches, which an engine's [Writer] makes durable;
// [Play] replays a recorded run from an engine's [Pages]; [Jobs] makes the changes of
// operators, by the rules of package scheduler.
//
// An engine is a package below this one. It knows tables, transactions and locks, which
// this package does not. Above store, only the code that opens a history names an
// engine. Package storetest tests the contract of engines.
//
// The history holds the output of hosts, which may contain secrets.
package store
