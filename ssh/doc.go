// Package ssh carries out attempts over SSH: it is the program's
// [fanout.Executor].
//
// A [Client] logs in by key, checks host keys against known_hosts, runs one
// command at a time on each connection and says truly how it ended. A status
// counts only with the output that belongs to it: a connection that dies under
// a command is a loss even if an exit status had arrived before. What it
// starts remotely it ends again when the time is up or the run is stopped.
package ssh
