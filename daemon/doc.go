// Package daemon is `tutti serve` without a command line: it registers with a history,
// fires its jobs, delivers notifications, prunes old runs, serves the API, metrics and
// health over HTTP, and reports to the service manager. [Join] and [Daemon.Run] make a
// daemon; several may be in one process.
//
// It connects parts and decides nothing itself: package scheduler decides when a job
// fires, runner runs it, and store records it. The caller has flags, signals and the
// words for users.
package daemon
