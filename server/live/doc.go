// Package live sends what happens in runs to HTTP clients while it happens: any
// number of them, however slowly they read, without slowing the run.
//
// A run has two planes. The state of each host is a level: a client that missed the
// states in between gets the newest, so that nothing is queued for any client. A [Hub]
// keeps the states, and every tenth of a second makes one frame of those that changed,
// encoded once for all viewers. Output is kept only for the hosts that a viewer watches,
// in rings; a viewer gets a bounded piece of it at a time, with gaps where something was
// left out, which the history has.
//
// A hub is fed by the run itself, as one of its sinks, or from the history for a run that
// another process executes or that is over: [Hubs] knows which. Package store says how
// a run is followed.
//
// [Streams] are the handlers. Their requests are already authorized, and the caller says
// which hosts of a run may be seen.
package live
