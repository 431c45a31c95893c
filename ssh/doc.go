// Package ssh runs commands on hosts over SSH: it is the program's [fanout.Executor].
//
// A [Client] logs in by key, checks host keys against known_hosts, runs one command at
// a time on each connection and reports how it ended. An exit status counts only
// together with the output that belongs to it: if the connection breaks under a
// command, the command is lost even if its exit status had arrived. On timeout, or when
// the run is stopped, the client kills the remote command.
package ssh
