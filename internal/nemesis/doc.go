// Package nemesis holds a test only: several daemons on one history, at which
// everything is thrown that happens to daemons, and a judge who holds the history
// against what the fleet knows happened.
//
// The fleet lives in the test. Every daemon is `tutti serve` in a process of its
// own, the test binary started again. Daemons are killed, stopped and continued,
// and asked to stop; the clock that all of them read is put forward and back; jobs
// are changed, paused, resumed, killed and run manually by another process, the
// test itself. The history is a file, or in a PostgreSQL server that is killed and to
// which each daemon has a way of its own, which breaks. `make soak` is the long form,
// `go test` a short one; both say the seed that everything was drawn from, and -seed
// draws the same again.
package nemesis
