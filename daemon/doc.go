// Package daemon is what `tutti serve` is, without a command line: a process
// that joins those of a history, fires its jobs, delivers what there is to
// notify, drops old runs, shows metrics and health over HTTP, and tells the
// service manager how it is. [Join] and [Daemon.Run] make one; several may be in
// one process.
//
// It puts parts together and decides nothing itself: when a job fires is package
// scheduler's, how it runs is runner's, what is kept is the store's. Flags,
// signals and words for people are its caller's.
package daemon
