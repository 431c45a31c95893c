// Package live sends what happens in runs to HTTP clients while it happens: any
// number of them, however slowly they read, without slowing the run.
//
// Of a run there are two planes. The state of each host is a level: who missed what
// lies between gets the newest, so that nothing is queued for anybody. A [Hub] keeps
// the states, and every tenth of a second makes one frame of those that changed, encoded
// once for all who look. Output is kept for the hosts somebody looks at only, in rings;
// a viewer gets so much of it at a time and is told what was left out, which the history
// has.
//
// A hub is fed by the run itself, as one of its sinks, or from the history for a run that
// another process executes or that is over: [Hubs] knows which. Package store says how
// a run is followed.
//
// [Streams] are the handlers. They are given requests that are already authorized, and
// what of a run may be seen.
package live
